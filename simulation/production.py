"""Carrying out production tasks: from random numbers to an ntuple on disk, a cluster of events at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.search import Process
from processors.ntuple_writer import NtupleWriter, ntuple_writer
from processors.sample import SampleMetadata
from simulation.backgrounds import background_cross_section, background_events
from simulation.beams import beam_four_momentum, sqrt_s_gev
from simulation.configuration import SimulationConfig
from simulation.generated import GeneratedEvents, batch_sizes
from simulation.libraries import DecayLibraries
from simulation.pipeline import GeneratedSums, Survivors, simulate
from simulation.pseudo_data import PseudoData, make_pseudo_data
from simulation.pythia_events import GENERATOR
from simulation.sealed_truth import seal, sealed_file_name
from simulation.signal import SignalGenerator
from simulation.signal_events import signal_events
from simulation.tasks import ProductionTask


class ProducedFile(NamedTuple):
    """A finished ntuple."""

    path: Path
    metadata: SampleMetadata
    n_written: int
    """Events in the file; the skims left out the rest of those generated."""
    n_repeated: int
    """Of these, events of pseudo-data that are in the file more than once."""
    wall_s: float
    """Time it took, in seconds."""
    cpu_s: float
    """Processor time of it, in seconds."""
    write_s: float
    """Time of it spent in compressing and writing."""


def produce(task: ProductionTask, config: SimulationConfig, library_folder: Path, folder: Path) -> ProducedFile:
    """Generate, reconstruct and write one ntuple file, whole or not at all.

    Monte Carlo is written as it is made and takes the memory of a batch and a cluster. Pseudo-data are shuffled and
    take the memory of a file, without truth; what they are is sealed in a file apart, which is there before they are.

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
    start, cpu_start = time.perf_counter(), time.thread_time()
    path, is_data = folder / task.file_name, task.process is Process.DATA
    libraries = DecayLibraries(library_folder, task.library_role)
    n_repeated = 0
    with ntuple_writer(path, is_data=is_data, settings=config.ntuples) as writer:
        if is_data:
            made = make_pseudo_data(task, config, libraries)
            seal(folder / sealed_file_name(task.file_name), made.truth)
            _write_pseudo_data(made, task, config, writer)
            sums, n_repeated = made.sums, int(np.count_nonzero(made.truth.copies > 1))
        else:
            sums = _write_monte_carlo(task, config, libraries, writer)
        described = metadata(task, sums, config)
        writer.finish(described)
    return ProducedFile(
        path,
        described,
        writer.n_events,
        n_repeated,
        wall_s=time.perf_counter() - start,
        cpu_s=time.thread_time() - cpu_start,
        write_s=writer.write_s,
    )


def _write_monte_carlo(
    task: ProductionTask, config: SimulationConfig, libraries: DecayLibraries, writer: NtupleWriter
) -> GeneratedSums:
    generation, detection = task.streams(2)
    sums = GeneratedSums()
    batches = _monte_carlo_events(task, libraries, config, generation)
    importance = config.production.importance_of(task.process)
    for survivors in simulate(batches, config, importance, sums, generation, detection, truth=True):
        writer.extend(event_columns(task, survivors, survivors.number, config) | survivors.columns)
    return sums


def _write_pseudo_data(made: PseudoData, task: ProductionTask, config: SimulationConfig, writer: NtupleWriter) -> None:
    size = config.ntuples.events_per_cluster
    for first in range(0, max(len(made.order), 1), size):
        events = made.events.take(made.order[first : first + size])
        number = np.arange(first, first + events.n_events)
        writer.extend(event_columns(task, events, number, config) | events.columns)


def _monte_carlo_events(
    task: ProductionTask, libraries: DecayLibraries, config: SimulationConfig, rng: np.random.Generator
) -> Iterator[GeneratedEvents]:
    n = task.n_events or 0
    if task.signal is None:
        yield from background_events(task.process, n, libraries, config, rng)
        return
    signal = task.signal
    generator = SignalGenerator.prepare(signal.m_phi_gev, sqrt_s_gev(config.beams), config.signal_generator)
    enrichment = config.production.importance_of(task.process).tau_enrichment
    for size in batch_sizes(n, config.production.batch_events):
        yield signal_events(
            size, generator, signal.channel, signal.lifetimes, libraries.tau, rng, enrichment, config.phi_radiation
        )


def metadata(task: ProductionTask, sums: GeneratedSums, config: SimulationConfig) -> SampleMetadata:
    """Return what a file says about itself."""
    is_data = task.process is Process.DATA
    cross_section = background_cross_section(task.process, config) if task.process.is_background else None
    luminosity_fb = task.luminosity_fb
    if cross_section is not None and sums.sum_weights2 > 0.0:
        luminosity_fb = sums.sum_weights**2 / sums.sum_weights2 / cross_section.value_fb
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
        n_generated=sums.n,
        sum_weights=sums.sum_weights,
        sum_weights2=sums.sum_weights2,
        equivalent_luminosity_fb=luminosity_fb,
        repeats=1 if is_data else config.production.importance_of(task.process).copies_max,
        skim=config.skim.model_dump_json() if config.skim.enabled else "",
        seed=task.seed,
        generator=GENERATOR,
    )


def event_columns(
    task: ProductionTask, events: Survivors, number: NDArray[np.int64], config: SimulationConfig
) -> dict[str, NDArray[Any]]:
    """Return the branches with one number an event."""
    n = events.n_events
    numbers = {"experiment": config.production.experiment, "run": task.run, "production": task.production}
    beam = dict(zip(("beam_px", "beam_py", "beam_pz", "beam_E"), beam_four_momentum(config.beams), strict=True))
    return {
        **{name: np.full(n, value, dtype=np.int32) for name, value in numbers.items()},
        "event": number,
        **{name: np.full(n, value) for name, value in beam.items()},
        **dict(zip(("ip_x", "ip_y", "ip_z"), events.interaction_point_mm.T, strict=True)),
        "weight": events.weight,
        "is_data": np.full(n, task.process is Process.DATA),
    }
