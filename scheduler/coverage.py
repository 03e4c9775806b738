"""Which of a sequence of chunks a sum contains: ranges of numbers, however many chunks there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from models.errors import IncompleteRunError


@dataclass(frozen=True)
class Coverage:
    """A set of chunk numbers.

    Examples
    --------
    >>> merged = Coverage.of(0) + Coverage.of(1) + Coverage.of(3)
    >>> merged, len(merged)
    (Coverage(ranges=((0, 2), (3, 4))), 3)
    >>> list(merged.missing(5))
    [2, 4]
    """

    ranges: tuple[tuple[int, int], ...] = ()
    """First number and one past the last, ascending and apart from each other."""

    @classmethod
    def of(cls, number: int) -> Coverage:
        """Return the set of one chunk."""
        return cls(((number, number + 1),))

    @classmethod
    def union(cls, parts: Iterable[Coverage]) -> Coverage:
        """Return the union of sets.

        Raises
        ------
        IncompleteRunError
            If a chunk is in two of them: it would count twice.
        """
        joined: list[tuple[int, int]] = []
        for start, stop in sorted(span for part in parts for span in part.ranges):
            if joined and start < joined[-1][1]:
                raise IncompleteRunError(f"Chunk {start} is in the result more than once.")
            if joined and start == joined[-1][1]:
                joined[-1] = joined[-1][0], stop
            else:
                joined.append((start, stop))
        return cls(tuple(joined))

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage.union((self, other))

    def __len__(self) -> int:
        return sum(stop - start for start, stop in self.ranges)

    def missing(self, n_chunks: int) -> Iterator[int]:
        """Yield the numbers below `n_chunks` that are not in the set."""
        next_start = 0
        for start, stop in (*self.ranges, (n_chunks, n_chunks)):
            yield from range(next_start, start)
            next_start = stop
