"""The largest memory of a process while something runs, so that a chunk too large can be told by how much."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

_RESET: Final = "5"
"""What resets the high-water mark of the resident memory (proc(5), clear_refs)."""


@dataclass
class PeakMemory:
    """Resident memory of this process."""

    before_bytes: int
    """When the measurement began."""
    peak_bytes: int = 0
    """Most of it until the measurement ended."""


@contextmanager
def measure_peak_memory() -> Iterator[PeakMemory]:
    """Measure the peak of this process's resident memory during the block.

    Where the system keeps no high-water mark that can be reset (outside Linux), the memory at the end stands for it.
    """
    measured = PeakMemory(psutil.Process().memory_info().rss)
    try:
        Path("/proc/self/clear_refs").write_text(_RESET)
    except OSError:
        yield measured
        measured.peak_bytes = psutil.Process().memory_info().rss
        return
    yield measured
    measured.peak_bytes = max(_high_water_mark_bytes(), measured.before_bytes)


def _high_water_mark_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
