"""Reading a range of events of a B2BII file as flat arrays that are known to belong together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray
from uproot.behaviors.RNTuple import HasFields

from processors.b2bii.errors import BadNumberError, MisalignedTreesError, UnreadableFileError
from processors.b2bii.layout import FileLayout, TreeLayout
from processors.b2bii.variables import CANDIDATES, Tree, unescape
from processors.event_identity import describe_identity, pack_event_identity
from processors.locations import Location, describe_cause
from processors.root_files import UNREADABLE

AnyArray = NDArray[Any]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_EXACT_IN_SINGLE_PRECISION: Final = 1 << 24
_LARGEST: Final = np.finfo(np.float32).max
"""Most numbers of the ntuple are in single precision."""


@dataclass(frozen=True)
class Particles:
    """The particles of one tree in a range of events."""

    path: Location
    tree: str
    first_entry: int
    """Entry of the file that the range begins with."""
    counts: IntArray
    """Particles in each event, shape (n_events,)."""
    columns: Mapping[str, AnyArray]
    """Variable without spaces → its values, shape (n_particles,), as stored."""

    def __contains__(self, variable: str) -> bool:
        return unescape(variable) in self.columns

    def real(self, variable: str) -> FloatArray:
        """Return a variable in double precision, shape (n_particles,)."""
        return self.columns[unescape(variable)].astype(np.float64)

    @property
    def event(self) -> IntArray:
        """Event of the range that each particle belongs to, shape (n_particles,)."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def entry(self, particle: int) -> int:
        """Return the entry of the file that a particle belongs to."""
        return self.first_entry + int(np.searchsorted(np.cumsum(self.counts), particle, side="right"))

    def require_finite(self, *variables: str) -> None:
        """Check that variables are numbers that single precision can hold.

        Raises
        ------
        BadNumberError
            Naming the first that is not.
        """
        for variable in variables:
            column = self.columns[unescape(variable)]
            finite = np.abs(column) <= _LARGEST
            if not finite.all():
                particle = int(np.argmin(finite))
                raise BadNumberError(
                    f"{self.path}: variable '{variable}' of tree '{self.tree}' holds {column[particle]:g} "
                    f"at entry {self.entry(particle)}"
                )


