"""Tasks on Dask workers, a window of them at a time: client and scheduler never hold more, however many there are.

What is done about a task that does not succeed:

- input or output failed: it is tried again a little later;
- its worker died: Dask gives it to another one. A task whose workers keep dying runs once more when nothing else does:
  if that worker dies too, it was this task, and otherwise it had only been on the wrong workers;
- the scheduler lost it: it is submitted again, once there is a scheduler;
- anything else would happen again: it has failed, and the others go on;
- nothing can be written any more, nothing finishes, or there are no workers: the run is stopped.
"""

from __future__ import annotations

import heapq
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

from scheduler.cluster_health import ClusterHealth, StoppedError
from scheduler.clusters.signals import raise_lost_signal
from scheduler.failures import FailureKind, TaskFailure, shorten
from scheduler.task_attempt import Attempt, TaskError
from scheduler.worker_deaths import Cause, WorkerDeath, WorkerWatch, watch_workers

if TYPE_CHECKING:
    from distributed import Client, Future

    from scheduler.tasks import TaskSettings

_RETRIES_FIRST: Final = 1
"""Dask priority of what has been tried before: a retry at the end of a run would be waited for alone."""
_LONGER: Final = 10
"""How many times longer than before each further attempt is waited for."""
_BATCH: Final = 1000
"""Most results fetched at once."""
_GONE: Final = frozenset({"cancelled", "lost", "error"})
"""States of a future whose value has to be made again."""
_CONFINED_POLL_S: Final = 0.2
_NANNY_PATIENCE_S: Final = 3.0
"""How long a nanny may take to say of what its worker died."""
_MEMORY_CAUSES: Final = frozenset({Cause.MEMORY_LIMIT, Cause.OUT_OF_MEMORY})


class TaskSource(Protocol):
    """Where tasks come from and what they give goes to; new tasks may follow from finished ones."""

    def take(self, n: int) -> Sequence[Any]:
        """Return at most `n` tasks that can start now; none once all have been given out."""

    def finished(self, task: Any, value: Any) -> None:
        """Take the value of a task."""

    def failed(self, task: Any, failure: TaskFailure) -> None:
        """Take what is known about a task that cannot be done."""


@dataclass
class _Flight:
    """A task on its way."""

    task: Any
    attempts: int
    future: Future


def supervise(
    client: Client,
    function: Callable[[Any], Any],
    source: TaskSource,
    *,
    describe: Callable[[Any], str],
    settings: TaskSettings,
    shared: object = None,
    workers: Sequence[str] | None = None,
) -> tuple[WorkerDeath, ...]:
    """Run every task of a source.

    Parameters
    ----------
    client
        Where the tasks run.
    function
        Called with a task, or with the pair of a task and `shared`; must be picklable. What it returns comes to the
        client: it should be small, or few.
    source
        Gives tasks and takes results.
    describe
        Names a task in a message.
    settings
        Retries and patience.
    shared
        What all tasks use; travels once to each worker.
    workers
        Addresses of the only workers to use; all by default.

    Returns
    -------
    tuple of WorkerDeath
        Workers that died meanwhile.

    Raises
    ------
    StoppedError
        If the run cannot go on; the message says why and what was unfinished.
    """
    with watch_workers(client) as watch:
        health = ClusterHealth(client, settings, watch, workers)
        supervision = _Supervision(client, Attempt(function), source, describe, settings, shared, watch, health)
        try:
            supervision.run()
        except StoppedError as stopped:
            unfinished = shorten(supervision.unfinished(), settings.failures_shown) or "nothing that was submitted"
            raise StoppedError(f"{stopped}; still unfinished: {unfinished}") from None
        finally:
            supervision.cancel()
        return watch.deaths()


