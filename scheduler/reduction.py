"""Which results are added up when: a tree whose shape follows from the numbers of the chunks alone.

Sums of floating-point numbers depend on the order of their terms. Groups are therefore consecutive chunks, then
consecutive groups, whichever chunks finish first: the sum has the same bits whatever happened on the way. Only groups
that are begun and not complete are held.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from scheduler.coverage import Coverage


class Part(NamedTuple):
    """A result in the store."""

    key: str
    covers: Coverage
    """Chunks that it is the sum of."""
    is_temporary: bool
    """Whether it is of no use once it has been added to others."""


class MergeTask(NamedTuple):
    """Parts to add, in this order."""

    level: int
    """Distance from the chunks, from 1."""
    number: int
    """Position in the level."""
    parts: tuple[Part, ...]


@dataclass
class Reduction:
    """The state of a reduction.

    Parameters
    ----------
    n_chunks
        How many results will come.
    fan_in
        How many are added at a time.

    Examples
    --------
    >>> reduction = Reduction(n_chunks=3, fan_in=2)
    >>> part = {n: Part(str(n), Coverage.of(n), False) for n in range(3)}
    >>> reduction.add(0, 2, part[2]), reduction.add(0, 0, part[0])
    ([], [])
    >>> [merge] = reduction.add(0, 1, None)  # chunk 1 failed: nothing to add to chunk 0, which is added to chunk 2
    >>> merge.level, [p.key for p in merge.parts]
    (2, ['0', '2'])
    >>> reduction.add(2, 0, Part("sum", Coverage(((0, 1), (2, 3))), True))
    []
    >>> reduction.root.key
    'sum'
    """

    n_chunks: int
    fan_in: int
    root: Part | None = None
    """The sum of all, once there is one."""
    _open: dict[tuple[int, int], dict[int, Part | None]] = field(default_factory=dict)

    def add(self, level: int, number: int, part: Part | None) -> list[MergeTask]:
        """Take a result, or None where there is nothing, and return the merge that it makes possible, if any.

        Parameters
        ----------
        level
            0 for a chunk, else the level of the `MergeTask` it comes from.
        number
            Position in the level.
        part
            The result.
        """
        while True:
            n_level = -(-self.n_chunks // self.fan_in**level)
            if n_level <= 1:
                self.root = part
                return []
            level, group, position = level + 1, number // self.fan_in, number
            held = self._open.setdefault((level, group), {})
            held[position] = part
            if len(held) < min(self.fan_in, n_level - group * self.fan_in):
                return []
            del self._open[level, group]
            parts = tuple(p for _, p in sorted(held.items()) if p is not None)
            if len(parts) > 1:
                return [MergeTask(level, group, parts)]
            part, number = (parts[0] if parts else None), group

    @property
    def n_held(self) -> int:
        """Results of groups that are not complete."""
        return sum(len(group) for group in self._open.values())
