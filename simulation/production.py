"""Carrying out production tasks: from random numbers to an ntuple on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.search import BACKGROUNDS, Process
from processors.ntuple_writer import write_ntuple
from processors.sample import SampleMetadata
from simulation.backgrounds import background_cross_section, background_events, batch_sizes
from simulation.beams import beam_four_momentum, sqrt_s_gev, to_laboratory
from simulation.configuration import SimulationConfig
from simulation.detector.material import convert_photons
from simulation.detector.response import reconstruct
from simulation.generated import GeneratedEvents
from simulation.libraries import DecayLibraries
from simulation.pythia_events import GENERATOR
from simulation.signal import SignalGenerator
from simulation.signal_events import signal_events
from simulation.skim import may_pass_skim, passes_skim
from simulation.tasks import ProductionTask

FloatArray = NDArray[np.float64]


class ProducedFile(NamedTuple):
    """A finished ntuple."""

    path: Path
    metadata: SampleMetadata
    n_written: int
    """Events in the file; the skim left out the rest of those generated."""


class _Skimmed(NamedTuple):
    """Laboratory events that passed the skim, and what was generated for them."""

    events: GeneratedEvents
    interaction_point_mm: FloatArray
    n_generated: int
    sum_weights: float
    sum_weights2: float


def produce(task: ProductionTask, config: SimulationConfig, library_folder: Path, folder: Path) -> ProducedFile:
    """Generate, reconstruct and write one ntuple file, whole or not at all.

    Parameters
    ----------
    task
        Which file.
    config
        Everything that decides what is in it.
    library_folder
        Folder of the libraries of decays.
    folder
        Folder of the ntuples, under which the file gets its place.

    Raises
    ------
    BadInputError
        If a library cannot be read.
    PythiaError
        If Pythia cannot be set up or gives up.
    """
    libraries = DecayLibraries(library_folder, task.library_role)
    mixing, detector, *generators = task.streams(2 + len(BACKGROUNDS))
    if task.process is Process.DATA:
        parts = [
            _skim(_pseudo_data_events(process, task, libraries, config, rng), config, rng)
            for process, rng in zip(BACKGROUNDS, generators, strict=True)
        ]
        skimmed = _interleave(_join(parts), mixing)
    else:
        rng = generators[0]
        skimmed = _skim(_monte_carlo_events(task, libraries, config, rng), config, rng)
    metadata = _metadata(task, skimmed, config)
    path = folder / task.file_name
    columns = _event_columns(task, skimmed, config) | _detector_columns(task, skimmed, config, detector)
    write_ntuple(path, columns, metadata)
    return ProducedFile(path, metadata, skimmed.events.n_events)


def _monte_carlo_events(
    task: ProductionTask, libraries: DecayLibraries, config: SimulationConfig, rng: np.random.Generator
) -> Iterator[GeneratedEvents]:
    n = task.n_events or 0
    if task.signal is None:
        yield from background_events(task.process, n, libraries, config, rng)
        return
    generator = SignalGenerator.prepare(task.signal.m_phi_gev, sqrt_s_gev(config.beams), config.signal_generator)
    for size in batch_sizes(n, config.production.batch_events):
        yield signal_events(
            size, generator, task.signal.channel, task.signal.lifetimes, libraries.tau, rng
        )


def _pseudo_data_events(
    process: Process,
    task: ProductionTask,
    libraries: DecayLibraries,
    config: SimulationConfig,
    rng: np.random.Generator,
) -> Iterator[GeneratedEvents]:
    expected = background_cross_section(process, config).value_fb * (task.luminosity_fb or 0.0)
    return background_events(process, int(rng.poisson(expected)), libraries, config, rng)


def _skim(batches: Iterator[GeneratedEvents], config: SimulationConfig, rng: np.random.Generator) -> _Skimmed:
    """Take batches to the laboratory, convert photons and keep what passes the skim, counting everything."""
    kept = [_Skimmed(_no_events(), np.empty((0, 3)), 0, 0.0, 0.0)]
    for generated in batches:
        laboratory, point = to_laboratory(generated, config.beams, rng)
        if config.skim.enabled:
            possible = may_pass_skim(laboratory, config.skim)
            laboratory, point = laboratory.select(possible), point[possible]
        laboratory = convert_photons(laboratory, rng, config.detector.material)
        if config.skim.enabled:
            passed = passes_skim(laboratory, config.skim)
            laboratory, point = laboratory.select(passed), point[passed]
        weight = generated.weight
        kept.append(_Skimmed(laboratory, point, len(weight), float(weight.sum()), float(np.sum(weight**2))))
    return _join(kept)


def _join(parts: Sequence[_Skimmed]) -> _Skimmed:
    return _Skimmed(
        GeneratedEvents.concatenate([part.events for part in parts]),
        np.concatenate([part.interaction_point_mm for part in parts]),
        sum(part.n_generated for part in parts),
        sum(part.sum_weights for part in parts),
        sum(part.sum_weights2 for part in parts),
    )


def _interleave(skimmed: _Skimmed, rng: np.random.Generator) -> _Skimmed:
    """Shuffle the events, so that the processes of pseudo-data come in no order."""
    order = rng.permutation(skimmed.events.n_events)
    return skimmed._replace(events=skimmed.events.take(order), interaction_point_mm=skimmed.interaction_point_mm[order])


def _no_events() -> GeneratedEvents:
    return GeneratedEvents.from_table(np.empty((0, 1), dtype=np.int32), np.empty((0, 1, 4)))


def _metadata(task: ProductionTask, skimmed: _Skimmed, config: SimulationConfig) -> SampleMetadata:
    is_data = task.process is Process.DATA
    cross_section = background_cross_section(task.process, config) if task.process.is_background else None
    luminosity_fb = task.luminosity_fb
    if cross_section is not None and skimmed.sum_weights2 > 0.0:
        luminosity_fb = skimmed.sum_weights**2 / skimmed.sum_weights2 / cross_section.value_fb
    signal = task.signal
    return SampleMetadata(
        name=task.sample,
        process=task.process,
        is_data=is_data,
        channel=signal.channel if signal else None,
        m_phi_gev=signal.m_phi_gev if signal else None,
        lifetimes=signal.lifetimes if signal else None,
        cross_section_fb=cross_section.value_fb if cross_section else None,
        cross_section_source=cross_section.source if cross_section else "",
        n_generated=skimmed.n_generated,
        sum_weights=skimmed.sum_weights,
        sum_weights2=skimmed.sum_weights2,
        equivalent_luminosity_fb=luminosity_fb,
        seed=task.seed,
        generator=GENERATOR,
    )


def _event_columns(task: ProductionTask, skimmed: _Skimmed, config: SimulationConfig) -> dict[str, NDArray[Any]]:
    """Return the branches with one number an event."""
    n = skimmed.events.n_events
    numbers = {"experiment": config.production.experiment, "run": task.run, "production": task.production}
    beam = dict(zip(("beam_px", "beam_py", "beam_pz", "beam_E"), beam_four_momentum(config.beams), strict=True))
    return {
        **{name: np.full(n, number, dtype=np.int32) for name, number in numbers.items()},
        "event": np.arange(n, dtype=np.int32),
        **{name: np.full(n, value) for name, value in beam.items()},
        **dict(zip(("ip_x", "ip_y", "ip_z"), skimmed.interaction_point_mm.T, strict=True)),
        "weight": skimmed.events.weight,
        "is_data": np.full(n, task.process is Process.DATA),
    }


def _detector_columns(
    task: ProductionTask, skimmed: _Skimmed, config: SimulationConfig, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """Return the branches of the collections; a batch of events at a time goes through the detector."""
    n, batch = skimmed.events.n_events, config.production.batch_events
    parts = []
    for start in range(0, max(n, 1), batch):
        events = np.arange(start, min(start + batch, n))
        points = skimmed.interaction_point_mm[events]
        detected = reconstruct(skimmed.events.take(events), points, rng, config.detector)
        parts.append(detected.columns(truth=task.process is not Process.DATA))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
