"""Which particle of one list another list points to, by the numbers that basf2 gives to both."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def index_in_event(wanted: FloatArray, event: IntArray, offered: FloatArray, counts: IntArray) -> IntArray:
    """Return where in its event each wanted number is found.

    Parameters
    ----------
    wanted
        Numbers that are looked for, shape (n,); NaN or negative for none.
    event
        Event of each, shape (n,).
    offered
        Numbers of the particles that may be meant, shape (sum of counts,).
    counts
        How many of these each event has.

    Returns
    -------
    Index among the particles of the event, −1 where there is none with that number.

    Examples
    --------
    >>> offered, counts = np.array([4.0, 7.0, 4.0]), np.array([2, 1])
    >>> index_in_event(np.array([7.0, 4.0, 7.0, np.nan]), np.array([0, 1, 1, 1]), offered, counts).tolist()
    [1, 0, -1, -1]
    """
    offered_event = np.repeat(np.arange(len(counts)), counts)
    keys = _keys(offered, offered_event)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    sought = _keys(wanted, event)
    place = np.searchsorted(ordered, sought)
    found = (sought >= 0) & (place < len(ordered))
    found[found] = ordered[place[found]] == sought[found]
    first = np.cumsum(counts) - counts
    index = np.full(len(wanted), -1, dtype=np.int64)
    index[found] = order[place[found]] - first[event[found]]
    return index


def whole(values: FloatArray, missing: int) -> IntArray:
    """Return numbers as integers, NaN, which basf2 has for want of a match, as `missing`."""
    return np.where(np.isfinite(values), values, missing).astype(np.int64)


def _keys(numbers: FloatArray, event: IntArray) -> IntArray:
    number = whole(numbers, -1)
    return np.where(number >= 0, (event << 32) | number, -1)
