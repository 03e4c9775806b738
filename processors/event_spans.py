"""Which runs and events a file holds, in a few numbers: enough to see which files could share an event.

Comparing every event of every file with every other one would take the memory of all identities. Files of a data set
mostly hold runs, or events of a run, that no other file has: then their spans are disjoint and nothing is left to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from processors.event_identity import EVENT_BITS, first_duplicate, run_of

Identity = NDArray[np.uint64]
"""Packed (experiment, run, event), one an event."""


class RunSpan(NamedTuple):
    """The events of one run in a file."""

    run: int
    """Packed experiment and run, as `processors.event_identity.run_of` gives them."""
    n_events: int
    first_event: int
    last_event: int


class IdentityScan(NamedTuple):
    """What the identities of a file's events say."""

    spans: tuple[RunSpan, ...]
    """By increasing run."""
    duplicate: int | None
    """First entry that repeats an earlier one."""

    @property
    def n_events(self) -> int:
        """Number of events."""
        return sum(span.n_events for span in self.spans)


def scan_identity(chunks: Callable[[], Iterable[Identity]]) -> IdentityScan:
    """Return the spans of a file and its first repeated event, in the memory of one chunk for events in order.

    Parameters
    ----------
    chunks
        Yields the packed identities of successive entries, from the first each time it is called. It is called again,
        and all are held in memory, only if they do not increase from entry to entry.

    Examples
    --------
    >>> identity = np.array([5, 6, 9], dtype=np.uint64)
    >>> scan_identity(lambda: [identity[:2], identity[2:]])
    IdentityScan(spans=(RunSpan(run=0, n_events=3, first_event=5, last_event=9),), duplicate=None)
    """
    spans: dict[int, RunSpan] = {}
    last: np.uint64 | None = None
    increasing = True
    for identity in chunks():
        if len(identity) == 0:
            continue
        increasing = increasing and (last is None or identity[0] > last) and bool(np.all(identity[1:] > identity[:-1]))
        last = identity[-1]
        for span in _spans(identity):
            known = spans.get(span.run)
            spans[span.run] = span if known is None else _joined(known, span)
    duplicate = None if increasing else first_duplicate(np.concatenate(list(chunks())))
    return IdentityScan(tuple(spans[run] for run in sorted(spans)), duplicate)


def overlapping(files: Sequence[tuple[RunSpan, ...]]) -> list[list[int]]:
    """Return the groups of files that could share an event, by their indices in `files`.

    Examples
    --------
    >>> first, second = RunSpan(7, 3, 1, 9), RunSpan(7, 2, 9, 12)
    >>> overlapping([(first,), (second,), (RunSpan(7, 1, 13, 13),)])
    [[0, 1]]
    """
    parent = list(range(len(files)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    ordered = sorted(
        (span.run, span.first_event, span.last_event, index) for index, file in enumerate(files) for span in file
    )
    run, reach, holder = -1, -1, -1
    for this_run, first, last, index in ordered:
        if this_run == run and first <= reach:
            parent[root(index)] = root(holder)
            if last > reach:
                reach, holder = last, index
        else:
            run, reach, holder = this_run, last, index
    groups: dict[int, list[int]] = {}
    for index in range(len(files)):
        groups.setdefault(root(index), []).append(index)
    return sorted(group for group in groups.values() if len(group) > 1)


class SharedEvent(NamedTuple):
    """An event that two files have."""

    file: int
    """Index of the later file in the order given."""
    entry: int
    first_file: int
    identity: np.uint64


def shared_event(identities: Sequence[Identity]) -> SharedEvent | None:
    """Return the first event that repeats one of an earlier file, or None; each file has none twice."""
    joined = np.concatenate(list(identities))
    duplicate = first_duplicate(joined)
    if duplicate is None:
        return None
    stops = np.cumsum([len(identity) for identity in identities])
    original = int(np.argmax(joined == joined[duplicate]))
    file, first_file = (int(np.searchsorted(stops, entry, side="right")) for entry in (duplicate, original))
    return SharedEvent(file, duplicate - int(stops[file] - len(identities[file])), first_file, joined[duplicate])


def _spans(identity: Identity) -> Iterator[RunSpan]:
    run = run_of(identity)
    event = (identity & np.uint64((1 << EVENT_BITS) - 1)).astype(np.int64)
    for value in np.unique(run):
        of_run = event[run == value]
        yield RunSpan(int(value), len(of_run), int(of_run.min()), int(of_run.max()))


def _joined(a: RunSpan, b: RunSpan) -> RunSpan:
    return RunSpan(a.run, a.n_events + b.n_events, min(a.first_event, b.first_event), max(a.last_event, b.last_event))
