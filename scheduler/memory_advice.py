"""What to change when a chunk does not fit into a worker's memory, with the numbers that were seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_GIB: Final = 2**30
_KIB: Final = 2**10
_SAFE_SHARE: Final = 0.6
"""Share of its limit that a worker may use: from there on Dask begins to spill."""
_DIGITS: Final = 1


@dataclass
class MemoryUse:
    """Memory of workers over the chunks of a run."""

    before_bytes: int = 0
    """Most that a worker used before a chunk."""
    peak_bytes: int = 0
    """Most that it used during one."""
    per_entry_bytes: float = 0.0
    """Largest increase during a chunk, divided by the chunk's entries."""

    def add(self, n_entries: int, before_bytes: int, peak_bytes: int) -> None:
        """Take a chunk into account."""
        self.before_bytes = max(self.before_bytes, before_bytes)
        self.peak_bytes = max(self.peak_bytes, peak_bytes)
        if n_entries:
            self.per_entry_bytes = max(self.per_entry_bytes, (peak_bytes - before_bytes) / n_entries)

    def advice(self, n_entries: int, memory_bytes: int | None, limit_bytes: int | None) -> str:
        """Return what to change so that a chunk fits, as a sentence.

        Parameters
        ----------
        n_entries
            Size of the chunk that did not.
        memory_bytes, limit_bytes
            Memory of its worker at the end, and its limit; None if unknown.

        Examples
        --------
        >>> use = MemoryUse(before_bytes=2**28, peak_bytes=2**30, per_entry_bytes=8192.0)
        >>> use.advice(200_000, 2 * 2**30, 2 * 2**30)
        'Chunks took 9.2 KiB an entry beside 0.25 GiB: try chunks.entries: 100000, or cluster.worker_memory_gib: 3.3.'
        >>> MemoryUse().advice(1000, None, None)
        'Try chunks.entries: 500, or workers with more memory (cluster.worker_memory_gib).'
        """
        per_entry = self.per_entry_bytes
        if memory_bytes is not None and n_entries and self.before_bytes:
            # it was ended on the way: it would have taken at least this much
            per_entry = max(per_entry, (memory_bytes - self.before_bytes) / n_entries)
        if not per_entry or limit_bytes is None:
            return (
                f"Try chunks.entries: {max(n_entries // 2, 1)}, or workers with more memory "
                "(cluster.worker_memory_gib)."
            )
        room = _SAFE_SHARE * limit_bytes - self.before_bytes
        entries = min(_round_down(room / per_entry), n_entries // 2)
        needed_gib = (self.before_bytes + n_entries * per_entry) / _SAFE_SHARE / _GIB
        return (
            f"Chunks took {per_entry / _KIB:.1f} KiB an entry beside {self.before_bytes / _GIB:.2f} GiB: try "
            f"chunks.entries: {max(entries, 1)}, or cluster.worker_memory_gib: {needed_gib:.1f}."
        )


def _round_down(value: float) -> int:
    """Return a value rounded down to one digit.

    >>> _round_down(98_765.4), _round_down(-3.0)
    (90000, 0)
    """
    if value < 1:
        return 0
    unit = int(10 ** (len(str(int(value))) - _DIGITS))
    return int(value) // unit * unit
