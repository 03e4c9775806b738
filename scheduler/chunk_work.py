"""What a worker does for a run of a processor: look at a file, process a chunk, add results up.

Results go to the store and only receipts travel back. A worker that dies takes nothing with it, the scheduler holds no
results, and a run that was interrupted finds what it had done.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from coffea.nanoevents import BaseSchema
from coffea.processor import ProcessorABC, Runner, accumulate
from coffea.processor.executor import FileMeta
from pydantic import JsonValue

from models.errors import BadInputError, IncompleteRunError
from processors.atomic_file import atomic_path
from processors.chunk_processor import ChunkProcessor
from processors.locations import file_stamp
from processors.root_files import UNREADABLE
from scheduler.chunk_events import OPEN_TIMEOUT_S, ROOT, EventReader
from scheduler.chunks import Chunk, PlannedFile
from scheduler.code_identity import computation_identity
from scheduler.coverage import Coverage
from scheduler.file_identity import check_unchanged, content_identity
from scheduler.peak_memory import PeakMemory, measure_peak_memory
from scheduler.reduction import MergeTask, Part
from scheduler.result_store import ResultStore, result_key, temporary_key


class StoredResult(NamedTuple):
    """What the store holds for a chunk or a sum of chunks."""

    output: Any
    n_entries: int


class Receipt(NamedTuple):
    """What the client needs to know of a finished chunk or sum."""

    part: Part
    n_entries: int
    restored: bool
    """Whether the result was there already."""
    memory: PeakMemory
    work_s: float = 0.0
    """Time that the processor itself took."""


@dataclass(frozen=True)
class ChunkJob:
    """What all chunks of a run share."""

    processor: ProcessorABC
    schema: type[BaseSchema]
    file_format: str
    metadata: Mapping[str, Mapping[str, Any]]
    """Dataset → what its description says about it."""
    store: ResultStore
    run: str
    """A name that no other run has."""

    def key(self, chunk: Chunk) -> str:
        """Return the key of a chunk's result, for this run only if the processor does not say what it follows from."""
        identity = self._identities.get(chunk.file.dataset)
        if identity is None:
            return temporary_key(self.run, f"chunk {chunk.number}")
        file: dict[str, JsonValue] = (
            {
                "name": Path(chunk.file.path).name,
                "uuid": UUID(bytes=chunk.file.uuid).hex,
                "stamp": list(chunk.file.stamp),
            }
            if self.file_format == ROOT
            else content_identity(chunk.file.path)
        )
        return result_key(identity=identity, file=file, entries=[chunk.start, chunk.stop])

    @cached_property
    def events(self) -> EventReader:
        """Reads the chunks that this process works on."""
        return EventReader(self.schema, self.file_format)

    def __getstate__(self) -> dict[str, Any]:
        # what is cached belongs to one process
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def _identities(self) -> dict[str, str]:
        """Dataset → digest of code, processor and what concerns it of the metadata; empty if that is not known."""
        if not isinstance(self.processor, ChunkProcessor):
            return {}
        code: dict[str, JsonValue] = {
            "processor": computation_identity(type(self.processor).__module__),
            "schema": computation_identity(self.schema.__module__),
            "names": [type(self.processor).__qualname__, self.schema.__qualname__],
        }
        return {
            dataset: result_key(code=code, dataset=dataset, processor=self.processor.identity(dataset, metadata))
            for dataset, metadata in self.metadata.items()
        }


def look_at_file(task: tuple[FileMeta, str]) -> PlannedFile:
    """Return what a file is and how many entries it has."""
    meta, file_format = task
    then = file_stamp(meta.filename)
    try:
        if file_format == ROOT:
            (found,) = Runner.metadata_fetcher_root(OPEN_TIMEOUT_S, False, {}, meta)
        else:
            (found,) = Runner.metadata_fetcher_parquet(meta)
    except UNREADABLE as error:
        raise _unreadable(meta.filename, error) from error
    return PlannedFile(
        meta.dataset, meta.filename, meta.treename, found.metadata["uuid"], found.metadata["numentries"], then
    )


