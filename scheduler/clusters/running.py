"""What a site is started for, and what is there once it has been."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from distributed import Client, SpecCluster

    from scheduler.clusters.settings import WorkerCount
    from scheduler.progress import Terminal


def new_run_name() -> str:
    """Return a name that no other run has: jobs carry it, so that all of them can be found and removed."""
    return f"leptophile-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True)
class SiteUse:
    """What a site is started for."""

    terminal: Terminal
    """Where people see what happens."""
    logs: Path | None = None
    """Folder of this run for the output of workers; None leaves it where it goes."""
    name: str = field(default_factory=new_run_name)
    """Name of everything that is started."""


class Waiting(NamedTuple):
    """Why no worker has arrived yet."""

    reason: str
    """In words, without a full stop."""
    hopeless: bool = False
    """Whether none will ever arrive."""


@dataclass(frozen=True)
class RunningCluster:
    """A scheduler with, sooner or later, its workers."""

    client: Client
    """Connected to the scheduler."""
    owned: bool
    """Whether the workers were started for this run, so that they may be changed and closed."""
    look: Callable[[], Waiting] = lambda: Waiting("none has registered with the scheduler")
    """Tells why no worker has arrived yet."""
    follow_work: Callable[[], None] = lambda: None
    """Lets the number of workers follow the work from now on: not before the first has arrived, for as long as there is
    no work, a pending worker would be taken back."""
    redirect_output: bool = False
    """Whether workers share the client's terminal, so that their output is to be sent to the log folder."""
    remote_scheduler: bool = True
    """Whether the scheduler is another process than the client's, which may run other code."""
    fetch_logs: bool = False
    """Whether workers write their output where this run cannot see it, so that it is asked for at the end."""


def follow_work(cluster: SpecCluster, workers: WorkerCount, idle_s: float) -> None:
    """Let the number of a cluster's workers follow the work, and have lost ones replaced.

    Parameters
    ----------
    cluster
        A cluster of distributed.
    workers
        Bounds; if they are equal, lost workers are still replaced.
    idle_s
        How long a worker has nothing to do before it is stopped.
    """
    # Looks at the cluster once a second, and stops a worker that was found idle so many times in a row.
    cluster.adapt(minimum=workers.minimum, maximum=workers.maximum, interval="1s", wait_count=max(1, round(idle_s)))
