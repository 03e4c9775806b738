"""coffea processors on Dask workers, with every chunk of every file accounted for.

coffea's own Dask executor can drop a chunk without an exception, stops at the first failure and keeps all results on
the workers and all chunks in the client. Here coffea processes a chunk at a time on a worker (`scheduler.chunk_work`),
and what is asked for, done and failed is counted on this side: the sum of a run names the chunks it is made of.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from coffea.nanoevents import BaseSchema
from coffea.processor import ProcessorABC
from coffea.processor.executor import FileMeta

from models.errors import IncompleteRunError, UsageError
from scheduler.chunk_work import ChunkJob, Receipt, look_at_file, work
from scheduler.chunks import Chunk, ChunkPlan, ChunkSettings, PlannedFile
from scheduler.cluster_health import StoppedError
from scheduler.failures import FailureKind, FailureReport, TaskFailure, failure_error, raise_failures, shorten
from scheduler.memory_advice import MemoryUse
from scheduler.reduction import MergeTask, Reduction
from scheduler.result_store import ResultStore, temporary_key
from scheduler.supervision import supervise
from scheduler.tasks import TaskSettings, map_tasks, run_tasks
from scheduler.worker_deaths import WorkerDeath

if TYPE_CHECKING:
    from distributed import Client

    from scheduler.progress import Advance, Terminal

Fileset = Mapping[str, Mapping[str, Any]]
"""coffea's own description of a run: dataset → ``{"files": {path: tree}, "metadata": {…}}``."""


@dataclass(frozen=True)
class ProcessedFileset:
    """Merged output of a processor and what it was made from."""

    output: Any
    """The accumulator, summed over all chunks; None if there is none."""
    report: FailureReport
    """Chunks asked for and done, and the ones that failed because their file is bad, if that was allowed."""
    n_restored: int
    """Chunks whose results were in the store."""
    memory: MemoryUse
    work_s: float
    """Time that the processor took, summed over chunks that were not restored."""
    wall_s: float

    @property
    def n_chunks(self) -> int:
        """Chunks in the output."""
        return self.report.done

    @property
    def n_events(self) -> int:
        """Events in the output."""
        return self.report.events_done or 0


@dataclass
class _Chunks:
    """Gives out chunks and merges, and keeps the account."""

    plan: ChunkPlan
    fan_in: int
    advance: Advance
    failures: list[TaskFailure] = field(default_factory=list)
    failed_numbers: set[int] = field(default_factory=set)
    memory: MemoryUse = field(default_factory=MemoryUse)
    n_done: int = 0
    n_events: int = 0
    n_restored: int = 0
    work_s: float = 0.0

    def __post_init__(self) -> None:
        self._next = iter(self.plan)
        self.reduction = Reduction(len(self.plan), self.fan_in)
        self._merges: list[MergeTask] = []

    def take(self, n: int) -> Sequence[Chunk | MergeTask]:
        # merges first: what is merged is not held any more
        merges, self._merges = self._merges[:n], self._merges[n:]
        return [*merges, *islice(self._next, n - len(merges))]

    def finished(self, task: Chunk | MergeTask, receipt: Receipt) -> None:
        if isinstance(task, MergeTask):
            self._merges += self.reduction.add(task.level, task.number, receipt.part)
            return
        self.n_done += 1
        self.n_events += receipt.n_entries
        self.n_restored += receipt.restored
        self.work_s += receipt.work_s
        if not receipt.restored:
            self.memory.add(receipt.n_entries, receipt.memory.before_bytes, receipt.memory.peak_bytes)
        self._merges += self.reduction.add(0, task.number, receipt.part)
        self.advance(receipt.n_entries)

    def failed(self, task: Chunk | MergeTask, failure: TaskFailure) -> None:
        if isinstance(task, MergeTask):
            self.failures.append(failure)
            self._merges += self.reduction.add(task.level, task.number, None)
            return
        self.failed_numbers.add(task.number)
        update = {"file": task.file.path, "first_entry": task.start, "stop_entry": task.stop}
        self.failures.append(failure.model_copy(update=update))
        self._merges += self.reduction.add(0, task.number, None)
        self.advance(task.stop - task.start)