def work(task: tuple[Chunk | MergeTask, ChunkJob]) -> Receipt:
    """Do one piece of a run."""
    piece, job = task
    return _merge(piece, job) if isinstance(piece, MergeTask) else _process(piece, job)


def _process(chunk: Chunk, job: ChunkJob) -> Receipt:
    check_unchanged(chunk.file.path, chunk.file.stamp)
    key = job.key(chunk)
    files_key = f"{key}.files"
    part = Part(key, Coverage.of(chunk.number), is_temporary=not isinstance(job.processor, ChunkProcessor))
    work_s = 0.0
    with measure_peak_memory() as memory:
        found = job.store.load(key)
        restored = found is not None and _restore_files(found.value, files_key, job)
        if not restored:
            output, work_s = _run_processor(chunk, job)
            # what was read while the file changed is the result of neither
            check_unchanged(chunk.file.path, chunk.file.stamp)
            written = job.processor.written_files(output) if isinstance(job.processor, ChunkProcessor) else {}
            if written:
                job.store.save(files_key, {name: path.read_bytes() for name, path in written.items()})
            job.store.save(key, StoredResult(output, chunk.stop - chunk.start))
    return Receipt(part, chunk.stop - chunk.start, restored, memory, work_s)


def _restore_files(result: StoredResult, files_key: str, job: ChunkJob) -> bool:
    """Write the files that belong to a stored result where this run has them; return whether they were all there."""
    paths = job.processor.written_files(result.output) if isinstance(job.processor, ChunkProcessor) else {}
    if not paths:
        return True
    stored = job.store.load(files_key)
    if stored is None or stored.value.keys() != paths.keys():
        return False
    for name, path in paths.items():
        with atomic_path(path) as temporary:
            temporary.write_bytes(stored.value[name])
    return True


def _run_processor(chunk: Chunk, job: ChunkJob) -> tuple[Any, float]:
    """Return what the processor makes of a chunk and the seconds it takes."""
    try:
        events = job.events.read(chunk, job.metadata[chunk.file.dataset])
    except UNREADABLE as error:
        job.events.close()
        raise _unreadable(chunk.file.path, error) from error
    if len(events) != chunk.stop - chunk.start:
        raise BadInputError(f"{chunk.file.path}: {len(events)} entries from {chunk.start} to {chunk.stop}")
    start = time.perf_counter()
    try:
        output = job.processor.process(events)
    except BaseException:
        # another attempt opens the file anew: a connection or a handle may have been what failed
        job.events.close()
        raise
    if output is None:
        raise IncompleteRunError(f"{chunk}: the processor returned nothing.")
    return output, time.perf_counter() - start


def _merge(task: MergeTask, job: ChunkJob) -> Receipt:
    key = temporary_key(job.run, f"level {task.level} group {task.number}")
    part = Part(key, Coverage.union(p.covers for p in task.parts), is_temporary=True)
    with measure_peak_memory() as memory:
        # the worker that did this before may have died between removing the parts and saying so
        done = job.store.load(key)
        if done is None:
            added: list[int] = []
            output = accumulate(_outputs(task, job, added))
            done_value = StoredResult(output, sum(added))
            job.store.save(key, done_value)
            job.store.remove(p.key for p in task.parts if p.is_temporary)
        else:
            done_value = done.value
    return Receipt(part, done_value.n_entries, False, memory)


def _outputs(task: MergeTask, job: ChunkJob, added: list[int]) -> Iterator[Any]:
    """Yield the outputs of parts one after the other, noting how many entries each has."""
    for part in task.parts:
        found = job.store.load(part.key)
        if found is None:
            raise IncompleteRunError(
                f"A result of {len(part.covers)} chunks from number {part.covers.ranges[0][0]} on is no longer in the "
                f"store {job.store.location}: the same command computes it again."
            )
        added.append(found.value.n_entries)
        yield found.value.output


def _unreadable(path: str, error: BaseException) -> BadInputError:
    reason = " ".join(str(error).split())[:160]
    return BadInputError(f"{path}: cannot be read ({type(error).__name__}: {reason})")
