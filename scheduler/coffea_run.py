"""coffea processors on Dask workers, with every chunk of every file accounted for.

coffea's own Dask executor can drop a chunk without an exception and stops at the first failure. The executor here keeps
coffea's `Runner` and replaces how its work items are mapped and reduced: transient failures are tried again, all others
are collected and named by file and entries, and the planned chunks are compared with the processed ones.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from coffea.nanoevents import BaseSchema
from coffea.processor import DaskExecutor, ProcessorABC, Runner, accumulate
from coffea.processor.executor import WorkItem

from models.errors import IncompleteRunError
from scheduler.chunks import ChunkSettings
from scheduler.tasks import TaskSettings, raise_failures, run_tasks, share

if TYPE_CHECKING:
    from distributed import Client

    from scheduler.progress import Terminal

Fileset = Mapping[str, Mapping[str, Any]]
"""coffea's own description of a run: dataset → ``{"files": {path: tree}, "metadata": {…}}``."""


@dataclass(frozen=True)
class ProcessedFileset:
    """Merged output of a processor and what it was made from."""

    output: Any
    """The accumulator, summed over all chunks."""
    n_chunks: int
    n_events: int
    wall_s: float


@dataclass
class AccountingExecutor(DaskExecutor):  # type: ignore[misc]
    """coffea executor that names every failed work item instead of dropping it or stopping at the first."""

    tasks: TaskSettings | None = None
    terminal: Terminal | None = None
    label: str = ""
    entries: str = ""

    def __call__(
        self,
        items: Sequence[Any],
        function: Callable[[Any], Any],
        accumulator: Any,
    ) -> tuple[Any, int]:
        """Map `function` over `items` on the workers and add the results to `accumulator`."""
        if len(items) == 0:
            return accumulator, 0
        assert self.tasks is not None
        assert self.terminal is not None
        work: Sequence[Any] = list(items)
        if self.heavy_input is not None:
            processor = share(self.client, self.heavy_input)
            work = [(item, processor) for item in items]
        counts_entries = self.heavy_input is not None
        with self.terminal.progress(
            self.label if counts_entries else f"{self.label}: looking at files",
            sum(_n_entries(task) for task in work),
            self.entries if counts_entries else "files",
        ) as advance:
            outcomes = run_tasks(
                self.client,
                function,
                work,
                describe=_describe,
                size=_n_entries,
                settings=self.tasks,
                advance=advance,
            )
        raise_failures(outcomes.failures, "chunks" if counts_entries else "files", self.tasks)
        futures: list[Any] = list(outcomes.futures)
        while len(futures) > 1:
            groups = [futures[i : i + self.treereduction] for i in range(0, len(futures), self.treereduction)]
            futures = self.client.map(accumulate, groups, pure=False)
        return accumulate([futures[0].result()], accumulator), 0


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
    file_format: str = "root",
) -> ProcessedFileset:
    """Run a coffea processor over a fileset and account for every chunk.

    Parameters
    ----------
    client
        Where the chunks are processed.
    fileset
        What is read.
    processor
        Called with the events of each chunk.
    schema
        NanoEvents schema of the files.
    label, unit
        What is being done and the plural noun of an entry, for the progress display.
    terminal
        Where progress is shown.
    chunks, tasks
        Sizes, retries and patience.
    file_format
        ``root`` or ``parquet``.

    Returns
    -------
    ProcessedFileset
        The output summed over chunks; the result does not depend on the number of workers.

    Raises
    ------
    IncompleteRunError
        If any chunk failed or is not in the result; the message names files and entries.
    """
    start = time.monotonic()
    executor = AccountingExecutor(
        client=client,
        status=False,
        compression=None,
        treereduction=chunks.merge_group,
        tasks=tasks,
        terminal=terminal,
        label=label,
        entries=unit,
    )
    runner = Runner(
        executor=executor,
        chunksize=chunks.entries,
        # coffea's default cache outlives the fileset: changed sample metadata would be ignored.
        metadata_cache={},
        schema=schema,
        format=file_format,
    )
    planned = _cut_into_chunks(runner.preprocess(fileset), chunks.entries)
    result = runner.run(planned, processor)
    _check_accounted(planned, result["processed"])
    return ProcessedFileset(
        output=result["out"],
        n_chunks=len(planned),
        n_events=sum(len(chunk) for chunk in planned),
        wall_s=time.monotonic() - start,
    )


def _cut_into_chunks(items: Iterable[WorkItem], entries: int) -> list[WorkItem]:
    """Cut each file at multiples of `entries`: coffea's equal parts would begin in the middle of a file's clusters."""
    stops: dict[tuple[str, str], int] = {}
    first: dict[tuple[str, str], WorkItem] = {}
    for item in items:
        key = item.dataset, item.filename
        first.setdefault(key, item)
        stops[key] = max(stops.get(key, 0), item.entrystop)
    return [
        replace(first[key], entrystart=start, entrystop=min(start + entries, stop))
        for key, stop in stops.items()
        for start in range(0, max(stop, 1), entries)
    ]


def _check_accounted(planned: Sequence[Any], processed: set[Any]) -> None:
    lost = [chunk for chunk, count in Counter(planned).items() if count > 1 or chunk not in processed]
    if lost or len(processed) != len(planned):
        n_events = sum(len(chunk) for chunk in lost)
        where = "; ".join(_describe(chunk) for chunk in lost) or "unplanned chunks were processed"
        raise IncompleteRunError(f"{len(lost)} chunks with {n_events} events are missing from the result: {where}.")


def _item(task: Any) -> Any:
    return task[0] if isinstance(task, tuple) else task


def _describe(task: Any) -> str:
    item = _item(task)
    start = getattr(item, "entrystart", None)
    return item.filename if start is None else f"{item.filename} entries {start} to {item.entrystop}"


def _n_entries(task: Any) -> int:
    item = _item(task)
    return len(item) if hasattr(item, "entrystart") else 1
