"""Independent tasks on Dask workers: progress, transient failures tried again, every other failure named.

A failure does not stop the other tasks, so that one run lists everything that is wrong.
"""

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import Field

from models.errors import IncompleteRunError
from models.settings import Settings

if TYPE_CHECKING:
    from distributed import Client, Future

    from scheduler.progress import Advance, Terminal

T = TypeVar("T")
R = TypeVar("R")


class TaskSettings(Settings):
    """How tasks on workers are supervised."""

    transient_retries: int = Field(default=2, ge=0)
    """How often a task that failed on input or output (`OSError`) is tried again; other errors repeat themselves."""
    stall_timeout_s: float = Field(default=1800.0, gt=0.0)
    """A run in which no task finishes for this long is given up."""
    workerless_timeout_s: float = Field(default=120.0, gt=0.0)
    """A run is given up sooner when the cluster has had no worker for this long."""
    poll_s: float = Field(default=2.0, gt=0.0)
    """How often a run that waits looks at the cluster."""
    failures_shown: int = Field(default=5, gt=0)
    """How many failed tasks an error message names in full."""


class TaskError(Exception):
    """What a task raised, reduced on the worker to text that always travels back."""

    def __init__(self, message: str, transient: bool, trace: str) -> None:
        super().__init__(message, transient, trace)
        self.message = message
        self.transient = transient
        self.trace = trace

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class TaskFailure:
    """One task that could not be done."""

    task: str
    """What the task was, in words."""
    reason: str
    """Why it failed, one line."""
    trace: str
    """Traceback on the worker, empty when the worker died."""


@dataclass(frozen=True)
class TaskOutcomes:
    """What became of a sequence of tasks."""

    futures: tuple[Future | None, ...]
    """A finished future per task, in the order of the tasks, None where it failed; results are still on the workers."""
    failures: tuple[TaskFailure, ...]
    """The tasks that failed."""


class _Attempt(Generic[T, R]):
    """Run a function on a worker, turning what it raises into a `TaskError`."""

    def __init__(self, function: Callable[[T], R]) -> None:
        self._function = function

    def __call__(self, task: T) -> R:
        try:
            return self._function(task)
        except Exception as error:  # noqa: BLE001 - whatever a task raises is reported with the task's name
            chain = list(_causes(error))
            root = chain[-1]
            text = str(root).strip() or type(root).__name__
            # A stable programming error must show its kind; a named failure is already a sentence.
            message = text if type(root).__module__.startswith("models.") else f"{type(root).__name__}: {text}"
            transient = any(isinstance(cause, OSError) for cause in chain)
            raise TaskError(message, transient, "".join(traceback.format_exception(error))) from None


def run_tasks(
    client: Client,
    function: Callable[[Any], Any],
    tasks: Sequence[Any],
    *,
    describe: Callable[[Any], str],
    size: Callable[[Any], float],
    settings: TaskSettings,
    advance: Advance,
) -> TaskOutcomes:
    """Run `function` on every task on the workers, leaving the results there.

    Parameters
    ----------
    client
        Where the tasks run.
    function
        Called with one task; must be picklable.
    tasks
        The tasks; elements may contain futures.
    describe
        Names a task in an error message.
    size
        Amount of progress that a finished task stands for.
    settings
        Retries and patience.
    advance
        Told the size of each task that finished or failed.

    Raises
    ------
    IncompleteRunError
        If no task finishes for `settings.stall_timeout_s`, or no worker is left.
    """
    attempt = _Attempt(function)
    finished: SimpleQueue[tuple[int, Future]] = SimpleQueue()
    futures: dict[int, Future] = {}
    tries = dict.fromkeys(range(len(tasks)), 1)
    failures: dict[int, TaskFailure] = {}

    def submit(indices: Sequence[int]) -> None:
        for index, future in zip(indices, client.map(attempt, [tasks[i] for i in indices], pure=False), strict=True):
            futures[index] = future
            future.add_done_callback(lambda done, index=index: finished.put((index, done)))

    submit(range(len(tasks)))
    waiting = len(tasks)
    try:
        while waiting:
            index, future = _next_finished(finished, client, settings)
            if future.status != "finished":
                error = _failure_of(future)
                if error.transient and tries[index] <= settings.transient_retries:
                    tries[index] += 1
                    submit([index])
                    continue
                failures[index] = TaskFailure(describe(tasks[index]), error.message, error.trace)
            waiting -= 1
            advance(size(tasks[index]))
    except _StalledError as stall:
        unfinished = [describe(tasks[i]) for i, future in futures.items() if not future.done()]
        client.cancel(list(futures.values()))
        listed = _shorten(unfinished, settings.failures_shown)
        raise IncompleteRunError(f"{stall}; still unfinished: {listed}.") from None
    except BaseException:
        client.cancel(list(futures.values()))
        raise
    return TaskOutcomes(
        tuple(None if index in failures else futures[index] for index in range(len(tasks))),
        tuple(failures[index] for index in sorted(failures)),
    )


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


