"""Pseudo-data: unweighted events of every process at a luminosity, and the truth about them, sealed apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.search import BACKGROUNDS, Process
from simulation.backgrounds import background_cross_section, background_events
from simulation.configuration import HiddenSignal, InjectedSignal, SimulationConfig
from simulation.event_columns import join_events
from simulation.generated import GeneratedEvents
from simulation.injection import injected_signal_events, signal_expectation
from simulation.libraries import DecayLibraries
from simulation.pipeline import GeneratedSums, Survivors, simulate
from simulation.sealed_truth import SealedTruth
from simulation.tasks import ProductionTask, seed_sequence

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class PseudoData(NamedTuple):
    """The events of one file of pseudo-data, in their final order."""

    events: Survivors
    order: NDArray[np.intp]
    """Row in `events` of each event of the file: an event may be in it more than once."""
    sums: GeneratedSums
    truth: SealedTruth


def make_pseudo_data(task: ProductionTask, config: SimulationConfig, libraries: DecayLibraries) -> PseudoData:
    """Return the events of one file of pseudo-data, shuffled.

    Of each process, a Poisson number of events is generated, whose mean is the expected number times the generated
    fraction f. An event of weight w is then taken ⌊w/f⌋ times, and once more with the probability that is left. Where
    no weight exceeds f, the result is a Poisson process without any event twice.

    Parameters
    ----------
    task
        Which file.
    config
        Everything that decides what is in it.
    libraries
        Decays that no Monte Carlo is made from.
    """
    signal = injected_signal(config, task.seed)
    names = BACKGROUNDS if signal is None else (*BACKGROUNDS, Process.SIGNAL)
    total = GeneratedSums()
    parts: list[Survivors] = []
    copies: list[IntArray] = []
    together: list[IntArray] = []
    generated_events: list[IntArray] = []
    processes: list[IntArray] = []
    for index, process in enumerate(names):
        fraction = config.production.data_generated_fraction.get(process, 1.0)
        own = config if fraction < 1.0 else _natural(config)
        generation, detection, taking = task.streams(3, process.value)
        batches = _generated(process, fraction, signal, task, own, libraries, generation)
        sums = GeneratedSums()
        importance = own.production.importance_of(process)
        survivors = list(simulate(batches, own, importance, sums, generation, detection, truth=False))
        weight = np.concatenate([np.empty(0), *(part.weight for part in survivors)])
        # Generators may have weights of any mean: what counts is an event's share of all that was generated.
        mean = sums.sum_weights / sums.n if sums.n else 1.0
        copies.append(number_of_copies(weight / mean / fraction, taking))
        number = np.concatenate([np.empty(0, dtype=np.int64), *(part.number for part in survivors)])
        generated_events.append(number // importance.copies_max)
        _, generated = np.unique(generated_events[-1], return_inverse=True)
        together.append(np.bincount(generated, copies[-1]).astype(np.int64)[generated])
        processes.append(np.full(len(weight), index))
        parts += survivors
        total.add_sums(sums)
    times = np.concatenate(copies)
    (mixing,) = task.streams(1, "mixing")
    order = mixing.permutation(np.repeat(np.arange(len(times)), times))
    events = Survivors(
        join_events([part.columns for part in parts]),
        np.concatenate([part.interaction_point_mm for part in parts]),
        np.ones(len(times)),
        np.concatenate([part.number for part in parts]),
    )
    process_of = np.concatenate(processes)
    truth = SealedTruth(
        processes=tuple(process.value for process in names),
        process=process_of[order].astype(np.int8),
        generated_event=np.concatenate(generated_events)[order],
        copies=np.concatenate(together)[order].astype(np.int32),
        signal=signal,
    )
    return PseudoData(events, order, total, truth)


def number_of_copies(expected: FloatArray, rng: np.random.Generator) -> IntArray:
    """Return whole numbers whose expectations are `expected`, as close to them as whole numbers can be.

    >>> number_of_copies(np.array([1.0, 0.0, 3.0]), np.random.default_rng(1)).tolist()
    [1, 0, 3]
    """
    whole = np.floor(expected)
    return (whole + (rng.random(len(expected)) < expected - whole)).astype(np.int64)


def injected_signal(config: SimulationConfig, seed: int) -> InjectedSignal | None:
    """Return the signal in the pseudo-data of a production, None if there is none."""
    hidden = config.production.hidden_signal
    if hidden is None:
        return config.production.injected_signal
    return draw_hidden_signal(hidden, np.random.default_rng(seed_sequence(seed, "hidden_signal", 0)))


def draw_hidden_signal(hidden: HiddenSignal, rng: np.random.Generator) -> InjectedSignal:
    """Draw a signal from the ranges of a configuration."""
    channels = tuple(hidden.m_phi_gev)
    channel = channels[int(rng.integers(len(channels)))]
    mass, xi = (float(np.exp(rng.uniform(*np.log(limits)))) for limits in (hidden.m_phi_gev[channel], hidden.xi))
    return InjectedSignal(channel=channel, m_phi_gev=mass, xi=xi)


def _generated(
    process: Process,
    fraction: float,
    signal: InjectedSignal | None,
    task: ProductionTask,
    config: SimulationConfig,
    libraries: DecayLibraries,
    rng: np.random.Generator,
) -> Iterator[GeneratedEvents]:
    """Yield the generated events of one process; their number has the Poisson distribution."""
    luminosity_fb = fraction * (task.luminosity_fb or 0.0)
    if process is Process.SIGNAL:
        assert signal is not None
        expectation = signal_expectation(signal.channel, signal.m_phi_gev, signal.xi, luminosity_fb)
        return injected_signal_events(expectation, libraries.tau, config, rng)
    expected = luminosity_fb * background_cross_section(process, config).value_fb
    return background_events(process, int(rng.poisson(expected)), libraries, config, rng)


def _natural(config: SimulationConfig) -> SimulationConfig:
    """Return the configuration without importance sampling."""
    return config.model_copy(update={"production": config.production.model_copy(update={"importance": {}})})
