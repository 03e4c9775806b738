"""One timed run of a processor on some of the workers of a cluster."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import psutil
from coffea.nanoevents import BaseSchema
from coffea.processor import ProcessorABC

from models.settings import Settings
from processors.fileset import DatasetSpec
from scheduler.chunks import ChunkSettings
from scheduler.coffea_run import run_processor
from scheduler.result_store import ResultStore

if TYPE_CHECKING:
    from distributed import Client

    from scheduler.progress import Terminal
    from scheduler.tasks import TaskSettings

_MIB = 2**20


class Usage(NamedTuple):
    """What a process has used."""

    cpu_s: float
    memory_mib: float


class Measurement(Settings):
    """A run and what it took."""

    kind: str
    """``strong`` (the same work for more workers), ``weak`` (more work for more workers) or ``null`` (no work)."""
    site: str
    n_workers: int
    chunk_entries: int
    n_chunks: int
    n_events: int
    n_bytes: int
    """Size of the files."""
    wall_s: float
    work_s: float
    """Time inside the processor, summed over chunks."""
    events_per_s: float
    mb_per_s: float
    overhead_per_chunk_s: float
    """Workers times wall time, less the work, for each chunk: opening files, store, Dask, and waiting for the last."""
    scheduler_cpu_s: float
    """Of the process of the scheduler, which is also the client's at the site ``local``."""
    scheduler_load: float
    """The same as a share of the wall time."""
    scheduler_memory_mib: float
    client_memory_mib: float
    worker_peak_mib: float
    """Most memory of a worker during a chunk."""


def process_usage() -> Usage:
    """Return what this process has used until now."""
    process = psutil.Process()
    times = process.cpu_times()
    return Usage(times.user + times.system, process.memory_info().rss / _MIB)


class Laboratory(NamedTuple):
    """Where and on what is measured."""

    client: Client
    site: str
    schema: type[BaseSchema]
    processor: Callable[[Path], ProcessorABC]
    """Makes the processor, given a folder that it may write to."""
    scratch: Path
    """Folder that workers see; nothing is left in it."""
    tasks: TaskSettings
    terminal: Terminal

    def measure(
        self,
        kind: str,
        fileset: dict[str, DatasetSpec],
        workers: Sequence[str],
        chunks: ChunkSettings,
        *,
        processor: ProcessorABC | None = None,
    ) -> Measurement:
        """Run the processor over a fileset and return what it took.

        Parameters
        ----------
        kind
            What the run is for.
        fileset
            What is read.
        workers
            Addresses of the workers to use.
        chunks
            How the files are cut.
        processor
            Another processor than that of the laboratory.
        """
        folder = self.scratch / uuid4().hex
        folder.mkdir(parents=True)
        try:
            before, start = self.client.run_on_scheduler(process_usage), time.perf_counter()
            processed = run_processor(
                self.client,
                fileset,
                processor or self.processor(folder / "output"),
                schema=self.schema,
                label=f"{kind}, {len(workers)} workers, chunks of {chunks.entries}",
                unit="events",
                terminal=self.terminal,
                chunks=chunks,
                tasks=self.tasks,
                store=ResultStore(str(folder / "results")),
                workers=workers,
            )
            wall_s = time.perf_counter() - start
            after = self.client.run_on_scheduler(process_usage)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        n_bytes = sum(os.stat(path).st_size for dataset in fileset.values() for path in dataset["files"])  # noqa: PTH116
        return Measurement(
            kind=kind,
            site=self.site,
            n_workers=len(workers),
            chunk_entries=chunks.entries,
            n_chunks=processed.n_chunks,
            n_events=processed.n_events,
            n_bytes=n_bytes,
            wall_s=wall_s,
            work_s=processed.work_s,
            events_per_s=processed.n_events / wall_s,
            mb_per_s=n_bytes / 1e6 / wall_s,
            overhead_per_chunk_s=max(len(workers) * wall_s - processed.work_s, 0.0) / max(processed.n_chunks, 1),
            scheduler_cpu_s=after.cpu_s - before.cpu_s,
            scheduler_load=(after.cpu_s - before.cpu_s) / wall_s,
            scheduler_memory_mib=after.memory_mib,
            client_memory_mib=process_usage().memory_mib,
            worker_peak_mib=processed.memory.peak_bytes / _MIB,
        )
