"""What one run of the selection counts, as plain numbers that add up over chunks and are JSON as they are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NotRequired

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict  # pydantic, which reads these back, needs this one before Python 3.12

from models.search import Search

IntegerArray = NDArray[np.integer[Any]]
_EVENT_BITS: Final = 32
"""Bits for the number of a generated event in its file; the run lies above."""


class Cut(StrEnum):
    """Requirements in the order they are made; each row counts the events that pass it and all before it."""

    ALL = "all"
    FOUR_GOOD_TRACKS = "four_good_tracks"
    NET_CHARGE_ZERO = "net_charge_zero"
    LEPTON_PAIR = "lepton_pair"
    MISSING_MASS = "missing_mass"
    MISSING_ANGLE = "missing_angle"
    PHI_CANDIDATE = "phi_candidate"


class CutCount(TypedDict):
    """Events that pass a cut.

    Copies of one generated event, which simulation may follow several times, are not independent: their weights are
    summed before they are squared.
    """

    events: int
    weighted: float
    """Their summed generator weights."""
    weighted2: float
    """Summed squares of the weights of generated events: (Σw)²/Σw² is the number of unweighted ones worth as much."""
    open: NotRequired[dict[str, float]]
    """While chunks are merged: summed weights of the generated events at either end of a chunk, whose copies may go on
    in the next chunk. They are not in `weighted2` yet (`close_counts`)."""


Cutflow = dict[Cut, CutCount]


class CandidatePurity(TypedDict):
    """How often the kept candidate is the true one; both zero in data."""

    kept: int
    true: int


class RemovedEvents(TypedDict):
    """Events that are left out before any requirement, because of their run."""

    run_range: int
    """Outside the ranges of runs that are asked for."""
    good_runs: int
    """Inside, but not in the list of good runs."""


class SampleSummary(TypedDict):
    """What the selection did to one sample, nominal kinematics unless said otherwise."""

    n_events: int
    """Events that the requirements are made on."""
    removed: RemovedEvents
    sum_weights: float
    """Their summed generator weights."""
    cutflow: dict[Search, Cutflow]
    candidate_multiplicity: dict[Search, dict[str, int]]
    """Candidates to choose from → events."""
    purity: dict[Search, CandidatePurity]
    files: dict[str, int]
    """Candidate file written, relative to the output folder → its rows; every kinematics."""


@dataclass(frozen=True)
class EventCounter:
    """Counts events of a chunk in which neighbours may be copies of one generated event."""

    repeats: int = 1
    """Most copies of one generated event (`SampleMetadata.repeats`)."""
    ends: frozenset[int] = frozenset()
    """Generated events at the ends of the chunk."""

    @staticmethod
    def of_chunk(run: IntegerArray, event: IntegerArray, repeats: int) -> EventCounter:
        """Return the counter of a chunk, given the numbers of all its events; copies are next to each other."""
        if repeats == 1 or len(event) == 0:
            return EventCounter()
        generated = generated_event(run[[0, -1]], event[[0, -1]], repeats)
        return EventCounter(repeats, frozenset(generated.tolist()))

    def count(self, weight: NDArray[np.float64], run: IntegerArray, event: IntegerArray) -> CutCount:
        """Return the count of some events of the chunk.

        Parameters
        ----------
        weight
            Generator weights, shape (n_events,).
        run, event
            What identifies them, same shape.

        Examples
        --------
        The first two are copies of generated event 3, the last one may have more copies in the next chunk:

        >>> run, event = np.ones(4, dtype=int), np.array([6, 7, 8, 10])
        >>> counter = EventCounter(2, frozenset(generated_event(run[[3]], event[[3]], 2).tolist()))
        >>> counted = counter.count(np.array([0.5, 0.5, 2.0, 3.0]), run, event)
        >>> counted["weighted2"], list(counted["open"].values())
        (5.0, [3.0])
        """
        total = float(weight.sum())
        if self.repeats == 1:
            return CutCount(events=len(weight), weighted=total, weighted2=float(np.sum(weight**2)))
        generated, index = np.unique(generated_event(run, event, self.repeats), return_inverse=True)
        together = np.bincount(index, weight, len(generated))
        at_end = np.isin(generated, list(self.ends))
        return CutCount(
            events=len(weight),
            weighted=total,
            weighted2=float(np.sum(together[~at_end] ** 2)),
            open={str(number): float(sum_) for number, sum_ in zip(generated[at_end], together[at_end], strict=True)},
        )


def generated_event(run: IntegerArray, event: IntegerArray, repeats: int) -> NDArray[np.int64]:
    """Return a number that events share if they are copies of one generated event, shape (n_events,)."""
    return (run.astype(np.int64) << _EVENT_BITS) + event.astype(np.int64) // repeats


def close_counts(summary: SampleSummary) -> None:
    """Add the generated events at the ends of chunks to the counts, in place, once all chunks are merged."""
    for cutflow in summary["cutflow"].values():
        for counted in cutflow.values():
            counted["weighted2"] += sum(weight**2 for weight in counted.pop("open", {}).values())


def count_multiplicity(n_candidates: NDArray[np.int64]) -> dict[str, int]:
    """Return how many events have how many candidates.

    >>> count_multiplicity(np.array([1, 4, 1]))
    {'1': 2, '4': 1}
    """
    values, events = np.unique(n_candidates, return_counts=True)
    return {str(value): int(n) for value, n in zip(values, events, strict=True)}