@dataclass
class _Supervision:
    client: Client
    attempt: Attempt[Any, Any]
    source: TaskSource
    describe: Callable[[Any], str]
    settings: TaskSettings
    shared: object
    watch: WorkerWatch
    health: ClusterHealth
    _name: str = field(default_factory=lambda: f"leptophile-{uuid4().hex[:8]}")
    _number: count[int] = field(default_factory=count)
    _shared_future: Future | None = None
    _in_flight: dict[str, _Flight] = field(default_factory=dict)
    _done: SimpleQueue[Future] = field(default_factory=SimpleQueue)
    _again: list[tuple[float, int, Any, int]] = field(default_factory=list)
    """Tasks to try again: when (a heap), a number, the task, attempts so far."""
    _suspects: list[_Flight] = field(default_factory=list)
    """Tasks whose workers died too often."""
    _confined: str | None = None
    """The suspect that is running alone."""

    def run(self) -> None:
        self.health.look()
        while self._fill():
            self._handle(self._next_done())
            self._convict()

    def unfinished(self) -> list[str]:
        return [self.describe(flight.task) for flight in self._in_flight.values()]

    def cancel(self) -> None:
        if self._in_flight and self.client.status == "running":
            self.client.cancel([flight.future for flight in self._in_flight.values()], force=True)
        self._in_flight.clear()

    # -- submission ------------------------------------------------------------------------------------------------

    def _fill(self) -> bool:
        """Submit what there is room for; return whether anything is left to wait for."""
        if self._confined is not None:
            return True
        now = time.monotonic()
        due = []
        while self._again and self._again[0][0] <= now:
            _, _, task, attempts = heapq.heappop(self._again)
            due.append((task, attempts))
        self._submit(due, priority=_RETRIES_FIRST)
        window = max(self.health.n_threads, 1) * self.settings.in_flight_per_thread
        # many tasks at once cost the client and the scheduler less than many times one
        if len(self._in_flight) <= window * 3 // 4:
            self._submit([(task, 0) for task in self.source.take(window - len(self._in_flight))])
        if not self._in_flight and not self._again and self._suspects:
            suspect = self._suspects.pop()
            self._confined = self._submit([(suspect.task, suspect.attempts)])[0]
        return bool(self._in_flight or self._again)

    def _submit(self, tasks: Sequence[tuple[Any, int]], priority: int = 0) -> list[str]:
        if not tasks:
            return []
        self.health.wait_for_scheduler()
        if self.shared is not None and (
            self._shared_future is None or self._shared_future.status not in ("pending", "finished")
        ):
            self._shared_future = share(self.client, self.shared)
        arguments = [task if self.shared is None else (task, self._shared_future) for task, _ in tasks]
        keys = [f"{self._name}-{next(self._number)}" for _ in tasks]
        futures = self.client.map(self.attempt, arguments, key=keys, priority=priority, workers=self.health.workers)
        for (task, attempts), key, future in zip(tasks, keys, futures, strict=True):
            self._in_flight[key] = _Flight(task, attempts + 1, future)
            future.add_done_callback(self._done.put)
        return keys

    # -- results ---------------------------------------------------------------------------------------------------

    def _next_done(self) -> list[Future]:
        """Wait for finished futures; none if something else may have to be done meanwhile."""
        raise_lost_signal()
        patience = self.settings.poll_s if self._confined is None else min(_CONFINED_POLL_S, self.settings.poll_s)
        if self._again:
            patience = min(patience, max(self._again[0][0] - time.monotonic(), 0.0))
        try:
            done = [self._done.get(timeout=patience)]
        except Empty:
            self.health.look()
            return []
        while len(done) < _BATCH:
            try:
                done.append(self._done.get_nowait())
            except Empty:
                break
        return done

    def _handle(self, done: Sequence[Future]) -> None:
        self.health.refuse_unfit()
        ours = [future for future in done if future.key in self._in_flight]
        values = self._fetch([future.key for future in ours if future.status == "finished"])
        for future in ours:
            flight = self._in_flight.pop(future.key)
            if future.key == self._confined:
                self._confined = None
            if future.key in values:
                self.source.finished(flight.task, values[future.key])
            else:
                self._not_finished(future, flight)
        if ours:
            self.health.note_progress()

    def _fetch(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return the values of finished tasks by key, without those whose worker died before they were fetched.

        `Client.gather` would have these computed again and wait for it, now and then for ever: the scheduler is asked
        directly.
        """
        wanted = set(keys)
        while wanted:
            try:
                response = self.client.sync(
                    self.client.scheduler.gather, keys=list(wanted), callback_timeout=self.settings.fetch_timeout_s
                )
            except (OSError, TimeoutError):
                return {}
            if response["status"] == "OK":
                return dict(response["data"])
            wanted -= set(response["keys"])
        return {}

    def _not_finished(self, future: Future, flight: _Flight) -> None:
        from distributed import KilledWorker

        if future.status != "error":
            # its value went with a worker, or the scheduler forgot it, as one does that took the place of another
            future.cancel(force=True)
            self._try_again(flight, flight.attempts - 1)
            return
        error = future.exception()
        if isinstance(error, KilledWorker):
            self._suspects.append(flight)
        elif isinstance(error, TaskError):
            failure = TaskFailure(
                task=self.describe(flight.task),
                reason=error.message,
                trace=error.trace,
                kind=error.kind,
                exception=error.exception,
                worker=error.worker,
                attempts=flight.attempts,
            )
            if error.kind is FailureKind.STORAGE:
                raise StoppedError(f"Nothing more can be written: {failure.task}: {failure.reason}")
            if error.transient:
                self._retry(flight, failure)
            else:
                self.source.failed(flight.task, failure)
        else:
            # it happened outside the task: the task or its result could not be sent
            reason = f"{type(error).__name__}: {error}"
            failure = TaskFailure(task=self.describe(flight.task), reason=reason, exception=type(error).__name__)
            self.source.failed(flight.task, failure)

    def _retry(self, flight: _Flight, failure: TaskFailure) -> None:
        if flight.attempts > self.settings.transient_retries:
            self.source.failed(flight.task, failure)
            return
        self._try_again(flight, flight.attempts)

    def _try_again(self, flight: _Flight, attempts: int) -> None:
        when = time.monotonic() + self.settings.retry_delay_s * _LONGER ** (flight.attempts - 1)
        heapq.heappush(self._again, (when, next(self._number), flight.task, attempts))

    # -- dead workers ----------------------------------------------------------------------------------------------

    def _convict(self) -> None:
        """Take tasks out whose workers keep dying, and give up the one that did it."""
        deaths: dict[str, list[WorkerDeath]] = {}
        for death in self.watch.deaths():
            for key in death.tasks & self._in_flight.keys():
                deaths.setdefault(key, []).append(death)
        for key, of_task in deaths.items():
            alone = all(death.tasks == {key} for death in of_task)
            if key == self._confined or (alone and len(of_task) >= self.settings.worker_deaths_allowed):
                self._blame(key)
            elif len(of_task) >= self.settings.worker_deaths_allowed:
                self._suspects.append(self._withdraw(key))

    def _withdraw(self, key: str) -> _Flight:
        flight = self._in_flight.pop(key)
        self.client.cancel([flight.future], force=True)
        if key == self._confined:
            self._confined = None
        return flight

    def _blame(self, key: str) -> None:
        """Fail a task for what it did to its workers, once their nannies have had time to tell."""
        flight = self._withdraw(key)
        deadline = time.monotonic() + _NANNY_PATIENCE_S
        while (last := self.watch.killed_with(key)[-1]).cause is Cause.LOST and time.monotonic() < deadline:
            time.sleep(_CONFINED_POLL_S)
        failure = TaskFailure(
            task=self.describe(flight.task),
            reason=f"it ends the worker that runs it: {last}",
            kind=FailureKind.WORKER_MEMORY if last.cause in _MEMORY_CAUSES else FailureKind.WORKER_DIED,
            worker=last.worker,
            attempts=flight.attempts,
        )
        self.source.failed(flight.task, failure)


def share(client: Client, value: object) -> Future:
    """Return a future of a value that many tasks use: it travels once per worker, and again if workers die.

    Parameters
    ----------
    client
        Where the tasks will run.
    value
        Put the future in its place into the tasks.
    """
    with warnings.catch_warnings():
        # Dask warns of large values in a graph and advises what is being done here.
        warnings.filterwarnings("ignore", "Sending large graph")
        return client.submit(_identity, value, pure=False)


def _identity(value: object) -> object:
    return value
