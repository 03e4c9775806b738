"""Work on files over workers: what may succeed the next time is tried again, and a bad file is an outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from models.errors import BadInputError
from scheduler.failures import FailureKind, TaskFailure, raise_failures
from scheduler.tasks import TaskSettings, run_tasks

if TYPE_CHECKING:
    from distributed import Client

    from scheduler.progress import Terminal

T = TypeVar("T")
R = TypeVar("R")


class UnusableFileError(BadInputError):
    """A file that a worker could not use."""

    def __init__(self, failure: TaskFailure) -> None:
        super().__init__(failure.reason)
        self.name = failure.exception or type(self).__name__
        """Name of the failure on the worker."""


def failure_name(error: BadInputError) -> str:
    """Return what kind of failure it is that a file cannot be used, wherever that was found out.

    >>> failure_name(BadInputError("a.root: no such file"))
    'BadInputError'
    """
    return error.name if isinstance(error, UnusableFileError) else type(error).__name__


@dataclass(frozen=True)
class FileMapping:
    """Maps functions over files on the workers of a cluster, as `processors.fileset.MapFiles`."""

    client: Client
    label: str
    """What is being done."""
    settings: TaskSettings
    terminal: Terminal

    def __call__(self, function: Callable[[T], R], items: Sequence[T], /) -> list[R | BadInputError]:
        """Return what the function makes of every item, in their order, or why its file cannot be used.

        Parameters
        ----------
        function
            Never returns None.
        items
            Locations of files, or what has one.

        Raises
        ------
        IncompleteTasksError
            If anything else is wrong with a file or its workers.
        """
        if not items:
            return []
        with self.terminal.progress(self.label, len(items), "files") as advance:
            outcomes = run_tasks(
                self.client,
                function,
                items,
                describe=_location,
                size=lambda _: 1.0,
                settings=self.settings,
                advance=advance,
            )
        others = [failure for failure in outcomes.failures if failure.kind is not FailureKind.BAD_INPUT]
        raise_failures(others, "files", self.settings, asked=len(items))
        failures = iter(outcomes.failures)
        return [UnusableFileError(next(failures)) if result is None else result for result in outcomes.results]


def _location(item: Any) -> str:
    """Return the location of the file that a piece of work is about."""
    item = getattr(item, "source", item)
    return str(getattr(item, "path", item))
