"""Writing compact Belle ntuples: one TTree of jagged collections, checked against the branch table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray
from pydantic import PositiveInt

from models.errors import LeptophileError
from models.settings import Settings
from processors.atomic_file import atomic_path
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


class NtupleWriterSettings(Settings):
    """How ntuples are laid out on disk."""

    events_per_cluster: PositiveInt = 20_000
    """Events in each basket of every branch: the smallest piece a worker can read without reading twice."""
    compression: Literal["LZ4", "ZSTD", "ZLIB", "LZMA"] = "ZSTD"
    """Compression algorithm.

    Of τ pairs, ZSTD made files 16 % smaller than LZ4 and was read at 1 million events/s and core, LZ4 at 2 million:
    both ten times faster than events are selected. ZLIB saved another 6 % and halved the speed.
    """
    compression_level: PositiveInt = 1
    """Its level; higher ones cost time and gained 1 %."""


def write_ntuple(
    path: str | Path,
    columns: Mapping[str, AnyArray],
    metadata: SampleMetadata,
    settings: NtupleWriterSettings | None = None,
) -> None:
    """Write one ntuple file, whole or not at all.

    Parameters
    ----------
    path
        The ROOT file; its folder is made if needed, an existing file is replaced.
    columns
        Branch name → flat array: event branches and counters such as `nTrack` of shape (n_events,), members of
        collections such as `Track_px` of shape (sum of the counter,). Numbers are stored in the type of the table
        in `processors.ntuple`. Truth branches are not written for data, whether given or not.
    metadata
        Stored beside the tree as JSON.
    settings
        Layout on disk.

    Raises
    ------
    NtupleContentError
        If a column is missing, unknown, of the wrong length or type, holds a number that is not finite or does not
        fit its type, or points to an entry that its event does not have.
    """
    settings = settings or NtupleWriterSettings()
    collections = written_collections(is_data=metadata.is_data)
    event_columns, counters = _checked_columns(Path(path), columns, collections)
    offsets = {
        collection.name: np.concatenate([[0], np.cumsum(counters[collection.name])]) for collection in collections
    }
    n_events = len(event_columns["event"])
    compression = getattr(uproot, settings.compression)(settings.compression_level)
    with atomic_path(path) as temporary, uproot.recreate(temporary, compression=compression) as file:
        file[METADATA_KEY] = metadata.model_dump_json()
        tree = file.mktree(
            TREE_NAME,
            _branch_types(collections),
            title="compact Belle ntuple",
            counter_name=lambda branch: f"n{branch.split('_', 1)[0]}",
            initial_basket_capacity=n_events // settings.events_per_cluster + 2,
        )
        for start in range(0, n_events, settings.events_per_cluster):
            events = slice(start, min(start + settings.events_per_cluster, n_events))
            cluster: dict[str, ak.Array | AnyArray] = {name: array[events] for name, array in event_columns.items()}
            for collection in collections:
                counts = counters[collection.name][events]
                first, last = offsets[collection.name][[events.start, events.stop]]
                for branch in collection.branches:
                    name = f"{collection.name}_{branch.name}"
                    flat = np.asarray(columns[name][first:last]).astype(branch.dtype)
                    cluster[name] = ak.unflatten(flat, counts)
            tree.extend(cluster)


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
