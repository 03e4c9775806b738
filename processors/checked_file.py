"""One ntuple file, checked as far as opening it and reading its event numbers can tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import uproot
from uproot.behaviors.RNTuple import HasFields

from models.errors import BadInputError
from models.settings import Settings
from processors.event_identity import describe_identity, pack_event_identity
from processors.event_spans import Identity, RunSpan, scan_identity
from processors.locations import Location, file_stamp
from processors.ntuple import EVENT_BRANCHES, TREE_NAME
from processors.ntuple_writer import written_collections
from processors.root_files import branch_type, open_root_file
from processors.sample import SampleMetadata, read_sample_metadata

_EVENTS_AT_A_TIME: Final = 1_000_000
"""Entries of which the event numbers are held in memory, 40 MB."""


class CheckedFile(Settings):
    """A file that passed every check which needs no more than opening it: what it is, and what is in it."""

    location: str
    """Path or URL."""
    stamp: str
    """What tells, without opening the file, whether it has changed: size with modification time or version."""
    uuid: str
    """Identity that the file was written with."""
    n_bytes: int
    n_events: int
    """Entries of its tree."""
    metadata: SampleMetadata
    spans: tuple[RunSpan, ...]
    """Which runs and events it holds."""


def check_file(path: Location) -> CheckedFile:
    """Return what a file holds after checking its tree, branches, types, length and event numbers.

    Raises
    ------
    BadInputError
        Naming the file, and the branch and entry where there is one.
    """
    stamp = file_stamp(path)
    metadata = read_sample_metadata(path)
    with open_root_file(path) as file:
        tree = _tree(path, file)
        _check_branches(path, tree, is_data=metadata.is_data)
        scan = scan_identity(lambda: _identities(path, tree))
        if scan.duplicate is not None:
            (event,) = np.concatenate(list(_identities(path, tree)))[[scan.duplicate]]
            raise BadInputError(f"{path}: entry {scan.duplicate} repeats {describe_identity(event)}")
        uuid = str(file.file.uuid)
    return CheckedFile(
        location=str(path),
        stamp=stamp.stamp,
        uuid=uuid,
        n_bytes=stamp.n_bytes,
        n_events=scan.n_events,
        metadata=metadata,
        spans=scan.spans,
    )


def read_identity(path: Location) -> Identity:
    """Return the packed (experiment, run, event) of every entry, shape (n_entries,).

    Raises
    ------
    BadInputError
        If the file cannot be read.
    """
    with open_root_file(path) as file:
        identities = list(_identities(path, _tree(path, file)))
    return np.concatenate([np.zeros(0, dtype=np.uint64), *identities])


def _identities(path: Location, tree: uproot.TTree) -> Iterator[Identity]:
    for start in range(0, tree.num_entries, _EVENTS_AT_A_TIME):
        stop = min(start + _EVENTS_AT_A_TIME, tree.num_entries)
        numbers = ("experiment", "run", "event")
        columns = (tree[name].array(library="np", entry_start=start, entry_stop=stop) for name in numbers)
        yield pack_event_identity(*columns, source=str(path), first_entry=start)


def _tree(path: Location, file: uproot.ReadOnlyDirectory) -> uproot.TTree:
    classes = file.classnames(cycle=False)
    if TREE_NAME not in classes:
        trees = sorted(name for name, kind in classes.items() if kind in ("TTree", "ROOT::RNTuple"))
        raise BadInputError(f"{path}: no tree '{TREE_NAME}', the file holds {', '.join(trees) or 'no tree'}")
    return file[TREE_NAME]


def _check_branches(path: Location, tree: uproot.TTree, *, is_data: bool) -> None:
    """Check all branches; the collections of an RNTuple know their lengths and have no counters."""
    for branch in EVENT_BRANCHES:
        _check_branch(path, tree, branch.name, branch.dtype, jagged=False)
    for collection in written_collections(is_data=is_data):
        if not isinstance(tree, HasFields):
            _check_branch(path, tree, collection.counter, "int32", jagged=False)
        for branch in collection.branches:
            _check_branch(path, tree, f"{collection.name}_{branch.name}", branch.dtype, jagged=True)


def _check_branch(path: Location, tree: uproot.TTree, name: str, dtype: str, *, jagged: bool) -> None:
    """Check that a branch exists and holds numbers of its kind, no narrower than the table says."""
    if name not in tree:
        raise BadInputError(f"{path}: tree '{TREE_NAME}' lacks the branch '{name}'")
    is_jagged, stored = branch_type(tree[name])
    expected = np.dtype(dtype)
    same_kind = stored is not None and stored.kind == expected.kind and np.can_cast(expected, stored)
    if is_jagged != jagged or not same_kind:
        shape = "an array per event of " if jagged else ""
        raise BadInputError(f"{path}: branch '{name}' holds {tree[name].typename}, expected {shape}{dtype}")
