"""Indices of pairs within events, for flat arrays with a count per event."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulation.generated import ragged_rows

IntArray = NDArray[np.int64]


def starts_of(counts: IntArray) -> IntArray:
    """Return the flat index of each event's first entry, shape (n_events,)."""
    return np.cumsum(counts) - counts


def cross_pairs(first_counts: IntArray, second_counts: IntArray) -> tuple[IntArray, IntArray]:
    """Return the flat indices of every pair of one entry of each collection in the same event.

    Parameters
    ----------
    first_counts, second_counts
        Entries of the two collections in each event, shape (n_events,).

    Returns
    -------
    Flat indices into the first and into the second collection, ordered by the first.

    Examples
    --------
    >>> first, second = cross_pairs(np.array([2, 1]), np.array([1, 2]))
    >>> first.tolist(), second.tolist()
    ([0, 1, 2, 2], [0, 0, 1, 2])
    """
    partners = np.repeat(second_counts, first_counts)
    first = np.repeat(np.arange(len(partners)), partners)
    return first, ragged_rows(np.repeat(starts_of(second_counts), first_counts), partners)


def distinct_pairs(counts: IntArray) -> tuple[IntArray, IntArray]:
    """Return the flat indices of every pair of two entries of the same event, each pair once, the smaller first.

    >>> first, second = distinct_pairs(np.array([3, 0, 2]))
    >>> first.tolist(), second.tolist()
    ([0, 0, 1, 3], [1, 2, 2, 4])
    """
    entry = np.arange(int(counts.sum()))
    partners = np.repeat(starts_of(counts) + counts, counts) - entry - 1
    return np.repeat(entry, partners), ragged_rows(entry + 1, partners)
