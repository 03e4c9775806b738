"""Independent tasks on Dask workers: progress, results in order, every failure named.

A failure does not stop the other tasks, so that one run lists everything that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field

from models.settings import Settings
from scheduler.cluster_health import StoppedError
from scheduler.failures import FailureReport, TaskFailure, failure_error, raise_failures
from scheduler.supervision import supervise

if TYPE_CHECKING:
    from distributed import Client

    from scheduler.progress import Advance, Terminal

R = TypeVar("R")


class TaskSettings(Settings):
    """How tasks on workers are supervised."""

    transient_retries: int = Field(default=2, ge=0)
    """How often a task is tried again when input or output failed (`OSError`) or the scheduler lost it; other errors
    repeat themselves."""
    retry_delay_s: float = Field(default=0.1, ge=0.0)
    """How long the first of these waits: a hiccup at the end of a run is waited for alone. Each further one waits ten
    times longer."""
    worker_deaths_allowed: int = Field(default=2, gt=0)
    """A task on so many dying workers is taken out and, unless it was all they had, tried once more alone."""
    in_flight_per_thread: int = Field(default=10, gt=0)
    """Tasks that are submitted at a time, for every thread of the cluster: client and scheduler hold no more."""
    fetch_timeout_s: float = Field(default=60.0, gt=0.0)
    """A result that cannot be fetched from its worker within this time is computed again."""
    stall_timeout_s: float = Field(default=1800.0, gt=0.0)
    """A run in which no task finishes for this long is given up."""
    workerless_timeout_s: float = Field(default=120.0, gt=0.0)
    """A run is given up sooner when the cluster has had no worker, or no scheduler, for this long."""
    scheduler_patience_s: float = Field(default=5.0, gt=0.0)
    """A scheduler that takes longer than this to answer is called starved."""
    poll_s: float = Field(default=2.0, gt=0.0)
    """How often a run that waits looks at the cluster."""
    performance_report: bool = True
    """Keep Dask's performance report of process, histogram and scan in the run folder."""
    failures_shown: int = Field(default=5, gt=0)
    """How many failed tasks an error message names in full."""


@dataclass(frozen=True)
class TaskOutcomes:
    """What became of a sequence of tasks."""

    results: tuple[Any, ...]
    """A result per task, in the order of the tasks, None where it failed."""
    failures: tuple[TaskFailure, ...]
    """The tasks that failed, in the order of the tasks."""


class _Sequence:
    """A sequence of tasks whose results are kept."""

    def __init__(self, tasks: Iterable[Any], size: Callable[[Any], float], advance: Advance) -> None:
        self._tasks: Iterator[tuple[int, Any]] = iter(enumerate(tasks))
        self._size = size
        self._advance = advance
        self.results: dict[int, Any] = {}
        self.failures: dict[int, TaskFailure] = {}

    def take(self, n: int) -> Sequence[tuple[int, Any]]:
        return list(islice(self._tasks, n))

    def finished(self, task: tuple[int, Any], value: Any) -> None:
        self.results[task[0]] = value
        self._advance(self._size(task[1]))

    def failed(self, task: tuple[int, Any], failure: TaskFailure) -> None:
        self.failures[task[0]] = failure
        self._advance(self._size(task[1]))


def run_tasks(
    client: Client,
    function: Callable[[Any], Any],
    tasks: Sequence[Any],
    *,
    describe: Callable[[Any], str],
    size: Callable[[Any], float],
    settings: TaskSettings,
    advance: Advance,
    shared: object = None,
) -> TaskOutcomes:
    """Run `function` on every task on the workers and fetch the results.

    Parameters
    ----------
    client
        Where the tasks run.
    function
        Called with one task, or with the pair of a task and `shared`; must be picklable.
    tasks
        The tasks.
    describe
        Names a task in an error message.
    size
        Amount of progress that a finished task stands for.
    settings
        Retries and patience.
    advance
        Told the size of each task that finished or failed.
    shared
        What all tasks use; travels once to each worker.

    Raises
    ------
    IncompleteRunError
        If no task finishes for `settings.stall_timeout_s`, no worker or scheduler is left, or the disk is full.
    """
    source = _Sequence(tasks, size, advance)
    call = _Numbered(function) if shared is None else _NumberedWithShared(function)
    try:
        supervise(client, call, source, describe=lambda task: describe(task[1]), settings=settings, shared=shared)
    except StoppedError as stopped:
        failed = tuple(source.failures[index] for index in sorted(source.failures))
        report = FailureReport(
            what="tasks",
            asked=len(tasks),
            done=len(source.results),
            failed=failed,
            not_started=len(tasks) - len(source.results) - len(failed),
            stopped=str(stopped),
        )
        raise failure_error(report, settings) from None
    return TaskOutcomes(
        tuple(source.results.get(index) for index in range(len(tasks))),
        tuple(source.failures[index] for index in sorted(source.failures)),
    )


@dataclass(frozen=True)
class _Numbered:
    function: Callable[[Any], Any]

    def __call__(self, task: tuple[int, Any]) -> Any:
        return self.function(task[1])


@dataclass(frozen=True)
class _NumberedWithShared:
    function: Callable[[Any], Any]

    def __call__(self, task: tuple[tuple[int, Any], Any]) -> Any:
        (_, content), shared = task
        return self.function((content, shared))


def run_shown_tasks(
    client: Client,
    function: Callable[[Any], Any],
    tasks: Sequence[Any],
    *,
    describe: Callable[[Any], str],
    label: str,
    unit: str,
    settings: TaskSettings,
    terminal: Terminal,
    shared: object = None,
) -> TaskOutcomes:
    """Run `function` on every task with progress; what failed is for the caller to judge.

    Parameters
    ----------
    client, function, tasks, describe, settings, shared
        As for `run_tasks`.
    label, unit
        What is being done and the plural noun of what is counted, for the progress display.
    terminal
        Where progress is shown.

    Raises
    ------
    IncompleteRunError
        As `run_tasks`.
    """
    with terminal.progress(label, len(tasks), unit) as advance:
        return run_tasks(
            client,
            function,
            tasks,
            describe=describe,
            size=lambda _: 1.0,
            settings=settings,
            advance=advance,
            shared=shared,
        )


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
    shared: object = None,
) -> list[R]:
    """Return the results of `function` for every task, in the order of the tasks.

    Parameters
    ----------
    client, function, tasks, describe, label, unit, settings, terminal, shared
        As for `run_shown_tasks`.

    Raises
    ------
    IncompleteRunError
        If any task failed; all failed ones are named.
    """
    outcomes = run_shown_tasks(
        client,
        function,
        tasks,
        describe=describe,
        label=label,
        unit=unit,
        settings=settings,
        terminal=terminal,
        shared=shared,
    )
    raise_failures(outcomes.failures, unit, settings, asked=len(tasks))
    return list(outcomes.results)
