"""Measure data/MC corrections on control samples.

    python -m scheduler.tag_and_probe --data FOLDER --simulation FOLDER --out FILE

Both folders hold ntuples as ``<control sample>/*.root`` (`processors.control_samples.ControlSample`); those that both
have are used. The efficiency of every requirement is fitted in bins of momentum, polar angle and charge, in data and in
simulation by the same code, and their ratio is written as a correctionlib set with its statistical uncertainty.
J/ψ → μμ gives the momentum scale and resolution too; muons that recoil against another one and a photon give tracking
and photon energy. The set goes after `default` in `candidates.corrections`.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from correctionlib import schemav2
from numpy.typing import NDArray

from models.constants import JPSI_MASS_GEV, MUON_MASS_GEV
from models.errors import BadInputError, LeptophileError
from models.settings import Settings
from models.tag_and_probe import PeakSettings, TagAndProbeError, fit_efficiency
from processors.configuration import CandidateSettings
from processors.control_samples import ControlSample, Probes, read_probes
from processors.correction_sets import CorrectionName
from processors.correction_tables import Table, as_correction, write_correction_set

FloatArray = NDArray[np.float64]


class TagAndProbeSettings(Settings):
    """Bins of the measured corrections."""

    momentum_edges_gev: tuple[float, ...] = (0.3, 1.0, 2.0, 5.0)
    """Edges in laboratory momentum; beyond them the outermost bin is used."""
    theta_edges_deg: tuple[float, ...] = (17.0, 60.0, 90.0, 150.0)
    """Edges in laboratory polar angle."""
    charge_edges: tuple[float, ...] = (-2.0, 0.0, 2.0)
    """Edges in charge."""
    photon_energy_edges_gev: tuple[float, ...] = (0.5, 2.0, 6.0)
    """Edges in photon energy."""
    photon_theta_edges_deg: tuple[float, ...] = (17.0, 90.0, 150.0)
    """Edges in the photon's laboratory polar angle."""
    peak: PeakSettings = PeakSettings()

    @property
    def photon_edges(self) -> dict[str, tuple[float, ...]]:
        """Input of the photon energy's correction → edges."""
        return {"energy_gev": self.photon_energy_edges_gev, "theta_deg": self.photon_theta_edges_deg}

    @property
    def edges(self) -> dict[str, tuple[float, ...]]:
        """Input of a correction → edges."""
        return {"p_gev": self.momentum_edges_gev, "theta_deg": self.theta_edges_deg, "charge": self.charge_edges}

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of bins on each axis."""
        return tuple(len(edges) - 1 for edges in self.edges.values())


class Ratio(NamedTuple):
    """Data/MC ratio of a probability in bins, and of its complement; nan where a sample has too few probes."""

    value: FloatArray
    error: FloatArray
    complement: FloatArray
    complement_error: FloatArray


def measure(
    data: Mapping[ControlSample, Probes], simulation: Mapping[ControlSample, Probes], settings: TagAndProbeSettings
) -> list[schemav2.Correction]:
    """Return every correction that the control samples measure.

    Samples that measure the same one are averaged bin by bin with their uncertainties; a bin that none of them fills is
    refused.

    Raises
    ------
    TagAndProbeError
        If there is no sample in both, a bin has too few probes in all samples, or a fit does not converge.
    """
    samples = [sample for sample in ControlSample if sample in data and sample in simulation]
    if not samples:
        raise TagAndProbeError("no control sample is in both the data and the simulation")
    ratios: dict[CorrectionName, list[Ratio]] = {}
    for sample in samples:
        for name in sample.measures:
            ratios.setdefault(name, []).append(_ratio(sample, name, data[sample], simulation[sample], settings))
    corrections = [_as_table(name, _average(name, parts, settings), settings) for name, parts in ratios.items()]
    if ControlSample.JPSI_MUMU in samples:
        measured, simulated = (probes[ControlSample.JPSI_MUMU] for probes in (data, simulation))
        corrections += _momentum_corrections(measured, simulated, settings)
    if ControlSample.RECOIL_MUMU in samples:
        measured, simulated = (probes[ControlSample.RECOIL_MUMU] for probes in (data, simulation))
        corrections.append(_photon_correction(measured, simulated, settings))
    return corrections


def read_control_samples(folder: Path, candidates: CandidateSettings) -> dict[ControlSample, Probes]:
    """Return the probes of every control sample below a folder.

    Raises
    ------
    BadInputError
        If there is none, or a file cannot be used.
    """
    found = {sample: sorted((folder / sample).glob("*.root")) for sample in ControlSample}
    if not any(found.values()):
        raise BadInputError(f"{folder}: no folder of a control sample ({', '.join(ControlSample)}) with ntuples")
    return {
        sample: Probes.concatenated([read_probes(path, sample, candidates) for path in paths])
        for sample, paths in found.items()
        if paths
    }


def _bins(settings: TagAndProbeSettings) -> Iterator[tuple[tuple[int, ...], str, tuple[tuple[float, float], ...]]]:
    """Return index, description and ranges of every bin."""
    pairs = [list(itertools.pairwise(edges)) for edges in settings.edges.values()]
    for index in np.ndindex(settings.shape):
        ranges = tuple(axis[position] for axis, position in zip(pairs, index, strict=True))
        named = zip(settings.edges, ranges, strict=True)
        yield index, ", ".join(f"{low:g} < {name} < {high:g}" for name, (low, high) in named), ranges


def _ratio(
    sample: ControlSample, name: CorrectionName, data: Probes, simulation: Probes, settings: TagAndProbeSettings
) -> Ratio:
    empty = Ratio(*(np.full(settings.shape, np.nan) for _ in Ratio._fields))
    for index, text, ranges in _bins(settings):
        fits = []
        for kind, probes in (("data", data), ("simulation", simulation)):
            inside = np.logical_and.reduce(
                [(column >= low) & (column < high) for column, (low, high) in zip(probes.tracks, ranges, strict=True)]
            )
            chosen = probes.take(inside)
            in_window = (chosen.value >= sample.window.low) & (chosen.value < sample.window.high)
            if np.count_nonzero(in_window) < settings.peak.minimum_probes:
                break
            where = f"{kind} {sample}, {name}, {text}"
            fits.append(fit_efficiency(chosen.value, chosen.passes(name), sample.window, settings.peak, where=where))
        if len(fits) < 2:
            continue
        measured, simulated = fits
        for first, (of_data, of_simulation) in enumerate(
            ((measured.efficiency, simulated.efficiency), (1 - measured.efficiency, 1 - simulated.efficiency))
        ):
            if of_simulation <= 0:
                continue
            value = of_data / of_simulation
            error = np.hypot(measured.efficiency_error, value * simulated.efficiency_error) / of_simulation
            empty[2 * first][index], empty[2 * first + 1][index] = value, error
    return empty


def _average(name: CorrectionName, parts: Sequence[Ratio], settings: TagAndProbeSettings) -> Ratio:
    averaged = []
    for first in (0, 2):
        value = np.stack([part[first] for part in parts])
        weight = np.where(np.isfinite(value), 1.0 / np.stack([part[first + 1] for part in parts]) ** 2, 0.0)
        total = weight.sum(axis=0)
        if first == 0:
            for index, text, _ in _bins(settings):
                if total[index] == 0:
                    raise TagAndProbeError(
                        f"'{name}': no control sample has {settings.peak.minimum_probes} probes in data and simulation "
                        f"with {text}: widen the bins or add a sample"
                    )
        with np.errstate(divide="ignore", invalid="ignore"):
            averaged += [np.nansum(weight * np.nan_to_num(value), axis=0) / total, 1.0 / np.sqrt(total)]
    return Ratio(*averaged)


def _as_table(name: CorrectionName, ratio: Ratio, settings: TagAndProbeSettings) -> schemav2.Correction:
    edges: dict[str, Sequence[float]] = dict(settings.edges)
    values, errors = ratio.value, ratio.error
    if name is CorrectionName.KAON_PION:
        edges["correctly_identified"] = (-0.5, 0.5, 1.5)
        # Where simulation tells every pion right, nothing is known about those told wrong.
        known = np.isfinite(ratio.complement)
        wrong, wrong_error = np.where(known, ratio.complement, 1.0), np.where(known, ratio.complement_error, 1.0)
        values, errors = np.stack([wrong, values], axis=-1), np.stack([wrong_error, errors], axis=-1)
    return as_correction(name, Table.symmetric(edges, values, errors, flow="clamp"), "measured by tag and probe")


def _momentum_corrections(data: Probes, simulation: Probes, settings: TagAndProbeSettings) -> list[schemav2.Correction]:
    """Return scale and resolution from position and width of the J/ψ peak."""
    window = ControlSample.JPSI_MUMU.window
    name = CorrectionName.IDENTIFICATION_MUON
    # Each pair is there twice, with either track as the probe.
    first, second = (
        fit_efficiency(
            probes.value[probes.tracks.charge > 0],
            probes.passes(name)[probes.tracks.charge > 0],
            window,
            settings.peak,
            where=f"{kind} {ControlSample.JPSI_MUMU}, momentum",
        )
        for kind, probes in (("data", data), ("simulation", simulation))
    )
    # The mass grows with momenta except for what the muons weigh themselves.
    kinetic = 1.0 - (2.0 * MUON_MASS_GEV / JPSI_MASS_GEV) ** 2
    scale = 1.0 + (first.centre - second.centre) / (JPSI_MASS_GEV * kinetic)
    scale_error = np.hypot(first.centre_error, second.centre_error) / (JPSI_MASS_GEV * kinetic)
    width = first.width / second.width
    width_error = width * np.hypot(first.width_error / first.width, second.width_error / second.width)
    return [
        as_correction(CorrectionName.MOMENTUM_SCALE, Table.symmetric({}, scale, scale_error), "J/ψ mass"),
        as_correction(CorrectionName.MOMENTUM_RESOLUTION, Table.symmetric({}, width, width_error), "J/ψ width"),
    ]


def _photon_correction(data: Probes, simulation: Probes, settings: TagAndProbeSettings) -> schemav2.Correction:
    """Return the ratio of measured photon energies from where they are in units of the expected one."""
    sample, edges = ControlSample.RECOIL_MUMU, settings.photon_edges
    values = np.empty(tuple(len(axis) - 1 for axis in edges.values()))
    errors = np.empty_like(values)
    for index in np.ndindex(values.shape):
        ranges = {name: axis[i : i + 2] for (name, axis), i in zip(edges.items(), index, strict=True)}
        text = ", ".join(f"{low:g} < {name} < {high:g}" for name, (low, high) in ranges.items())
        fits = []
        for kind, probes in (("data", data), ("simulation", simulation)):
            columns = zip((probes.photon_energy_gev, probes.photon_theta_deg), ranges.values(), strict=True)
            chosen = probes.take(np.logical_and.reduce([(c >= low) & (c < high) for c, (low, high) in columns]))
            where = f"{kind} {sample}, {CorrectionName.PHOTON_ENERGY}, {text}"
            fits.append(fit_efficiency(chosen.value, chosen.is_found, sample.window, settings.peak, where=where))
        measured, simulated = fits
        values[index] = measured.centre / simulated.centre
        errors[index] = values[index] * np.hypot(
            measured.centre_error / measured.centre, simulated.centre_error / simulated.centre
        )
    table = Table.symmetric(dict(edges), values, errors, flow="clamp")
    return as_correction(CorrectionName.PHOTON_ENERGY, table, "energy of the photon that a muon pair recoils against")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scheduler.tag_and_probe", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of ntuples of data")
    parser.add_argument("--simulation", type=Path, required=True, help="folder of ntuples of simulation")
    parser.add_argument("--out", type=Path, required=True, help="set to write, .json or .json.gz")
    parser.add_argument("--config", default="demo", help="configuration with the working points under 'candidates'")
    options = parser.parse_args(arguments)
    from scheduler.configuration import load_configuration

    try:
        candidates = load_configuration(options.config).candidates
        data, simulation = (read_control_samples(folder, candidates) for folder in (options.data, options.simulation))
        corrections = measure(data, simulation, TagAndProbeSettings())
        write_correction_set(corrections, f"Tag and probe on {options.data.name}", options.out)
    except LeptophileError as error:
        sys.stderr.write(f"tag_and_probe: {error}\n")
        return error.exit_status
    sys.stdout.write(f"{options.out}: {', '.join(correction.name for correction in corrections)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
