"""Jobs of dask-jobqueue that remember what was submitted: a refused submission is otherwise only logged."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from dask_jobqueue.htcondor import HTCondorJob
from dask_jobqueue.slurm import SLURMJob


@dataclass
class Submissions:
    """What became of the submissions of a run; written by the scheduler's thread, read by the command's."""

    job_ids: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    """What the batch system said to submissions that it refused."""


class _RecordedJob:
    """Mixed into a job class of dask-jobqueue."""

    def __init__(self, *args: Any, submissions: Submissions | None, **kwargs: Any) -> None:
        self._submissions = submissions
        super().__init__(*args, **kwargs)

    async def _submit_job(self, script_filename: str) -> str:
        assert self._submissions is not None
        try:
            output: str = await super()._submit_job(script_filename)  # type: ignore[misc]
            self._submissions.job_ids.append(self._job_id_from_submit_output(output))  # type: ignore[attr-defined]
        except (OSError, RuntimeError, ValueError) as error:
            self._submissions.refusals.append(_reason(error))
            raise
        return output


class RecordedSlurmJob(_RecordedJob, SLURMJob):  # type: ignore[misc]  # dask-jobqueue is untyped
    """A job of SLURM."""


class RecordedHTCondorJob(_RecordedJob, HTCondorJob):  # type: ignore[misc]  # dask-jobqueue is untyped
    """A job of HTCondor."""


def _reason(error: Exception) -> str:
    """Return what the submit command wrote to its standard error, in one line."""
    found = re.search(r"stderr:\n(.*)", str(error), re.DOTALL)
    return " ".join((found.group(1) if found else str(error)).split())
