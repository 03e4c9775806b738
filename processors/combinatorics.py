"""φ candidates among the tracks of an event: all pairs, and the choice of one per event."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.kinematics import length

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]


class TrackPairs(NamedTuple):
    """Pairs of tracks, flat over events and ordered by event; arrays of shape (n_pairs,)."""

    event: IndexArray
    """Event of each pair."""
    positive: IndexArray
    """Index of the positive track within its event."""
    negative: IndexArray
    """Index of the negative track within its event."""

    def take(self, index: NDArray[np.intp]) -> TrackPairs:
        """Return the pairs at `index`."""
        return TrackPairs(*(column[index] for column in self))


def opposite_charge_pairs(charge: NDArray[np.int8], is_lepton: BoolArray) -> TrackPairs:
    """Return every pair of oppositely charged identified leptons.

    Parameters
    ----------
    charge
        Track charges, shape (n_events, n_tracks).
    is_lepton
        Whether a track is identified as the lepton in question, same shape.

    Returns
    -------
    All pairs, ordered by event, positive track, negative track.

    Examples
    --------
    >>> pairs = opposite_charge_pairs(np.array([[1, -1, -1], [1, -1, 1]]), np.array([[True] * 3, [True, False, True]]))
    >>> pairs.event.tolist(), pairs.positive.tolist(), pairs.negative.tolist()
    ([0, 0], [0, 0], [1, 2])
    """
    positive, negative = is_lepton & (charge > 0), is_lepton & (charge < 0)
    return TrackPairs(*np.nonzero(positive[:, :, np.newaxis] & negative[:, np.newaxis, :]))


def other_tracks(pairs: TrackPairs, n_tracks: int) -> IndexArray:
    """Return the tracks of each pair's event that are not in the pair.

    Parameters
    ----------
    pairs
        Pairs in events that all have `n_tracks` tracks.
    n_tracks
        Tracks per event.

    Returns
    -------
    Increasing indices within the event, shape (n_pairs, n_tracks − 2).

    Examples
    --------
    >>> other_tracks(TrackPairs(np.array([0]), np.array([2]), np.array([1])), 4).tolist()
    [[0, 3]]
    """
    remaining = np.ones((len(pairs.event), n_tracks), dtype=bool)
    row = np.arange(len(pairs.event))
    remaining[row, pairs.positive] = False
    remaining[row, pairs.negative] = False
    return np.nonzero(remaining)[1].reshape(-1, n_tracks - 2)


def smallest_per_event(value: FloatArray, event: IndexArray) -> NDArray[np.intp]:
    """Return the index of the entry with the smallest value in each event that has one.

    Parameters
    ----------
    value
        What is compared, shape (n_entries,).
    event
        Event of each entry, same shape.

    Returns
    -------
    One index per event present, by increasing event; the first entry wins a tie.

    Examples
    --------
    >>> smallest_per_event(np.array([2.0, 1.0, 5.0]), np.array([0, 0, 3])).tolist()
    [1, 2]
    """
    order = np.lexsort((value, event))
    first = np.ones(len(order), dtype=bool)
    first[1:] = event[order][1:] != event[order][:-1]
    return order[first]


def opening_angle(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the angle in rad between momenta of shape (..., 3).

    Notes
    -----
    2 arctan(|â − b̂| / |â + b̂|) keeps its digits at the milliradian angles of a light φ, where the arccosine loses
    them (W. Kahan, "How Futile are Mindless Assessments of Roundoff in Floating-Point Computation?", §12).

    Examples
    --------
    >>> float(opening_angle(np.array([1.0, 0.0, 0.0]), np.array([2.0, 2e-9, 0.0])))
    1e-09
    """
    # Of one length each, |a||b|, so that nothing is divided.
    long_a, long_b = a * length(b)[..., np.newaxis], b * length(a)[..., np.newaxis]
    return np.asarray(2.0 * np.arctan2(length(long_a - long_b), length(long_a + long_b)))
