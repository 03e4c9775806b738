"""What one run of the selection counts, as plain numbers that add up over chunks and are JSON as they are."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict  # pydantic, which reads these back, needs this one before Python 3.12

from models.search import Search


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
    """Events that pass a cut."""

    events: int
    weighted: float
    """Their summed generator weights."""
    weighted2: float
    """Their summed squared generator weights: (Σw)²/Σw² is the number of unweighted events worth as much."""


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


def count(weight: NDArray[np.float64]) -> CutCount:
    """Return the count of events with the given generator weights.

    >>> count(np.array([0.5, 1.0]))
    {'events': 2, 'weighted': 1.5, 'weighted2': 1.25}
    """
    return CutCount(events=len(weight), weighted=float(weight.sum()), weighted2=float(np.sum(weight**2)))


def count_multiplicity(n_candidates: NDArray[np.int64]) -> dict[str, int]:
    """Return how many events have how many candidates.

    >>> count_multiplicity(np.array([1, 4, 1]))
    {'1': 2, '4': 1}
    """
    values, events = np.unique(n_candidates, return_counts=True)
    return {str(value): int(n) for value, n in zip(values, events, strict=True)}
