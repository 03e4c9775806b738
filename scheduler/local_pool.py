"""Independent work on the cores of this machine, for commands that need no cluster.

Processes are forked: they inherit imported libraries and compiled kernels, so that they start at once.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_on_cores(function: Callable[[T], R], items: Sequence[T], workers: int) -> Iterator[tuple[int, R]]:
    """Yield the index and result of every item as it is done.

    The first item is done here, before anything is forked: what it compiles and imports, all processes have.

    Parameters
    ----------
    function
        Called with one item; a module's function, which should turn failures into results.
    items
        What to do.
    workers
        Number of processes; with one, all is done here.
    """
    if not items:
        return
    yield 0, function(items[0])
    if workers == 1 or len(items) < 3 or "fork" not in multiprocessing.get_all_start_methods():
        yield from ((index, function(items[index])) for index in range(1, len(items)))
        return
    with ProcessPoolExecutor(min(workers, len(items) - 1), multiprocessing.get_context("fork")) as executor:
        futures = {executor.submit(function, items[index]): index for index in range(1, len(items))}
        for future in as_completed(futures):
            yield futures[future], future.result()
