"""How files are cut into chunks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from pydantic import Field

from models.settings import Settings
from processors.locations import FileStamp


class ChunkSettings(Settings):
    """How a set of files is cut into chunks and their results are merged."""

    entries: int = Field(default=100_000, gt=0)
    """Most entries that one task reads. Files are cut at multiples of it: if these are multiples of clusters, here
    of 20 000 events, no task decompresses what another one needs."""
    merge_group: int = Field(default=16, gt=1)
    """Results added by one task of the reduction, one after the other: two at a time are in a worker's memory."""


class PlannedFile(NamedTuple):
    """A file as it was when the run looked at it."""

    dataset: str
    path: str
    tree: str
    uuid: bytes
    n_entries: int
    stamp: FileStamp


class Chunk(NamedTuple):
    """A range of entries of a file."""

    number: int
    """Position in the plan."""
    file: PlannedFile
    start: int
    stop: int
    """One past the last entry."""

    def __str__(self) -> str:
        return f"{self.file.path} entries {self.start} to {self.stop}"


class ChunkPlan:
    """The chunks of some files, made when they are asked for: a plan is no larger than its list of files.

    Each file is cut at multiples of the chunk size, so that chunks begin where clusters of entries do. A file without
    entries is one chunk.

    Parameters
    ----------
    files
        In the order in which they are processed.
    entries
        Most entries of a chunk.

    Examples
    --------
    >>> files = [PlannedFile("data", name, "events", b"", n, FileStamp(0, "")) for name, n in (("a", 5), ("b", 0))]
    >>> [str(chunk) for chunk in ChunkPlan(files, entries=3)]
    ['a entries 0 to 3', 'a entries 3 to 5', 'b entries 0 to 0']
    """

    def __init__(self, files: Sequence[PlannedFile], entries: int) -> None:
        self._files = files
        self._entries = entries
        self._first = [0, *accumulate(max(-(-file.n_entries // entries), 1) for file in files)]
        self.n_entries = sum(file.n_entries for file in files)

    def __len__(self) -> int:
        return self._first[-1]

    def __getitem__(self, number: int) -> Chunk:
        if not 0 <= number < len(self):
            raise IndexError(number)
        index = bisect_right(self._first, number) - 1
        file = self._files[index]
        start = (number - self._first[index]) * self._entries
        return Chunk(number, file, start, min(start + self._entries, file.n_entries))

    def __iter__(self) -> Iterator[Chunk]:
        return (self[number] for number in range(len(self)))
