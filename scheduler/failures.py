"""What failed: every task that could not be done, in a sentence for people and in a file for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import IncompleteRunError
from models.settings import Settings
from scheduler.provenance import write_json

if TYPE_CHECKING:
    from scheduler.tasks import TaskSettings


class FailureKind(StrEnum):
    """What to do about a failure follows from its kind."""

    TRANSIENT = "transient"
    """Input or output failed, each time it was tried."""
    BAD_INPUT = "bad input"
    """A file cannot be used."""
    ERROR = "error"
    """The same would happen again."""
    STORAGE = "storage"
    """Nothing more can be written: the disk is full, over quota or read-only."""
    WORKER_MEMORY = "worker memory"
    """It takes more memory than a worker may use."""
    WORKER_DIED = "worker died"
    """Its workers died of something else."""


class TaskFailure(Settings):
    """One task that could not be done."""

    task: str
    """What the task was, in words."""
    reason: str
    """Why it failed, one line."""
    trace: str = ""
    """Traceback on the worker, empty when the worker died."""
    kind: FailureKind = FailureKind.ERROR
    exception: str | None = None
    """Type of the exception, None when the worker died."""
    worker: str | None = None
    """Address of the worker that tried last."""
    attempts: int = 1
    file: str | None = None
    """What it was to read; chunks of events only."""
    first_entry: int | None = None
    stop_entry: int | None = None
    """One past the last entry."""


class FailureReport(Settings):
    """The account of a run in which something was not done."""

    what: str
    """Plural noun of what was asked for: ``chunks``, ``mass points``."""
    asked: int
    done: int
    failed: tuple[TaskFailure, ...]
    not_started: int = 0
    """Asked for and not tried, because the run was stopped."""
    events_asked: int | None = None
    events_done: int | None = None
    stopped: str | None = None
    """Why the run was stopped before everything had been tried."""
    worker_deaths: tuple[str, ...] = ()
    """Workers that died, and of what."""


class IncompleteTasksError(IncompleteRunError):
    """Tasks failed; the report, if there is one, says which, and becomes the step's file in the folder of failures."""

    def __init__(self, message: str, report: FailureReport | None = None) -> None:
        super().__init__(message)
        self.report = report


def write_failures(path: Path, report: FailureReport | None) -> None:
    """Write a report as JSON, if there is one."""
    if report is None:
        return
    write_json(path, report.model_dump(mode="json"))


def raise_failures(
    failures: Sequence[TaskFailure],
    what: str,
    settings: TaskSettings,
    error_type: type[IncompleteTasksError] = IncompleteTasksError,
    *,
    asked: int,
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
    asked
        How many tasks there were.

    Raises
    ------
    IncompleteTasksError
        If `failures` is not empty; the worker's tracebacks are attached as notes.
    """
    if failures:
        report = FailureReport(what=what, asked=asked, done=asked - len(failures), failed=tuple(failures))
        raise failure_error(report, settings, error_type)


def failure_error(
    report: FailureReport, settings: TaskSettings, error_type: type[IncompleteTasksError] = IncompleteTasksError
) -> IncompleteTasksError:
    """Return the error that tells a report in one sentence.

    Parameters
    ----------
    report
        The account.
    settings
        How many failures to name.
    error_type
        What is returned.
    """
    parts = []
    if report.failed:
        named = shorten([f"{failure.task}: {failure.reason}" for failure in report.failed], settings.failures_shown)
        parts.append(f"{len(report.failed)} {report.what} failed: {named}")
    if report.stopped:
        parts.append(f"{report.stopped}; {report.done} of {report.asked} {report.what} are done")
    error = error_type("; ".join(parts), report)
    for trace in dict.fromkeys(failure.trace for failure in report.failed if failure.trace):
        error.add_note(trace)
    return error


def shorten(items: Sequence[str], shown: int) -> str:
    """Return the first items and how many more there are.

    >>> shorten(["a", "b", "c"], 2)
    'a; b; and 1 more'
    """
    more = f"; and {len(items) - shown} more" if len(items) > shown else ""
    return "; ".join(items[:shown]) + more
