"""What a step is, when it has to be done again, and how its outputs become visible all at once.

A step is done when its record in the run folder carries the fingerprint that its configuration, code and inputs have
now, and its outputs are the files it wrote. It writes below `RunFolder.unfinished` and renames at the end, so that an
interruption leaves nothing that looks done; files it had finished there are found again by the next attempt.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import Field, JsonValue, ValidationError

from models.settings import Settings
from scheduler.code_identity import code_digest, library_versions
from scheduler.failures import IncompleteTasksError, write_failures
from scheduler.provenance import code_revision, now, write_json
from scheduler.run_folder import RunFolder

if TYPE_CHECKING:
    from distributed import Client

    from scheduler.configuration import AnalysisConfig
    from scheduler.progress import Terminal
    from scheduler.result_store import ResultStore


@dataclass(frozen=True)
class StepContext:
    """What a running step may use."""

    config: AnalysisConfig
    run: RunFolder
    """Finished outputs of earlier steps are read from here."""
    output: RunFolder
    """This step writes here, under the same names."""
    client: Callable[[], Client]
    """Dask client; workers start when it is first asked for."""
    terminal: Terminal
    results: ResultStore
    """Results of chunks and mass points that this run or another one has computed."""


class StepModule(Protocol):
    """A module that implements a step."""

    def execute(self, context: StepContext) -> None:
        """Read from `context.run`, write to `context.output`."""


@dataclass(frozen=True)
class Step:
    """One step of the chain."""

    name: str
    """Command that runs it."""
    summary: str
    """What it does, in one sentence."""
    module: str
    """Module that implements it: everything this module imports is the step's code."""
    needs: tuple[str, ...]
    """Steps whose outputs it reads."""
    outputs: tuple[str, ...]
    """Files and folders it writes, relative to the run folder."""
    settings: Callable[[AnalysisConfig], Mapping[str, Settings | JsonValue]]
    """The parts of the configuration that change its result."""
    inputs: Callable[[AnalysisConfig, RunFolder], Mapping[str, JsonValue]]
    """Identity of what it reads besides the outputs of other steps."""

    def load(self) -> StepModule:
        """Import the step's module and return it."""
        implementation: StepModule = importlib.import_module(self.module)
        return implementation

    def execute(self, context: StepContext) -> None:
        """Do it: call ``execute`` of the step's module."""
        self.load().execute(context)


class PartialResultError(IncompleteTasksError):
    """A step wrote all it could and some of what was asked for is missing: its outputs stay, but it is not done."""


class StepRecord(Settings):
    """What a finished step was made from and what it wrote."""

    step: str
    fingerprint: str
    started: str
    finished: str
    wall_s: float
    code_revision: str | None
    inputs: dict[str, JsonValue]
    """Identity of external inputs."""
    outputs: dict[str, str]
    """Identity of every output file, by its path in the run folder."""
    sealed_truth: dict[str, str] = Field(default={})
    """SHA-256 of the sealed truth about pseudo-data when it was written, by the path below the folder of ntuples."""


def fingerprint(step: Step, config: AnalysisConfig, run: RunFolder, upstream: Mapping[str, str]) -> str:
    """Return the digest of everything that a step's result depends on.

    Parameters
    ----------
    step, config, run
        The step, its configuration and where it runs.
    upstream
        Fingerprints of the steps before it, by name.
    """
    content = {
        "step": step.name,
        "upstream": {name: upstream[name] for name in step.needs if name in upstream},
        "settings": {
            key: part.model_dump(mode="json") if isinstance(part, Settings) else part
            for key, part in step.settings(config).items()
        },
        "inputs": step.inputs(config, run),
        "code": code_digest(step.module),
        "libraries": library_versions(),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_record(step: Step, run: RunFolder) -> StepRecord | None:
    """Return the record of the last time a step finished, or None if there is no readable one."""
    try:
        return StepRecord.model_validate_json(_record_path(step, run).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def is_done(step: Step, run: RunFolder, expected_fingerprint: str) -> bool:
    """Return whether a step finished with this fingerprint and its outputs are still the files it wrote."""
    record = read_record(step, run)
    return (
        record is not None
        and record.fingerprint == expected_fingerprint
        and record.outputs == file_identities(run.path, step.outputs)
    )


def execute(step: Step, context: StepContext, step_fingerprint: str) -> StepRecord:
    """Run a step and publish its outputs together with the record that says it is done.

    Parameters
    ----------
    step
        What to run.
    context
        What it may use; `context.output` is replaced by the step's own unfinished folder.
    step_fingerprint
        Names the attempt: work left by an interrupted attempt with the same fingerprint is continued.

    Raises
    ------
    PartialResultError
        If the step could not do all of it; what it wrote is in the run folder.
    """
    # The simulation takes seconds to import, which a command that only prints its help does not have to wait for.
    from scheduler.unsealing import sealed_digests

    run = context.run
    run.failures(step.name).unlink(missing_ok=True)
    output = RunFolder(run.unfinished / f"{step.name}-{step_fingerprint[:16]}")
    for stale in run.unfinished.glob(f"{step.name}-*"):
        if stale != output.path:
            shutil.rmtree(stale)
    output.path.mkdir(parents=True, exist_ok=True)
    started, start = now(), time.monotonic()
    incomplete: PartialResultError | None = None
    try:
        step.execute(replace(context, output=output))
    except PartialResultError as error:
        incomplete = error
        write_failures(run.failures(step.name), error.report)
    except IncompleteTasksError as error:
        write_failures(run.failures(step.name), error.report)
        raise
    _record_path(step, run).unlink(missing_ok=True)
    for name in step.outputs:
        _replace(output.path / name, run.path / name)
    shutil.rmtree(output.path)
    if incomplete is not None:
        raise incomplete
    record = StepRecord(
        step=step.name,
        fingerprint=step_fingerprint,
        started=started,
        finished=now(),
        wall_s=round(time.monotonic() - start, 3),
        code_revision=code_revision(),
        inputs=dict(step.inputs(context.config, run)),
        outputs=file_identities(run.path, step.outputs),
        sealed_truth=sealed_digests(run.ntuples) if run.ntuples.name in step.outputs else {},
    )
    write_json(_record_path(step, run), record.model_dump(mode="json"))
    return record


def file_identities(root: Path, names: tuple[str, ...]) -> dict[str, str]:
    """Return size and modification time of every file at or below `names`, by its path relative to `root`."""
    return {
        path.relative_to(root).as_posix(): f"{status.st_size} {status.st_mtime_ns}"
        for name in names
        for path, status in _files(root / name)
    }


def _files(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    if path.is_dir():
        for child in sorted(path.iterdir()):
            yield from _files(child)
    elif path.exists():
        yield path, path.stat()


def _replace(source: Path, target: Path) -> None:
    """Move a finished output to its place; directories cannot be replaced in one operation, so the old goes first."""
    if target.is_dir():
        shutil.rmtree(target)
    source.replace(target)


def _record_path(step: Step, run: RunFolder) -> Path:
    return run.step_records / f"{step.name}.json"
