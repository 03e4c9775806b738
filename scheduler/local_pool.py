"""Independent work on the cores of this machine, for commands that need no cluster.

Processes are forked: they inherit imported libraries and compiled kernels, so that they start at once.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Final, TypeVar

from models.errors import IncompleteRunError

T = TypeVar("T")
R = TypeVar("R")

_WAITING_PER_WORKER: Final = 8
"""Items that have been handed out for each process: enough to keep it busy, and no more results than that at once."""


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

    Raises
    ------
    IncompleteRunError
        If a process died.
    """
    if not items:
        return
    yield 0, function(items[0])
    if workers == 1 or len(items) < 3 or "fork" not in multiprocessing.get_all_start_methods():
        yield from ((index, function(items[index])) for index in range(1, len(items)))
        return
    n_processes = min(workers, len(items) - 1)
    rest = iter(range(1, len(items)))
    waiting: dict[Future[R], int] = {}
    with ProcessPoolExecutor(n_processes, multiprocessing.get_context("fork")) as executor:
        try:
            while True:
                for index in islice(rest, n_processes * _WAITING_PER_WORKER - len(waiting)):
                    waiting[executor.submit(function, items[index])] = index
                if not waiting:
                    return
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield waiting.pop(future), future.result()
        except BrokenProcessPool as error:
            raise IncompleteRunError(
                "A process of this command died, perhaps because the memory was full; --workers asks for fewer."
            ) from error
