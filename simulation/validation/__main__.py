"""Measure the simulated detector and write the figures of `docs/simulation.md`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.constants import JPSI_MASS_GEV
from simulation.detector.configuration import DetectorConfig, MaterialConfig
from simulation.validation.figures import (
    draw_comparisons,
    draw_identification,
    draw_material_map,
    draw_resonances,
)
from simulation.validation.resonances import (
    KAON_SHORT_MASS_GEV,
    Reconstructed,
    conversions,
    jpsi_to_muons,
    kaon_short_to_pions,
)
from simulation.validation.single_particles import (
    Comparison,
    central_width,
    identification_rates,
    photon_resolution,
    track_resolutions,
)

MOMENTA_GEV = np.array([0.15, 0.25, 0.4, 0.7, 0.9, 1.3, 2.0, 3.0, 4.5])
ENERGIES_GEV = np.array([0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0])
POLAR_ANGLE_RAD = 1.3
SPECIES = {"electron": 11, "muon": 13, "pion": 211, "kaon": 321}


def main() -> None:
    """Write the figures and print the table of the documentation."""
    parser = argparse.ArgumentParser(prog="python -m simulation.validation", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images/simulation"), help="folder of the figures")
    parser.add_argument("--events", type=int, default=40_000, help="events of each measurement")
    parser.add_argument("--seed", type=int, default=1, help="random seed")
    options = parser.parse_args()
    rng, config, n = np.random.default_rng(options.seed), DetectorConfig(), options.events

    tracks = track_resolutions(MOMENTA_GEV, POLAR_ANGLE_RAD, n // 4, rng, config)
    photons = photon_resolution(ENERGIES_GEV, POLAR_ANGLE_RAD, n // 4, rng, config)
    rates = {
        name: identification_rates(pdg, MOMENTA_GEV, POLAR_ANGLE_RAD, n // 4, rng, config)
        for name, pdg in SPECIES.items()
    }
    jpsi, kaon = jpsi_to_muons(n, rng, config), kaon_short_to_pions(n, rng, config)
    photon, expected_conversions = conversions(10 * n, 1.0, rng, config)

    options.out.mkdir(parents=True, exist_ok=True)
    figures = {
        "material_map": draw_material_map(config.material),
        "resolutions": draw_comparisons([*tracks[:3], photons], logarithmic=True),
        "efficiency": draw_comparisons(tracks[3:], logarithmic=False),
        "identification": draw_identification(rates),
        "resonances": draw_resonances(jpsi, kaon, photon, config.material),
    }
    for name, figure in figures.items():
        figure.savefig(options.out / f"{name}.png", dpi=130)

    sys.stdout.write("\n".join(_response_table(tracks, photons, rates)) + "\n\n")
    decays = (("J/ψ → μμ", jpsi, JPSI_MASS_GEV), ("K_S → ππ", kaon, KAON_SHORT_MASS_GEV))
    sys.stdout.write("\n".join(_mass_table(decays)) + "\n\n")
    sys.stdout.write("\n".join(_conversion_table(photon, expected_conversions, config.material)) + "\n")


def _response_table(
    tracks: Sequence[Comparison], photons: Comparison, rates: Mapping[str, Sequence[Comparison]]
) -> Iterator[str]:
    yield "| response | momenta | largest pull | χ²/n |"
    yield "| --- | --- | --- | --- |"
    named = [(response.name, response) for response in (*tracks, photons)]
    named += [(f"{species}: {rate.name}", rate) for species, measured in rates.items() for rate in measured]
    for name, comparison in named:
        pulls = comparison.pulls
        largest = pulls[np.argmax(np.abs(pulls))]
        yield f"| {name} | {len(pulls)} | {largest:+.1f} | {np.sum(pulls**2):.1f}/{len(pulls)} |"


def _mass_table(decays: Sequence[tuple[str, Reconstructed, float]]) -> Iterator[str]:
    yield "| decay | reconstructed | median m − m_true [MeV] | σ(m) [MeV] | width of pulls |"
    yield "| --- | --- | --- | --- | --- |"
    for name, found, mass_gev in decays:
        residual = found.mass_gev - mass_gev
        pull, width_mev = central_width(residual / found.mass_error_gev), 1e3 * central_width(residual)
        share = found.n / found.n_generated
        yield f"| {name} | {share:.1%} | {1e3 * np.median(residual):+.3f} | {width_mev:.2f} | {pull:.3f} |"


def _conversion_table(photon: Reconstructed, expected: NDArray[np.float64], material: MaterialConfig) -> Iterator[str]:
    yield "| layer | conversions expected | pairs reconstructed | median radius [mm] | spread [mm] |"
    yield "| --- | --- | --- | --- | --- |"
    for layer, number in zip(material.layers, expected, strict=True):
        radius = photon.radius_mm[np.isclose(photon.true_radius_mm, layer.radius_mm)]
        where = f"{layer.name}, {layer.radius_mm:g} mm"
        yield f"| {where} | {number:.0f} | {len(radius)} | {np.median(radius):.1f} | {central_width(radius):.1f} |"


if __name__ == "__main__":
    main()
