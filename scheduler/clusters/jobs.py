"""Jobs of dask-jobqueue that remember what was submitted: a refused submission is otherwise only logged."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from dask_jobqueue.htcondor import HTCondorJob
from dask_jobqueue.slurm import SLURMJob
from distributed.deploy.spec import ProcessInterface


@dataclass
class Submissions:
    """What became of the submissions of a run; written by the scheduler's thread, read by the command's."""

    job_ids: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    """What the batch system said to submissions that it refused."""


class _RecordedJob:
    """Mixed into a job class of dask-jobqueue."""

    job_id: str

    def __init__(self, *args: Any, submissions: Submissions | None, **kwargs: Any) -> None:
        self._submissions = submissions
        super().__init__(*args, **kwargs)

    async def start(self) -> None:
        """Submit the job. A refusal is no exception: it would be lost in the event loop, and spoil the closing."""
        assert self._submissions is not None
        try:
            await super().start()  # type: ignore[misc]
            self._submissions.job_ids.append(self.job_id)
        except (OSError, RuntimeError, ValueError) as error:
            self._submissions.refusals.append(_reason(error))
            await ProcessInterface.start(self)

    async def close(self) -> None:
        """Remove the job, if there is one."""
        await super().close()  # type: ignore[misc]
        await ProcessInterface.close(self)


class RecordedSlurmJob(_RecordedJob, SLURMJob):  # type: ignore[misc]  # dask-jobqueue is untyped
    """A job of SLURM."""


class RecordedHTCondorJob(_RecordedJob, HTCondorJob):  # type: ignore[misc]  # dask-jobqueue is untyped
    """A job of HTCondor."""


def _reason(error: Exception) -> str:
    """Return what the submit command wrote to its standard error, in one line."""
    found = re.search(r"stderr:\n(.*)", str(error), re.DOTALL)
    return " ".join((found.group(1) if found else str(error)).split())
