"""The way of every simulated event from its generator to the columns of an ntuple, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulation.beams import to_laboratory
from simulation.configuration import SimulationConfig
from simulation.detector.material import convert_photons
from simulation.detector.response import identify_tracks, measure_neutrals, track
from simulation.event_columns import take_events
from simulation.generated import GeneratedEvents
from simulation.importance import ImportanceSampling
from simulation.neutral_pion_decays import decay_neutral_pions
from simulation.preselection import has_four_tracks, has_lepton_pairs, has_missing_mass
from simulation.skim import may_pass_skim, passes_skim
from simulation.splitting import split

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Survivors(NamedTuple):
    """Events of a batch that passed every skim, as columns of the ntuple."""

    columns: dict[str, NDArray[Any]]
    """The collections, as `DetectedEvents.columns` gives them."""
    interaction_point_mm: FloatArray
    """Shape (n_events, 3)."""
    weight: FloatArray
    """Product of the weights of all biased choices, shape (n_events,)."""
    number: IntArray
    """Number of the generated event within the file times the most copies of one, plus the copy; shape (n_events,)."""

    @property
    def n_events(self) -> int:
        """Number of events."""
        return len(self.number)

    def take(self, order: NDArray[np.intp]) -> Survivors:
        """Return the events numbered `order`, in that order."""
        return Survivors(
            take_events(self.columns, order), self.interaction_point_mm[order], self.weight[order], self.number[order]
        )


@dataclass
class GeneratedSums:
    """What was generated so far, before anything was left out."""

    n: int = 0
    sum_weights: float = 0.0
    sum_weights2: float = 0.0

    def add(self, weight: FloatArray) -> None:
        """Count a batch of generated events."""
        self.n += len(weight)
        self.sum_weights += float(weight.sum())
        self.sum_weights2 += float(np.sum(weight**2))

    def add_sums(self, other: GeneratedSums) -> None:
        """Count what another process generated."""
        self.n += other.n
        self.sum_weights += other.sum_weights
        self.sum_weights2 += other.sum_weights2


def simulate(
    batches: Iterable[GeneratedEvents],
    config: SimulationConfig,
    importance: ImportanceSampling,
    sums: GeneratedSums,
    generation: np.random.Generator,
    detection: np.random.Generator,
    *,
    truth: bool,
) -> Iterator[Survivors]:
    """Take generated events through everything that happens to them, yielding what is worth writing.

    Parameters
    ----------
    batches
        Events in the centre-of-mass frame, neutral pions not decayed.
    config
        Beams, decays, skims and detector.
    importance
        What is sampled more often than in nature.
    sums
        Counts every generated event.
    generation, detection
        Random streams.
    truth
        False leaves out generator information.
    """
    for generated in batches:
        number = importance.copies_max * (sums.n + np.arange(generated.n_events))
        sums.add(generated.weight)
        yield _through_detector(generated, number, config, importance, generation, detection, truth=truth)


def _through_detector(
    events: GeneratedEvents,
    number: IntArray,
    config: SimulationConfig,
    importance: ImportanceSampling,
    generation: np.random.Generator,
    detection: np.random.Generator,
    *,
    truth: bool,
) -> Survivors:
    skim, preselection, detector = config.skim, config.skim.preselection, config.detector
    laboratory, point = to_laboratory(events, config.beams, generation)
    source = None
    if importance.splitting.copies:
        copies = split(laboratory, importance, config.neutral_pions, detector, skim, generation)
        laboratory, point = laboratory.take(copies.event).reweighted(copies.weight), point[copies.event]
        number, source = number[copies.event] + copies.copy, copies.source
    laboratory = decay_neutral_pions(laboratory, config.neutral_pions, generation, importance, source)
    if skim.enabled:
        possible = may_pass_skim(laboratory, skim)
        laboratory, point, number = laboratory.select(possible), point[possible], number[possible]
        source = None if source is None else source[possible]
    laboratory = convert_photons(laboratory, generation, detector.material, importance, skim, source)
    if skim.enabled:
        # A copy that was to have a conversion and has no photon for it has the weight zero.
        passed = passes_skim(laboratory, skim) & (laboratory.weight > 0.0)
        laboratory, point, number = laboratory.select(passed), point[passed], number[passed]

    tracked = track(laboratory, detection, detector)
    if preselection.enabled:
        passed = has_four_tracks(tracked.tracks.helix, tracked.track_event, point, preselection)
        tracked, point, number = tracked.select(passed), point[passed], number[passed]
    identified = identify_tracks(tracked, point, detection, detector, importance)
    if preselection.enabled and preselection.lepton_pair:
        passed = has_lepton_pairs(identified, point, preselection)
        identified, point, number = identified.select(passed), point[passed], number[passed]
    detected = measure_neutrals(identified, point, detection, detector)
    survivors = Survivors(detected.columns(truth=truth), point, detected.generated.weight, number)
    if preselection.enabled and preselection.missing_mass_gev is not None:
        return survivors.take(np.flatnonzero(has_missing_mass(detected, point, config.beams, preselection)))
    return survivors