def run_processor(
    client: Client,
    fileset: Fileset,
    processor: ProcessorABC,
    *,
    schema: type[BaseSchema],
    label: str,
    unit: str,
    terminal: Terminal,
    chunks: ChunkSettings,
    tasks: TaskSettings,
    store: ResultStore,
    file_format: str = "root",
    allow_bad_files: bool = False,
    workers: Sequence[str] | None = None,
) -> ProcessedFileset:
    """Run a coffea processor over a fileset and account for every chunk.

    Parameters
    ----------
    client
        Where the chunks are processed.
    fileset
        What is read.
    processor
        Called with the events of each chunk. The results of a `ChunkProcessor` are found again by later runs.
    schema
        NanoEvents schema of the files.
    label, unit
        What is being done and the plural noun of an entry, for the progress display.
    terminal
        Where progress is shown.
    chunks, tasks
        Sizes, retries and patience.
    store
        Where results of chunks are kept; client and workers see it.
    file_format
        ``root`` or ``parquet``.
    allow_bad_files
        Return what could be done when chunks failed because their file cannot be used; other failures are errors still.
    workers
        Addresses of the only workers to use; all by default.

    Returns
    -------
    ProcessedFileset
        The output summed over chunks; not a bit of it depends on workers, interruptions or the order of completion.

    Raises
    ------
    IncompleteTasksError
        If any chunk failed or is not in the result; the message names files and entries.
    """
    start = time.monotonic()
    _check_store(client, store, tasks)
    plan = ChunkPlan(_look_at_files(client, fileset, file_format, label, terminal, tasks), chunks.entries)
    job = ChunkJob(
        processor,
        schema,
        file_format,
        {dataset: content.get("metadata") or {} for dataset, content in fileset.items()},
        store,
        run=uuid4().hex,
    )
    deaths: tuple[WorkerDeath, ...] = ()
    stopped: str | None = None
    with terminal.progress(label, plan.n_entries, unit) as advance:
        source = _Chunks(plan, chunks.merge_group, advance)
        try:
            deaths = supervise(client, work, source, describe=_describe, settings=tasks, shared=job, workers=workers)
        except StoppedError as error:
            stopped = str(error)
    for death in deaths:
        terminal.say(f"{label}: {death}; what it was doing was done again")
    report = _report(plan, source, deaths, stopped)
    only_bad_files = all(failure.kind is FailureKind.BAD_INPUT for failure in report.failed)
    if stopped is not None or (report.failed and not (allow_bad_files and only_bad_files)):
        raise failure_error(report, tasks)
    output = _checked_output(plan, source, store)
    if source.n_restored:
        terminal.say(f"{label}: {source.n_restored} of {len(plan)} chunks had been done before")
    return ProcessedFileset(
        output=processor.postprocess(output) or output if output is not None else None,
        report=report,
        n_restored=source.n_restored,
        memory=source.memory,
        work_s=source.work_s,
        wall_s=time.monotonic() - start,
    )


def _check_store(client: Client, store: ResultStore, settings: TaskSettings) -> None:
    """Check that a worker finds in the store what the client puts there.

    Raises
    ------
    UsageError
        If it does not: what workers compute would be nowhere to be found.
    """
    key = temporary_key(uuid4().hex, "seen by client and workers")
    try:
        store.save(key, key)
    except OSError:
        # a disk that is full is reported with what cannot be written to it
        return
    try:
        outcomes = run_tasks(
            client,
            _finds,
            [(store, key)],
            describe=lambda _: f"'results.location': {store.location}",
            size=lambda _: 1.0,
            settings=settings,
            advance=lambda _: None,
        )
    finally:
        store.remove([key])
    raise_failures(outcomes.failures, "stores", settings, asked=1)
    if outcomes.results != (True,):
        raise UsageError(
            f"'results.location': workers do not see what this command writes to {store.location}. It has to be a "
            "folder of a file system, or a URL, that all of them share."
        )


def _finds(task: tuple[ResultStore, str]) -> bool:
    store, key = task
    found = store.load(key)
    return found is not None and found.value == key


def _look_at_files(
    client: Client, fileset: Fileset, file_format: str, label: str, terminal: Terminal, settings: TaskSettings
) -> list[PlannedFile]:
    files = [
        (FileMeta(dataset, path, tree), file_format)
        for dataset, content in fileset.items()
        for path, tree in content["files"].items()
    ]
    return map_tasks(
        client,
        look_at_file,
        files,
        describe=lambda task: str(task[0].filename),
        label=f"{label}: looking at files",
        unit="files",
        settings=settings,
        terminal=terminal,
    )


def _describe(task: Chunk | MergeTask) -> str:
    if isinstance(task, Chunk):
        return str(task)
    covers = task.parts[0].covers + task.parts[-1].covers
    return f"sum of chunks {covers.ranges[0][0]} to {covers.ranges[-1][1] - 1}"


def _report(plan: ChunkPlan, source: _Chunks, deaths: Iterable[WorkerDeath], stopped: str | None) -> FailureReport:
    by_worker = {death.worker: death for death in deaths}
    failed = []
    for failure in source.failures:
        if failure.kind is FailureKind.WORKER_MEMORY and failure.first_entry is not None:
            death = by_worker.get(failure.worker or "")
            n_entries = (failure.stop_entry or 0) - failure.first_entry
            advice = source.memory.advice(
                n_entries, death.memory_bytes if death else None, death.limit_bytes if death else None
            )
            failed.append(failure.model_copy(update={"reason": f"{failure.reason}. {advice}"}))
        else:
            failed.append(failure)
    return FailureReport(
        what="chunks",
        asked=len(plan),
        done=source.n_done,
        failed=tuple(sorted(failed, key=lambda f: (f.file or "", f.first_entry or 0))),
        not_started=len(plan) - source.n_done - len(source.failed_numbers),
        events_asked=plan.n_entries,
        events_done=source.n_events,
        stopped=stopped,
        worker_deaths=tuple(str(death) for death in by_worker.values()),
    )


def _checked_output(plan: ChunkPlan, source: _Chunks, store: ResultStore) -> Any:
    """Return the sum, if it is one of exactly the chunks that did not fail."""
    root = source.reduction.root
    if root is None:
        if source.n_done:
            raise IncompleteRunError(f"{source.n_done} chunks were processed, but there is no sum of them.")
        return None
    missing = [plan[number] for number in root.covers.missing(len(plan)) if number not in source.failed_numbers]
    if missing:
        n_events = sum(chunk.stop - chunk.start for chunk in missing)
        where = shorten([str(chunk) for chunk in missing], 5)
        raise IncompleteRunError(f"{len(missing)} chunks with {n_events} events are missing from the result: {where}.")
    found = store.load(root.key)
    if found is None:
        raise IncompleteRunError(f"The result is no longer in the store {store.location}.")
    if root.is_temporary:
        store.remove([root.key])
    if found.value.n_entries != source.n_events:
        raise IncompleteRunError(
            f"The result is that of {found.value.n_entries} events, but {source.n_events} were processed."
        )
    return found.value.output
