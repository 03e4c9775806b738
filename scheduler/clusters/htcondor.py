"""The site `htcondor`: workers as jobs of HTCondor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from pydantic import Field, field_validator

from scheduler.clusters.batch import BatchSite, run_command
from scheduler.clusters.exit_status import explain_exit_status
from scheduler.clusters.submit_commands import check_submit_command

if TYPE_CHECKING:
    from dask_jobqueue.core import JobQueueCluster

    from scheduler.clusters.running import SiteUse

_RUN: Final = "LeptophileRun"
"""Attribute of every job: which run it belongs to."""
_STATES: Final = {"1": "idle", "2": "running", "5": "held", "6": "transferring output", "7": "suspended"}
"""JobStatus of jobs that have not ended (HTCondor manual, job ClassAd attributes)."""


class HTCondorSite(BatchSite):
    """Workers as jobs of HTCondor."""

    kind: Literal["htcondor"] = "htcondor"
    """Where workers come from: jobs that condor_submit submits."""
    disk_gib: float = Field(default=1.0, gt=0.0)
    """Disk that a job asks for, in GiB."""
    account: str | None = None
    """Accounting group; null for the default one."""
    submit_lines: dict[str, str] = Field(
        default={}, examples=[{"requirements": "(OpSysMajorVer == 9)", "+JobFlavour": '"longlunch"'}]
    )
    """Further commands of the submit description, such as requirements; attributes of the job are written +NAME."""

    @field_validator("submit_lines", mode="after")
    @classmethod
    def _commands_exist(cls, lines: Mapping[str, str]) -> Mapping[str, str]:
        for command in lines:
            check_submit_command(command)
        return lines

    def describe(self) -> str:
        """Say what would be submitted."""
        return f"{self.workers} workers, {self.cores_per_job} in each job of HTCondor; every job is submitted as:"


@dataclass(frozen=True)
class HTCondor:
    """HTCondor, as `scheduler.clusters.batch.BatchSystem`."""

    site: HTCondorSite
    commands: ClassVar[tuple[str, ...]] = ("condor_submit", "condor_q", "condor_rm")

    def cluster_type(self) -> type[JobQueueCluster]:
        """Return dask-jobqueue's class for it."""
        from dask_jobqueue import HTCondorCluster

        return HTCondorCluster  # type: ignore[no-any-return]

    def job_type(self) -> type[Any]:
        """Return the class of its jobs."""
        from scheduler.clusters.jobs import RecordedHTCondorJob

        return RecordedHTCondorJob

    def options(self, use: SiteUse, logs: Path) -> dict[str, Any]:
        """Return what only HTCondor knows of a job."""
        prefix = f"{logs}/htcondor-$(ClusterId)"
        account = {"accounting_group": self.site.account} if self.site.account else {}
        return {
            "disk": f"{int(self.site.disk_gib * 2**30)}B",
            "job_extra_directives": {
                "batch_name": use.name,
                f"MY.{_RUN}": f'"{use.name}"',
                "Output": f"{prefix}.out",
                "Error": f"{prefix}.err",
                "Log": f"{prefix}.events",
                # Workers are killed in the end: what they wrote must be there before.
                "Stream_Output": True,
                "Stream_Error": True,
                "allowed_job_duration": round(self.site.walltime_h * 3600.0),
                **account,
                **self.site.submit_lines,
            },
        }

    def queued(self, name: str) -> list[str]:
        """Return the state, in words, of each of a run's jobs that has not ended."""
        listed = run_command(["condor_q", "-constraint", _jobs_of(name), "-af", "JobStatus", "HoldReason"])
        found = [line.split(maxsplit=1) for line in listed.splitlines() if line.strip()]
        return [
            f"held ({' '.join(reason)})" if _STATES[status] == "held" else _STATES[status]
            for status, *reason in found
            if status in _STATES
        ]

    def ending(self, job_id: str, logs: Path) -> str:
        """Say how a job ended, from its event log: the daemons may have forgotten it."""
        events = logs / f"htcondor-{job_id.partition('.')[0]}.events"
        text = events.read_text(errors="replace") if events.is_file() else ""
        status = re.findall(r"\(return value (\d+)\)", text)
        if status:
            return explain_exit_status(int(status[-1]), self.site.python)
        signal = re.findall(r"\(signal (\d+)\)", text)
        return f"by signal {signal[-1]}" if signal else "for unknown reasons"

    def log(self, job_id: str, logs: Path) -> Path:
        """Return the file of a job's standard error."""
        return logs / f"htcondor-{job_id.partition('.')[0]}.err"

    def remove(self, name: str) -> None:
        """Remove all jobs of a run."""
        run_command(["condor_rm", "-constraint", _jobs_of(name)])


def _jobs_of(name: str) -> str:
    return f'{_RUN} == "{name}"'