def map_tasks(
    client: Client,
    function: Callable[[Any], R],
    tasks: Sequence[Any],
    *,
    describe: Callable[[Any], str],
    label: str,
    unit: str,
    settings: TaskSettings,
    terminal: Terminal,
) -> list[R]:
    """Return the results of `function` for every task, in the order of the tasks.

    Parameters
    ----------
    client, function, tasks, describe, settings
        As for `run_tasks`.
    label, unit
        What is being done and the plural noun of what is counted, for the progress display.
    terminal
        Where progress is shown.

    Raises
    ------
    IncompleteRunError
        If any task failed; all failed ones are named.
    """
    with terminal.progress(label, len(tasks), unit) as advance:
        outcomes = run_tasks(
            client, function, tasks, describe=describe, size=lambda _: 1.0, settings=settings, advance=advance
        )
    raise_failures(outcomes.failures, unit, settings)
    return list(client.gather(list(outcomes.futures)))


def raise_failures(
    failures: Sequence[TaskFailure],
    what: str,
    settings: TaskSettings,
    error_type: type[IncompleteRunError] = IncompleteRunError,
) -> None:
    """Fail with one sentence that names the failed tasks, if there are any.

    Parameters
    ----------
    failures
        The failed tasks.
    what
        Plural noun of what the tasks make.
    settings
        How many to name.
    error_type
        What is raised.

    Raises
    ------
    IncompleteRunError
        If `failures` is not empty; the worker's tracebacks are attached as notes.
    """
    if not failures:
        return
    listed = _shorten([f"{failure.task}: {failure.reason}" for failure in failures], settings.failures_shown)
    error = error_type(f"{len(failures)} {what} failed: {listed}")
    for trace in dict.fromkeys(failure.trace for failure in failures if failure.trace):
        error.add_note(trace)
    raise error


class _StalledError(Exception):
    """Nothing finishes any more."""


def _next_finished(
    finished: SimpleQueue[tuple[int, Future]], client: Client, settings: TaskSettings
) -> tuple[int, Future]:
    start = last_worker = time.monotonic()
    while True:
        try:
            return finished.get(timeout=settings.poll_s)
        except Empty:
            now = time.monotonic()
        if client.nthreads():
            last_worker = now
        if now - last_worker > settings.workerless_timeout_s:
            raise _StalledError(f"The cluster has had no worker for {settings.workerless_timeout_s:g} s")
        if now - start > settings.stall_timeout_s:
            raise _StalledError(f"No task finished for {settings.stall_timeout_s:g} s")


def _failure_of(future: Future) -> TaskError:
    if future.status == "cancelled":
        return TaskError("the cluster lost it", False, "")
    error = future.exception()
    if isinstance(error, TaskError):
        return error
    # Anything else happened outside the task: its worker died repeatedly, or input or output could not be sent.
    return TaskError(f"{type(error).__name__}: {error}", False, "")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what caused it, the root last."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _shorten(items: Sequence[str], shown: int) -> str:
    more = f"; and {len(items) - shown} more" if len(items) > shown else ""
    return "; ".join(items[:shown]) + more