def entry_ranges(tree: Any, chunk_events: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of about `chunk_events` entries that end, where they can, where the file's clusters do.

    A cluster that is read in parts is decompressed as often.
    """
    if isinstance(tree, HasFields):
        ends = [*(int(summary.num_first_entry) for summary in tree.cluster_summaries[1:]), int(tree.num_entries)]
    else:
        ends = [int(offset) for offset in tree.common_entry_offsets()[1:]]
    first = 0
    for end in ends:
        while end - first > 2 * chunk_events:
            yield first, first + chunk_events
            first += chunk_events
        if end - first >= chunk_events // 2 or end == ends[-1]:
            yield first, end
            first = end


def read_particles(
    file: uproot.ReadOnlyDirectory, path: Location, layout: TreeLayout, variables: Iterable[str], entries: slice
) -> Particles:
    """Return variables of a tree's particles in a range of entries; those that the tree lacks are left out.

    Raises
    ------
    UnreadableFileError
        If the bytes of a branch are damaged.
    MisalignedTreesError
        If branches, or the counter, disagree about how many particles an event has.
    """
    wanted = {unescape(variable): layout.branch(variable) for variable in variables}
    branches = {variable: branch for variable, branch in wanted.items() if branch is not None}
    counter = layout.extra.get(CANDIDATES)
    arrays = _read(file, path, layout, [*branches.values(), *([counter] if counter else [])], entries)
    jagged = {variable: arrays[branch] for variable, branch in branches.items()}
    counts = {variable: ak.to_numpy(ak.num(array)).astype(np.int64) for variable, array in jagged.items()}
    reference = np.asarray(arrays[counter]).astype(np.int64) if counter else next(iter(counts.values()))
    for variable, found in counts.items():
        if not np.array_equal(found, reference):
            event = int(np.argmax(found != reference))
            raise MisalignedTreesError(
                f"{path}: branch '{branches[variable]}' of tree '{layout.name}' has {found[event]} numbers "
                f"at entry {entries.start + event}, but {reference[event]} candidates are counted"
            )
    flat = {variable: ak.to_numpy(ak.flatten(array)) for variable, array in jagged.items()}
    return Particles(path, layout.name, entries.start, reference, flat)


def read_event_column(
    file: uproot.ReadOnlyDirectory, layout: FileLayout, variable: str, entries: slice
) -> FloatArray | None:
    """Return an event variable in a range of entries, shape (n_events,); None if no tree has it.

    Raises
    ------
    BadNumberError
        If a value is not finite.
    """
    found = layout.event_branch(variable)
    if found is None:
        return None
    tree, branch = found
    column = np.asarray(_read(file, layout.path, tree, [branch], entries)[branch]).astype(np.float64)
    if not np.isfinite(column).all():
        event = int(np.argmin(np.isfinite(column)))
        raise BadNumberError(
            f"{layout.path}: event variable '{variable}' of tree '{tree.name}' holds {column[event]} "
            f"at entry {entries.start + event}"
        )
    return column


def read_event_numbers(
    file: uproot.ReadOnlyDirectory, path: Location, layout: TreeLayout, entries: slice
) -> dict[str, IntArray]:
    """Return experiment, run and event numbers of a range of entries of one tree.

    Raises
    ------
    BadNumberError
        If one of them is not a whole number, or too large for the precision that it is stored in.
    """
    arrays = _read(file, path, layout, list(layout.identity.values()), entries)
    numbers = {}
    for name, branch in layout.identity.items():
        column = np.asarray(arrays[branch])
        if column.dtype.kind == "f":
            with np.errstate(invalid="ignore"):
                whole = np.isfinite(column) & (column == np.floor(column)) & (np.abs(column) < 2.0**53)
            if column.dtype == np.float32:
                whole &= np.abs(column) < _EXACT_IN_SINGLE_PRECISION
            if not whole.all():
                entry = int(np.argmin(whole))
                raise BadNumberError(
                    f"{path}: branch '{branch}' of tree '{layout.name}' holds {column[entry]:.10g} at entry "
                    f"{entries.start + entry}, which {column.dtype} cannot tell from its neighbours"
                    if np.isfinite(column[entry]) and column[entry] == np.floor(column[entry])
                    else f"{path}: branch '{branch}' of tree '{layout.name}' holds {column[entry]} "
                    f"at entry {entries.start + entry}, not a whole number"
                )
        numbers[name] = column.astype(np.int64)
    return numbers


def read_identity(file: uproot.ReadOnlyDirectory, layout: FileLayout, entries: slice) -> NDArray[np.uint64]:
    """Return the packed identity of events after checking that all trees have the same ones.

    Raises
    ------
    MisalignedTreesError
        Naming the first entry where two trees differ.
    BadInputError
        If a number is none, or out of range.
    """
    packed: dict[str, NDArray[np.uint64]] = {}
    for tree in (*layout.trees.values(), *layout.generated):
        numbers = read_event_numbers(file, layout.path, tree, entries)
        source = f"{layout.path}: tree '{tree.name}'"
        packed[tree.name] = pack_event_identity(**numbers, source=source, first_entry=entries.start)
    reference = packed[Tree.TRACK]
    for name, identity in packed.items():
        if not np.array_equal(identity, reference):
            event = int(np.argmax(identity != reference))
            raise MisalignedTreesError(
                f"{layout.path}: at entry {entries.start + event} tree '{name}' has "
                f"{describe_identity(identity[event])}, but '{Tree.TRACK}' {describe_identity(reference[event])}"
            )
    return reference


def _read(
    file: uproot.ReadOnlyDirectory, path: Location, layout: TreeLayout, branches: list[str], entries: slice
) -> Mapping[str, ak.Array]:
    wanted = set(branches)
    try:
        arrays = file[layout.name].arrays(
            # A filter, not expressions: names of branches could be taken for formulas.
            filter_name=lambda name: name in wanted,
            entry_start=entries.start,
            entry_stop=entries.stop,
            array_cache=None,
        )
    except UNREADABLE as error:
        raise UnreadableFileError(
            f"{path}: tree '{layout.name}' cannot be read in entries {entries.start} to {entries.stop} "
            f"({describe_cause(error)})"
        ) from error
    if len(arrays) != entries.stop - entries.start:
        raise UnreadableFileError(
            f"{path}: tree '{layout.name}' gave {len(arrays)} of the entries {entries.start} to {entries.stop}"
        )
    return {name: arrays[name] for name in wanted}
