"""Writing compact Belle ntuples: jagged collections in one TTree or RNTuple, checked against the branch table."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from models.errors import LeptophileError
from processors.atomic_file import atomic_path
from processors.configuration import NtupleWriterSettings
from processors.ntuple import (
    COLLECTIONS,
    CROSS_REFERENCES,
    EVENT_BRANCHES,
    METADATA_KEY,
    TREE_NAME,
    Branch,
    Collection,
)
from processors.sample import SampleMetadata

AnyArray = NDArray[Any]


class NtupleContentError(LeptophileError):
    """Columns handed to the ntuple writer do not fit the branch table; the message names file and branch."""


def write_ntuple(
    path: str | Path,
    columns: Mapping[str, AnyArray],
    metadata: SampleMetadata,
    settings: NtupleWriterSettings | None = None,
) -> None:
    """Write one ntuple file from events that are all in memory, whole or not at all.

    Parameters
    ----------
    path
        The ROOT file; its folder is made if needed, an existing file is replaced.
    columns
        As for `NtupleWriter.extend`.
    metadata
        Stored beside the tree as JSON.
    settings
        Layout on disk.

    Raises
    ------
    NtupleContentError
        As `NtupleWriter.extend`.
    """
    with ntuple_writer(path, is_data=metadata.is_data, settings=settings) as writer:
        writer.extend(columns)
        writer.finish(metadata)


@contextmanager
def ntuple_writer(
    path: str | Path, *, is_data: bool, settings: NtupleWriterSettings | None = None
) -> Iterator[NtupleWriter]:
    """Yield a writer of one ntuple file; the file appears, whole, when the block ends without an error.

    Parameters
    ----------
    path
        The ROOT file; its folder is made if needed, an existing file is replaced.
    is_data
        Whether it holds data, which have no truth branches.
    settings
        Layout on disk.

    Raises
    ------
    NtupleContentError
        If the block ends before `NtupleWriter.finish` was called.
    """
    settings = settings or NtupleWriterSettings()
    compression = getattr(uproot, settings.compression)(settings.compression_level)
    with atomic_path(path) as temporary, uproot.recreate(temporary, compression=compression) as file:
        writer = NtupleWriter(Path(path), file, written_collections(is_data=is_data), settings)
        yield writer
        if not writer.finished:
            raise NtupleContentError(f"{path}: the file has no metadata, it was not finished")


class NtupleWriter:
    """Writes events to one file cluster by cluster: what does not fill a cluster yet waits in memory.

    Parameters
    ----------
    path
        The final name of the file, for messages.
    file
        Open for writing.
    collections
        What is written besides the event branches.
    settings
        Layout on disk.
    """

    def __init__(
        self,
        path: Path,
        file: uproot.WritableDirectory,
        collections: tuple[Collection, ...],
        settings: NtupleWriterSettings,
    ) -> None:
        self._path = path
        self._file = file
        self._collections = collections
        self._settings = settings
        if settings.format == "rntuple":
            # Its collections know their lengths and have no counters.
            self._tree = file.mkrntuple(TREE_NAME, _branch_types(collections), "compact Belle ntuple")
        else:
            self._tree = file.mktree(
                TREE_NAME,
                _branch_types(collections),
                title="compact Belle ntuple",
                counter_name=lambda branch: f"n{branch.split('_', 1)[0]}",
                initial_basket_capacity=settings.expected_clusters,
            )
        self._waiting: list[_Events] = []
        self.n_events = 0
        """Events handed over so far."""
        self.write_s = 0.0
        """Wall time spent in compressing and writing, in seconds."""
        self.finished = False
        """Whether metadata were written."""

    def extend(self, columns: Mapping[str, AnyArray]) -> None:
        """Add events.

        Parameters
        ----------
        columns
            Branch name → flat array: event branches and counters such as `nTrack` of shape (n_events,), members of
            collections such as `Track_px` of shape (sum of the counter,). Numbers are stored in the type of the table
            in `processors.ntuple`. Truth branches are not written for data, whether given or not.

        Raises
        ------
        NtupleContentError
            If a column is missing, unknown, of the wrong length or type, holds a number that is not finite or does not
            fit its type, or points to an entry that its event does not have.
        """
        event_columns, counters = _checked_columns(self._path, columns, self._collections)
        members = {
            f"{collection.name}_{branch.name}": np.asarray(columns[f"{collection.name}_{branch.name}"]).astype(
                branch.dtype
            )
            for collection in self._collections
            for branch in collection.branches
        }
        events = _Events(event_columns, counters, members)
        self._waiting.append(events)
        self.n_events += events.n_events
        if sum(part.n_events for part in self._waiting) >= self._settings.events_per_cluster:
            self._write_full_clusters()

    def finish(self, metadata: SampleMetadata) -> None:
        """Write what is waiting, and what the file says about itself, which may be known only at the end."""
        self._write_full_clusters()
        for events in self._waiting:
            if events.n_events:
                self._write(events)
        self._waiting = []
        self._file[METADATA_KEY] = metadata.model_dump_json()
        self.finished = True

    def _write_full_clusters(self) -> None:
        if not self._waiting:
            return
        joined = _Events.join(self._waiting)
        size = self._settings.events_per_cluster
        full = joined.n_events - joined.n_events % size
        for first in range(0, full, size):
            self._write(joined.slice(first, first + size))
        # A copy: a view would keep the clusters just written in memory.
        self._waiting = [joined.slice(full, joined.n_events).copy()]

    def _write(self, events: _Events) -> None:
        start = time.perf_counter()
        cluster: dict[str, ak.Array | AnyArray] = dict(events.event_columns)
        for name, flat in events.members.items():
            cluster[name] = ak.unflatten(flat, events.counters[name.split("_", 1)[0]])
        self._tree.extend(cluster)
        self.write_s += time.perf_counter() - start


class _Events(NamedTuple):
    """Checked columns of some events in their stored types."""

    event_columns: dict[str, AnyArray]
    counters: dict[str, NDArray[np.int64]]
    """Entries of each event, by collection."""
    members: dict[str, AnyArray]

    @property
    def n_events(self) -> int:
        return len(self.event_columns["event"])

    def slice(self, first: int, stop: int) -> _Events:
        """Return the events from `first` up to `stop`, as views."""
        rows = {
            name: slice(int(counts[:first].sum()), int(counts[:stop].sum())) for name, counts in self.counters.items()
        }
        return _Events(
            {name: column[first:stop] for name, column in self.event_columns.items()},
            {name: counts[first:stop] for name, counts in self.counters.items()},
            {name: column[rows[name.split("_", 1)[0]]] for name, column in self.members.items()},
        )

    def copy(self) -> _Events:
        """Return the events in memory of their own."""
        return _Events(*({name: column.copy() for name, column in part.items()} for part in self))

    @staticmethod
    def join(parts: Sequence[_Events]) -> _Events:
        """Return the events of all parts one after another."""
        if len(parts) == 1:
            return parts[0]
        return _Events(
            *({name: np.concatenate([part[i][name] for part in parts]) for name in parts[0][i]} for i in range(3))
        )


def written_collections(*, is_data: bool) -> tuple[Collection, ...]:
    """Return the collections, with the branches, that a file of real or simulated events holds."""
    if not is_data:
        return COLLECTIONS
    return tuple(
        collection._replace(branches=tuple(branch for branch in collection.branches if not branch.truth))
        for collection in COLLECTIONS
        if not collection.truth
    )


def _branch_types(collections: tuple[Collection, ...]) -> dict[str, Any]:
    """Return types as awkward spells them: parsing "var * float32" would cost half a second a file."""
    types: dict[str, Any] = {branch.name: np.dtype(branch.dtype) for branch in EVENT_BRANCHES}
    for collection in collections:
        for branch in collection.branches:
            types[f"{collection.name}_{branch.name}"] = ak.types.ListType(ak.types.NumpyType(branch.dtype))
    return types


def _checked_columns(
    path: Path, columns: Mapping[str, AnyArray], collections: tuple[Collection, ...]
) -> tuple[dict[str, AnyArray], dict[str, NDArray[np.int64]]]:
    """Check every column; return the event branches in their stored types and the counters by collection."""
    known = set(_branch_types(COLLECTIONS)) | {collection.counter for collection in COLLECTIONS}
    if unknown := sorted(set(columns) - known):
        raise NtupleContentError(f"{path}: column '{unknown[0]}' is not a branch of the ntuple")
    n_events = len(_column(path, columns, "event"))
    for branch in EVENT_BRANCHES:
        _check(path, branch.name, branch, _column(path, columns, branch.name), n_events)
    counters = {}
    for collection in collections:
        counter = Branch(collection.counter, "int32", "", "")
        counts = _column(path, columns, counter.name)
        _check(path, counter.name, counter, counts, n_events)
        if np.any(counts < 0):
            raise NtupleContentError(f"{path}: counter '{counter.name}' is negative at entry {np.argmax(counts < 0)}")
        counters[collection.name] = counts.astype(np.int64)
        n_entries = int(counters[collection.name].sum())
        for branch in collection.branches:
            name = f"{collection.name}_{branch.name}"
            _check(path, name, branch, _column(path, columns, name), n_entries)
    _check_references(path, columns, counters)
    return {branch.name: columns[branch.name].astype(branch.dtype) for branch in EVENT_BRANCHES}, counters


def _check_references(path: Path, columns: Mapping[str, AnyArray], counters: dict[str, NDArray[np.int64]]) -> None:
    """Check that every index points into its own event: a reader would silently drop one that does not."""
    for name, target in CROSS_REFERENCES.items():
        owner = name.split("_", 1)[0]
        if owner not in counters or target not in counters:
            continue
        bad = (columns[name] < -1) | (columns[name] >= np.repeat(counters[target], counters[owner]))
        if np.any(bad):
            entry = int(np.argmax(bad))
            index = columns[name][entry]
            raise NtupleContentError(
                f"{path}: column '{name}' points to {target} {index} at entry {entry}, out of range"
            )


def _column(path: Path, columns: Mapping[str, AnyArray], name: str) -> AnyArray:
    try:
        return columns[name]
    except KeyError as error:
        raise NtupleContentError(f"{path}: column '{name}' is missing") from error


def _check(path: Path, name: str, branch: Branch, column: AnyArray, length: int) -> None:
    """Check that a column has its length and that its numbers survive the type they are stored in."""
    if column.shape != (length,):
        raise NtupleContentError(f"{path}: column '{name}' has shape {column.shape}, expected ({length},)")
    stored = np.dtype(branch.dtype)
    if not np.can_cast(column.dtype, stored, casting="same_kind"):
        raise NtupleContentError(f"{path}: column '{name}' holds {column.dtype}, expected {stored}")
    if stored.kind == "f":
        bad = ~(np.abs(column) <= np.finfo(stored).max)
    elif stored.kind == "i":
        limits = np.iinfo(stored)
        bad = (column < limits.min) | (column > limits.max)
    else:
        return
    if np.any(bad):
        entry = int(np.argmax(bad))
        raise NtupleContentError(f"{path}: column '{name}' holds {column[entry]} at entry {entry}, not a {stored}")
