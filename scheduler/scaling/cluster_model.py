"""A cluster larger than the one there is: every task of a run, with the overheads that were measured.

Client and scheduler take tasks one after the other, each for its own time a task; workers take them in parallel. The
windows and the reduction are those of the software: what the model says of waiting and of memory is what it does.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Final

from pydantic import Field

from models.settings import Settings
from scheduler.coverage import Coverage
from scheduler.reduction import MergeTask, Part, Reduction

_SPREAD: Final = (0.5, 1.5)
"""Shortest and longest work on a chunk, in units of the mean."""
_SEED: Final = 1


class TaskCosts(Settings):
    """What a task costs, measured with a processor that does nothing, except for the work itself."""

    work_s: float = Field(ge=0.0)
    """A chunk on its worker: reading, processing."""
    worker_s: float = Field(ge=0.0)
    """The rest of its time on the worker: opening the file, store, memory measurement, Dask."""
    scheduler_s: float = Field(ge=0.0)
    """Scheduler, for each task."""
    client_s: float = Field(ge=0.0)
    """Client, for each task."""
    result_bytes: int = Field(ge=0)
    """A result, pickled."""


class ModelResult(Settings):
    """What a run of the model gave."""

    n_workers: int
    n_chunks: int
    n_merges: int
    wall_s: float
    efficiency: float
    """Time of all work divided by workers and wall time."""
    scheduler_load: float
    client_load: float
    """Share of the wall time in which it is busy."""
    bottleneck: str
    """What is busy for the largest part of the wall time: workers, scheduler or client."""
    parts_held: int
    """Most results that wait in the store for the rest of their group, at any time."""
    reduction_bytes: int
    """Their size: what the reduction tree takes, on disk."""
    merge_memory_bytes: int
    """Memory of a worker that adds results: a sum and the next one."""
    tasks_in_flight: int
    """Most tasks that the scheduler holds."""


class ClusterModel:
    """A run of many chunks on many workers.

    Parameters
    ----------
    costs
        Measured.
    n_workers, n_chunks
        Size.
    fan_in
        Results added at a time.
    in_flight_per_worker
        The window.
    """

    def __init__(
        self, costs: TaskCosts, *, n_workers: int, n_chunks: int, fan_in: int, in_flight_per_worker: int
    ) -> None:
        self._costs = costs
        self._n_workers = n_workers
        self._n_chunks = n_chunks
        self._window = n_workers * in_flight_per_worker
        self._reduction = Reduction(n_chunks, fan_in)
        self._numbers = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._now = 0.0
        self._free_workers = n_workers
        self._queue: deque[int | MergeTask] = deque()
        self._busy_until = {"scheduler": 0.0, "client": 0.0}
        self._random = random.Random(_SEED)
        self._busy_s = {"scheduler": 0.0, "client": 0.0, "workers": 0.0}

    def run(self) -> ModelResult:
        """Return how the run goes."""
        chunks = iter(range(self._n_chunks))
        merges: deque[MergeTask] = deque()
        in_flight = parts_held = most_in_flight = n_merges = 0

        def fill() -> None:
            nonlocal in_flight, most_in_flight, n_merges
            while in_flight < self._window:
                task: int | MergeTask | None = merges.popleft() if merges else next(chunks, None)
                if task is None:
                    return
                n_merges += isinstance(task, MergeTask)
                in_flight += 1
                most_in_flight = max(most_in_flight, in_flight)
                # half of what the client and the scheduler do is before the task runs, half after
                self._serve("client", partial(self._serve, "scheduler", partial(start, task)))

        def start(task: int | MergeTask) -> None:
            if self._free_workers:
                self._free_workers -= 1
                # chunks differ: without a spread, all workers would ask for the next one at the same time
                work_s = 0.0 if isinstance(task, MergeTask) else self._costs.work_s * self._random.uniform(*_SPREAD)
                self._busy_s["workers"] += work_s
                self._at(self._now + work_s + self._costs.worker_s, lambda: finish(task))
            else:
                self._queue.append(task)

        def finish(task: int | MergeTask) -> None:
            self._free_workers += 1
            if self._queue:
                start(self._queue.popleft())
            self._serve("scheduler", lambda: self._serve("client", lambda: done(task)))

        def done(task: int | MergeTask) -> None:
            nonlocal in_flight, parts_held
            in_flight -= 1
            if isinstance(task, MergeTask):
                covers = Coverage.union(part.covers for part in task.parts)
                merges.extend(self._reduction.add(task.level, task.number, Part("", covers, True)))
            else:
                merges.extend(self._reduction.add(0, task, Part("", Coverage.of(task), True)))
            parts_held = max(parts_held, self._reduction.n_held + sum(len(merge.parts) for merge in merges))
            fill()

        fill()
        while self._events:
            self._now, _, happen = heapq.heappop(self._events)
            happen()
        assert self._reduction.root is not None
        assert len(self._reduction.root.covers) == self._n_chunks
        shares = {name: busy / self._now for name, busy in self._busy_s.items()}
        shares["workers"] /= self._n_workers
        return ModelResult(
            n_workers=self._n_workers,
            n_chunks=self._n_chunks,
            n_merges=n_merges,
            wall_s=self._now,
            efficiency=shares["workers"],
            scheduler_load=shares["scheduler"],
            client_load=shares["client"],
            bottleneck=max(shares, key=lambda name: shares[name]),
            parts_held=parts_held,
            reduction_bytes=parts_held * self._costs.result_bytes,
            merge_memory_bytes=2 * self._costs.result_bytes,
            tasks_in_flight=most_in_flight,
        )

    def _at(self, when: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._numbers), happen))

    def _serve(self, place: str, then: Callable[[], None]) -> None:
        seconds = (self._costs.client_s if place == "client" else self._costs.scheduler_s) / 2
        self._busy_until[place] = max(self._busy_until[place], self._now) + seconds
        self._busy_s[place] += seconds
        self._at(self._busy_until[place], then)
