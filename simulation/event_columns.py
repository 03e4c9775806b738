"""Events as flat columns of the ntuple: taking some of them, joining several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulation.generated import ragged_rows

AnyArray = NDArray[Any]
Columns = dict[str, AnyArray]


def take_events(columns: Mapping[str, AnyArray], order: NDArray[np.integer[Any]]) -> Columns:
    """Return the events numbered `order`, in that order; a number may occur more than once.

    Parameters
    ----------
    columns
        Counters such as `nTrack` of shape (n_events,) and the members of their collections, `Track_px`, flat.
    order
        Numbers of events.

    Examples
    --------
    >>> columns = {"nTrack": np.array([1, 2]), "Track_px": np.array([0.1, 0.2, 0.3])}
    >>> {name: column.tolist() for name, column in take_events(columns, np.array([1, 0])).items()}
    {'nTrack': [2, 1], 'Track_px': [0.2, 0.3, 0.1]}
    """
    rows = {}
    for name in (name for name in columns if "_" not in name):
        counts = columns[name].astype(np.int64)
        rows[name.removeprefix("n")] = ragged_rows((np.cumsum(counts) - counts)[order], counts[order])
    return {
        name: column[rows[name.split("_", 1)[0]]] if "_" in name else column[order] for name, column in columns.items()
    }


def join_events(parts: Sequence[Columns]) -> Columns:
    """Return the events of all parts one after another; the parts are emptied on the way, to save memory."""
    return {name: np.concatenate([part.pop(name) for part in parts]) for name in tuple(parts[0])}
