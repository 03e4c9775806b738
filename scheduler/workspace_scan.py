"""Many workspaces at once: on the cores of this machine, or mapped over the workers of a site.

Either way no more of them are on their way than there is work for, and every result is handed over as it arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from models.errors import BadInputError
from scheduler.local_pool import map_on_cores
from scheduler.workspace_limits import WorkspaceFile, WorkspaceInference, failed, read_text

if TYPE_CHECKING:
    from distributed import Client

    from scheduler.failures import TaskFailure
    from scheduler.tasks import TaskSettings

Keep = Callable[[WorkspaceFile, str], None]
"""Takes a workspace and its object, JSON in one line."""


def infer_on_cores(files: Sequence[WorkspaceFile], infer: WorkspaceInference, keep: Keep, *, workers: int) -> None:
    """Compute all workspaces in processes of this machine.

    Parameters
    ----------
    files
        The workspaces.
    infer
        What is computed.
    keep
        Told every result.
    workers
        Number of processes.

    Raises
    ------
    IncompleteRunError
        If a process died.
    """
    for index, line in map_on_cores(infer, files, workers):
        keep(files[index], line)


def infer_on_workers(
    client: Client, files: Sequence[WorkspaceFile], infer: WorkspaceInference, keep: Keep, *, settings: TaskSettings
) -> None:
    """Compute all workspaces on Dask workers, which need not see the files.

    Parameters
    ----------
    client
        Where.
    files, infer, keep
        As for `infer_on_cores`.
    settings
        Retries and patience.

    Raises
    ------
    IncompleteRunError
        If the run cannot go on: no workers, no scheduler, or nothing finishes.
    """
    from scheduler.cluster_health import StoppedError
    from scheduler.failures import FailureReport, failure_error
    from scheduler.supervision import supervise

    source = _Workspaces(files, keep)
    try:
        supervise(client, infer, source, describe=lambda file: str(file.path), settings=settings)
    except StoppedError as stopped:
        report = FailureReport(
            what="workspaces",
            asked=len(files),
            done=source.n_done,
            failed=(),
            not_started=len(files) - source.n_done,
            stopped=str(stopped),
        )
        raise failure_error(report, settings) from None


class _Workspaces:
    """Workspaces for workers, read when their turn comes."""

    def __init__(self, files: Iterable[WorkspaceFile], keep: Keep) -> None:
        self._waiting = iter(files)
        self._keep = keep
        self.n_done = 0

    def take(self, n: int) -> Sequence[WorkspaceFile]:
        taken: list[WorkspaceFile] = []
        for file in self._waiting:
            try:
                taken.append(replace(file, text=read_text(file.path)))
            except BadInputError as error:
                self.finished(file, failed(file, str(error)))
            if len(taken) == n:
                break
        return taken

    def finished(self, file: WorkspaceFile, line: str) -> None:
        self.n_done += 1
        self._keep(file, line)

    def failed(self, file: WorkspaceFile, failure: TaskFailure) -> None:
        self.finished(file, failed(file, failure.reason))
