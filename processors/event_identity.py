"""The identity of an event: experiment, run and event number in one integer."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import BadInputError

EVENT_BITS: Final = 32
RUN_BITS: Final = 20
_EXPERIMENT_BITS: Final = 12


def pack_event_identity(
    experiment: NDArray[Any], run: NDArray[Any], event: NDArray[Any], *, source: str, first_entry: int = 0
) -> NDArray[np.uint64]:
    """Return (experiment, run, event) as one integer per event, unique and in lexicographic order.

    Parameters
    ----------
    experiment, run, event
        Shape (n_events,): below 4096, 1048576 and 2³²; Belle stays far below each.
    source
        What the numbers were read from, for the message of a failure.
    first_entry
        Entry of the first event, likewise.

    Raises
    ------
    BadInputError
        If a number is negative or too large.

    Examples
    --------
    >>> pack_event_identity(np.array([0, 1]), np.array([1, 0]), np.array([5, 0]), source="here").tolist()
    [4294967301, 4503599627370496]
    """
    packed = np.zeros(len(event), dtype=np.uint64)
    columns = {"experiment": experiment, "run": run, "event": event}
    for (name, column), bits in zip(columns.items(), (_EXPERIMENT_BITS, RUN_BITS, EVENT_BITS), strict=True):
        outside = (column < 0) | (column.astype(np.int64) >= 1 << bits)
        if np.any(outside):
            entry = int(np.argmax(outside))
            where = f"at entry {first_entry + entry}"
            raise BadInputError(f"{source}: branch '{name}' holds {column[entry]} {where}, outside its range")
        packed = (packed << np.uint64(bits)) | column.astype(np.uint64)
    return packed


def run_of(packed: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the packed experiment and run of packed identities, in lexicographic order.

    >>> run_of(np.array([4503603922337797], dtype=np.uint64)).tolist()
    [1048577]
    """
    return (packed >> np.uint64(EVENT_BITS)).astype(np.int64)


def pack_run(experiment: ArrayLike, run: ArrayLike) -> NDArray[np.int64]:
    """Return experiment and run in one integer, as `run_of` gives them.

    >>> int(pack_run(1, 1))
    1048577
    """
    return (np.asarray(experiment, dtype=np.int64) << RUN_BITS) | np.asarray(run, dtype=np.int64)


def unpack_run(packed: int) -> tuple[int, int]:
    """Return experiment and run of what `pack_run` made.

    >>> unpack_run(1048577)
    (1, 1)
    """
    return packed >> RUN_BITS, packed & ((1 << RUN_BITS) - 1)


def describe_identity(packed: np.uint64) -> str:
    """Return a packed identity in words.

    >>> describe_identity(np.uint64(4503603922337797))
    'experiment 1, run 1, event 5'
    """
    value = int(packed)
    event = value & ((1 << EVENT_BITS) - 1)
    run = value >> EVENT_BITS & ((1 << RUN_BITS) - 1)
    return f"experiment {value >> (EVENT_BITS + RUN_BITS)}, run {run}, event {event}"


def first_duplicate(identity: NDArray[np.uint64]) -> int | None:
    """Return the first entry that repeats an earlier one, or None.

    >>> first_duplicate(np.array([7, 3, 9, 3], dtype=np.uint64))
    3
    """
    order = np.argsort(identity, kind="stable")
    repeats = order[1:][identity[order][1:] == identity[order][:-1]]
    return int(repeats.min()) if len(repeats) else None
