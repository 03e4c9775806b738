"""Workers as jobs of a batch system, started by dask-jobqueue from a scheduler inside the command."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from pydantic import Field

from scheduler.clusters.running import RunningCluster, SiteUse, Waiting, follow_work
from scheduler.clusters.settings import ClusterError, ListeningSite, Shipping, WorkerCount
from scheduler.clusters.signals import interrupt_kept
from scheduler.clusters.threads import ONE_THREAD
from scheduler.clusters.transport import security_for, uses_tls

if TYPE_CHECKING:
    from dask_jobqueue.core import JobQueueCluster

    from scheduler.clusters.jobs import Submissions

_LOOPBACK_ANY_PORT: Final = "127.0.0.1:0"
_COMMAND_TIMEOUT_S: Final = 60.0
_GONE_S: Final = 60.0
"""How long jobs that were removed may take to leave the queue before that is reported."""
_GONE_POLL_S: Final = 0.5


class BatchSite(ListeningSite):
    """Workers as jobs of a batch system."""

    workers: WorkerCount = Field(default=WorkerCount(minimum=1, maximum=10))
    """Workers, one thread each: a number, or {minimum: 0, maximum: 100} to follow the work. Lost ones are replaced."""
    cores_per_job: int = Field(default=1, gt=0)
    """Cores that a job asks for; it runs as many workers."""
    walltime_h: float = Field(default=12.0, gt=0.0)
    """Longest time that a job may run, in hours. Workers leave before it ends, and the work goes on in new jobs."""
    leave_before_end_s: float = Field(default=300.0, ge=0.0)
    """How long before the end of its job a worker hands over what it has and stops, in seconds."""
    start_timeout_s: float = Field(default=3600.0, gt=0.0)
    """How long to wait for the first job to start, in seconds."""
    death_timeout_s: float = Field(default=60.0, gt=0.0)
    """How long a worker looks for the scheduler before its job ends, in seconds: no job outlives a lost command."""
    python: str | None = None
    """Python interpreter of the jobs, readable on the nodes; null for the one that runs this command."""
    shipping: Shipping = "shared"
    """How jobs get this software: shared, it is on a file system that nodes share with this machine; wheel, it is sent
    to them and only its dependencies have to be there. Either way it is compared before work starts."""
    prologue: tuple[str, ...] = ()
    """Shell commands that a job runs before its worker, such as module load or export."""
    logs: Path | None = None
    """Folder for the jobs' output, writable from the nodes; null for logs/ in the run folder."""

    @property
    def n_jobs_at_first(self) -> int:
        """Jobs to start with."""
        return -(-self.workers.first // self.cores_per_job)

    @property
    def job_memory_bytes(self) -> int:
        """Memory that a job asks for."""
        return int(self.worker_memory_gib * self.cores_per_job * 2**30)


class BatchSystem(Protocol):
    """How a batch system is talked to."""

    commands: ClassVar[tuple[str, ...]]
    """Commands that have to be on the path."""

    def cluster_type(self) -> type[JobQueueCluster]:
        """Return dask-jobqueue's class for it."""

    def job_type(self) -> type[Any]:
        """Return the class of its jobs, which records what is submitted."""

    def options(self, use: SiteUse, logs: Path) -> dict[str, Any]:
        """Return what only this batch system knows of a job: limits, names, where output goes."""

    def queued(self, name: str) -> list[str]:
        """Return the state, in words, of each of a run's jobs that has not ended."""

    def ending(self, job_id: str, logs: Path) -> str:
        """Say how a job ended."""

    def log(self, job_id: str, logs: Path) -> Path:
        """Return the file of a job's output."""

    def remove(self, name: str) -> None:
        """Remove all jobs of a run."""


@contextmanager
def open_batch(site: BatchSite, system: BatchSystem, use: SiteUse) -> Iterator[RunningCluster]:
    """Start a scheduler and submit jobs with workers; remove all of them afterwards, however this ends.

    Parameters
    ----------
    site
        Number and size of the jobs.
    system
        The batch system.
    use
        What they are started for.

    Raises
    ------
    ClusterError
        If this machine cannot submit jobs.
    """
    from distributed import Client

    with interrupt_kept():
        from scheduler.clusters.jobs import Submissions

    for command in system.commands:
        if shutil.which(command) is None:
            raise ClusterError(f"The command {command} is not on the path: jobs cannot be submitted from here.")
    security = security_for(site, use.terminal, loopback_by_default=False)
    logs = log_folder(site, use)
    logs.mkdir(parents=True, exist_ok=True)
    submissions = Submissions()
    # Workers read their certificates from there; nobody else may.
    with tempfile.TemporaryDirectory(prefix=".certificates-", dir=logs) as certificates:
        cluster = system.cluster_type()(
            job_cls=system.job_type(),
            submissions=submissions,
            security=security,
            protocol="tls://" if security else "tcp://",
            shared_temp_directory=certificates,
            scheduler_options={"dashboard_address": _LOOPBACK_ANY_PORT},
            **_job_options(site, system, use, logs),
        )
        try:
            cluster.scale(jobs=site.n_jobs_at_first)
            with Client(cluster) as client:
                yield RunningCluster(
                    client,
                    owned=True,
                    look=lambda: _look(system, submissions, use.name, logs),
                    # Also for a fixed number: only an adaptive cluster replaces the workers that it loses.
                    follow_work=lambda: follow_work(cluster, site.workers, site.idle_s),
                    remote_scheduler=False,
                )
        finally:
            try:
                cluster.close()
            finally:
                _remove_jobs(system, use)


def job_script(site: BatchSite, system: BatchSystem, use: SiteUse) -> str:
    """Return what would be submitted for each job, without submitting or writing anything.

    What is known only when the scheduler runs stands there in capitals.
    """
    from distributed import Security

    tls = uses_tls(site, loopback_by_default=False)
    files = Security(tls_ca_file="AUTHORITY", tls_worker_cert="CERTIFICATE", tls_worker_key="KEY") if tls else None
    protocol = "tls://" if tls else "tcp://"
    job = system.job_type()(
        scheduler=f"{protocol}SCHEDULER:PORT",
        name="WORKER",
        protocol=protocol,
        security=files,
        submissions=None,
        **_job_options(site, system, use, log_folder(site, use)),
    )
    return str(job.job_script())


def log_folder(site: BatchSite, use: SiteUse) -> Path:
    """Return the folder for the output of a run's jobs."""
    return (site.logs or use.logs or Path("logs")).resolve()


def run_command(arguments: Sequence[str]) -> str:
    """Return what a command of the batch system prints, empty if it fails: it may be busy, and is asked again."""
    try:
        ended = subprocess.run(arguments, capture_output=True, text=True, timeout=_COMMAND_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout if ended.returncode == 0 else ""


def _job_options(site: BatchSite, system: BatchSystem, use: SiteUse, logs: Path) -> dict[str, Any]:
    lifetime_s = site.walltime_h * 3600.0 - site.leave_before_end_s
    arguments = ["--dashboard-address", _LOOPBACK_ANY_PORT]
    if lifetime_s > 0:
        # Not all at once, or the last results would have nowhere to go.
        arguments += ["--lifetime", f"{lifetime_s:.0f}s", "--lifetime-stagger", f"{site.leave_before_end_s / 2:.0f}s"]
    return {
        "cores": site.cores_per_job,
        "processes": site.cores_per_job,
        "memory": f"{site.job_memory_bytes}B",
        "interface": site.interface,
        "python": shlex.quote(site.python) if site.python else None,
        "local_directory": shlex.quote(str(site.scratch)) if site.scratch else None,
        "death_timeout": f"{site.death_timeout_s:.0f}",
        "worker_extra_args": arguments,
        "job_script_prologue": [*(f"export {name}={value}" for name, value in ONE_THREAD.items()), *site.prologue],
        **system.options(use, logs),
    }


def _remove_jobs(system: BatchSystem, use: SiteUse) -> None:
    """Remove what is left of a run: a job whose submission was interrupted is known to the batch system only."""
    give_up = time.monotonic() + _GONE_S
    system.remove(use.name)
    while left := system.queued(use.name):
        if time.monotonic() > give_up:
            use.terminal.say(f"WARNING: {len(left)} jobs named {use.name} are still in the queue: {', '.join(left)}")
            return
        time.sleep(_GONE_POLL_S)


def _look(system: BatchSystem, submissions: Submissions, name: str, logs: Path) -> Waiting:
    if submissions.refusals:
        return Waiting(f"the batch system refused the job: {submissions.refusals[-1]}", hopeless=True)
    states = system.queued(name)
    if states:
        counted = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
        return Waiting(f"jobs in the queue: {counted}", hopeless=all(state.startswith("held") for state in states))
    if not submissions.job_ids:
        return Waiting("jobs are being submitted")
    job_id = submissions.job_ids[-1]
    log = system.log(job_id, logs)
    return Waiting(f"job {job_id} ended {system.ending(job_id, logs)}{_last_words(log)}", hopeless=True)


def _last_words(log: Path) -> str:
    try:
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        return f", without output (there is no {log})"
    telling = [line for line in lines if "rror" in line or "denied" in line or "not found" in line] or lines
    return f"; its output ends with '{telling[-1][:300]}' ({log})" if telling else f", without output ({log})"
