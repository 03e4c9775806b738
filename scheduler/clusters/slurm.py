"""The site `slurm`: workers as jobs of SLURM."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from scheduler.clusters.batch import BatchSite, run_command
from scheduler.clusters.exit_status import explain_exit_status

if TYPE_CHECKING:
    from dask_jobqueue.core import JobQueueCluster

    from scheduler.clusters.running import SiteUse


class SlurmSite(BatchSite):
    """Workers as jobs of SLURM."""

    kind: Literal["slurm"] = "slurm"
    """Where workers come from: jobs that sbatch submits."""
    queue: str | None = None
    """Partition; null for the default one."""
    account: str | None = None
    """Account that is charged; null for the default one."""
    submit_lines: tuple[Annotated[str, Field(pattern=r"^--?[A-Za-z]")], ...] = ()
    """Further options of sbatch, one a line, such as --constraint=haswell."""

    def describe(self) -> str:
        """Say what would be submitted."""
        return f"{self.workers} workers, {self.cores_per_job} in each job of SLURM; every job is submitted as:"


@dataclass(frozen=True)
class Slurm:
    """SLURM, as `scheduler.clusters.batch.BatchSystem`."""

    site: SlurmSite
    commands: ClassVar[tuple[str, ...]] = ("sbatch", "squeue", "scancel")

    def cluster_type(self) -> type[JobQueueCluster]:
        """Return dask-jobqueue's class for it."""
        from dask_jobqueue import SLURMCluster

        return SLURMCluster  # type: ignore[no-any-return]

    def job_type(self) -> type[Any]:
        """Return the class of its jobs."""
        from scheduler.clusters.jobs import RecordedSlurmJob

        return RecordedSlurmJob

    def options(self, use: SiteUse, logs: Path) -> dict[str, Any]:
        """Return what only SLURM knows of a job."""
        # sbatch replaces %j by the number of the job, and %% by a percent sign.
        output = f"{str(logs).replace('%', '%%')}/slurm-%j.log"
        return {
            "job_name": use.name,
            "queue": self.site.queue,
            "account": self.site.account,
            "walltime": slurm_duration(self.site.walltime_h),
            "job_extra_directives": [f'--output="{output}"', *self.site.submit_lines],
        }

    def queued(self, name: str) -> list[str]:
        """Return the state, in words, of each of a run's jobs that has not ended."""
        listed = run_command(["squeue", "--noheader", "--name", name, "--format", "%T %r"])
        states = [line.split(maxsplit=1) for line in listed.splitlines() if line.strip()]
        return [f"{state} ({reason})" if reason != "None" else state for state, reason in states]

    def ending(self, job_id: str, logs: Path) -> str:  # noqa: ARG002 - SLURM remembers it
        """Say how a job ended."""
        found = dict(re.findall(r"(\S+?)=(\S*)", run_command(["scontrol", "--oneliner", "show", "job", job_id])))
        status = found.get("ExitCode", "").partition(":")[0]
        state = found.get("JobState", "for unknown reasons")
        python = self.site.python
        return explain_exit_status(int(status), python) if status.isdigit() and status != "0" else f"as {state}"

    def log(self, job_id: str, logs: Path) -> Path:
        """Return the file of a job's output."""
        return logs / f"slurm-{job_id}.log"

    def remove(self, name: str) -> None:
        """Remove all jobs of a run."""
        run_command(["scancel", "--name", name])


def slurm_duration(hours: float) -> str:
    """Return a duration as SLURM writes it.

    >>> slurm_duration(36.5)
    '1-12:30:00'
    """
    seconds = round(hours * 3600)
    return f"{seconds // 86400}-{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
