"""coffea runs on real workers: every event is accounted for, whatever happens to files and workers."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from coffea.nanoevents import BaseSchema
from coffea.processor import ProcessorABC
from distributed import Client
from pydantic import JsonValue

from models.errors import IncompleteRunError, UsageError
from processors.chunk_processor import ChunkProcessor
from scheduler.chunks import ChunkSettings
from scheduler.clusters import ClusterSettings, connect
from scheduler.coffea_run import ProcessedFileset, run_processor
from scheduler.failures import FailureKind, IncompleteTasksError
from scheduler.progress import Terminal
from scheduler.result_store import ResultStore
from scheduler.tasks import TaskSettings

N_EVENTS = 200


class Count(ProcessorABC):
    """Count and add the events, slowly, and fail as asked."""

    def __init__(self, marks: Path, fail_at: int | None = None, transient: bool = False, delay_s: float = 0.0) -> None:
        self.marks = marks
        self.fail_at = fail_at
        self.transient = transient
        self.delay_s = delay_s

    def process(self, events: ak.Array) -> dict[str, object]:
        (self.marks / f"worker-{os.getpid()}").touch()
        time.sleep(self.delay_s)
        values = ak.to_numpy(events.x)
        if self.fail_at is not None and self.fail_at in values:
            mark = self.marks / "failed"
            if self.transient and not mark.exists():
                mark.touch()
                raise OSError("storage hiccup")
            if not self.transient:
                raise ValueError("cannot use this value")
        return {events.metadata["dataset"]: {"n": len(values), "sum": float(values.sum())}}

    def postprocess(self, accumulator: dict[str, object]) -> dict[str, object]:
        return accumulator


@pytest.fixture
def fileset(tmp_path: Path) -> dict[str, dict[str, object]]:
    """Two samples, the second of two files, one of them empty."""
    values = {"a_0": np.arange(N_EVENTS), "b_0": np.arange(N_EVENTS, 2 * N_EVENTS), "b_1": np.arange(0)}
    for name, content in values.items():
        with uproot.recreate(tmp_path / f"{name}.root") as file:
            file.mktree("events", {"x": "int64"}).extend({"x": content})
    return {
        sample: {"files": {str(tmp_path / f"{name}.root"): "events" for name in names}, "metadata": {"sample": sample}}
        for sample, names in {"a": ["a_0"], "b": ["b_0", "b_1"]}.items()
    }


def run(
    client: Client, fileset: dict[str, dict[str, object]], processor: ProcessorABC, store: Path | None = None
) -> ProcessedFileset:
    return run_processor(
        client,
        fileset,
        processor,
        schema=BaseSchema,
        label="count",
        unit="events",
        terminal=Terminal(),
        chunks=ChunkSettings(entries=30, merge_group=3),
        tasks=TaskSettings(),
        store=ResultStore(str(store or Path(next(iter(fileset["a"]["files"]))).parent / "results")),
    )


def check(processed: ProcessedFileset) -> None:
    total = sum(range(2 * N_EVENTS))
    assert processed.n_events == 2 * N_EVENTS
    assert sum(sample["n"] for sample in processed.output.values()) == 2 * N_EVENTS
    assert sum(sample["sum"] for sample in processed.output.values()) == total


def test_every_event_is_counted(dask_client: Client, fileset, tmp_path: Path) -> None:
    processed = run(dask_client, fileset, Count(tmp_path))
    check(processed)
    # 200 events in chunks of 30 are 7, twice, and one for the empty file.
    assert processed.n_chunks == 15


def test_a_transient_error_loses_nothing(dask_client: Client, fileset, tmp_path: Path) -> None:
    check(run(dask_client, fileset, Count(tmp_path, fail_at=250, transient=True)))


def test_a_store_that_workers_do_not_share_is_refused(dask_client: Client, fileset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'results\.location': workers do not see .* memory://of-one-process"):
        run_processor(
            dask_client,
            fileset,
            Count(tmp_path),
            schema=BaseSchema,
            label="count",
            unit="events",
            terminal=Terminal(),
            chunks=ChunkSettings(),
            tasks=TaskSettings(),
            store=ResultStore("memory://of-one-process"),
        )


def test_a_failing_chunk_is_named_by_file_and_entries(dask_client: Client, fileset, tmp_path: Path) -> None:
    with pytest.raises(
        IncompleteRunError, match=r"1 chunks failed: .*b_0\.root entries 30 to 60: ValueError: cannot use this value"
    ):
        run(dask_client, fileset, Count(tmp_path, fail_at=250))


@pytest.mark.parametrize("content", [b"", b"root but not really", None])
def test_a_bad_file_is_named(dask_client: Client, fileset, tmp_path: Path, content: bytes | None) -> None:
    bad = tmp_path / "b_0.root"
    if content is None:
        bad.unlink()
    else:
        bad.write_bytes(content)
    with pytest.raises(IncompleteRunError, match=r"1 files failed: .*b_0\.root: "):
        run(dask_client, fileset, Count(tmp_path))


def test_a_killed_worker_loses_nothing(fileset, tmp_path: Path, terminal: Terminal) -> None:
    with connect("local", ClusterSettings(workers=2), terminal) as client:
        killer = threading.Thread(target=lambda: _kill_first(tmp_path))
        killer.start()
        processed = run(client, fileset, Count(tmp_path, delay_s=0.2))
        killer.join()
    check(processed)
    assert (tmp_path / "killed").exists()


def _kill_first(marks: Path) -> None:
    """Kill the first worker that has begun a chunk."""
    # Longer than a busy machine takes to start workers and to look at files.
    for _ in range(4000):
        for path in _worker_marks(marks):
            os.kill(int(path.name.removeprefix("worker-")), signal.SIGKILL)
            (marks / "killed").touch()
            return
        time.sleep(0.05)


def _worker_marks(marks: Path) -> Iterator[Path]:
    yield from marks.glob("worker-*")


class Scale(ChunkProcessor):
    """Add scaled values and write a file for each chunk; leaves a mark wherever it has worked."""

    def __init__(self, marks: Path, output: Path, factor: float = 0.1) -> None:
        self.marks, self.output, self.factor = marks, output, factor

    def identity(self, dataset: str, metadata: Mapping[str, object]) -> dict[str, JsonValue]:
        return {"factor": self.factor, "sample": str(metadata["sample"])}

    def written_files(self, output: dict[str, dict[str, object]]) -> dict[str, Path]:
        return {name: self.output / name for sample in output.values() for name in sample["files"]}

    def process(self, events: ak.Array) -> dict[str, dict[str, object]]:
        values = ak.to_numpy(events.x) * self.factor
        name = f"{events.metadata['dataset']}_{Path(events.metadata['filename']).stem}_{events.metadata['entrystart']}"
        (self.marks / f"{name}-{time.monotonic_ns()}").touch()
        self.output.mkdir(exist_ok=True)
        (self.output / name).write_text(str(values.sum()))
        return {events.metadata["dataset"]: {"sum": float(values.sum()), "files": {name: 1}}}

    def postprocess(self, accumulator: dict[str, object]) -> dict[str, object]:
        return accumulator


def test_only_what_a_change_touches_is_done_again(dask_client: Client, fileset, tmp_path: Path) -> None:
    store = tmp_path / "shared"

    def again(output: str, factor: float = 0.1, changed: dict[str, dict[str, object]] | None = None):
        marks = tmp_path / f"marks-{output}"
        marks.mkdir()
        processed = run(dask_client, changed or fileset, Scale(marks, tmp_path / output, factor), store)
        done = {path.name.rpartition("-")[0] for path in marks.iterdir()}
        assert len(done) + processed.n_restored == processed.n_chunks
        written = {path.name: path.read_text() for path in (tmp_path / output).iterdir()}
        assert written.keys() == {name for sample in processed.output.values() for name in sample["files"]}
        return processed.output, done, written

    first, all_chunks, files = again("first")
    assert len(all_chunks) == 15
    # nothing changed: nothing is done, and every bit and every file is there, also in another folder
    repeated, done, restored = again("second")
    assert done == set()
    assert {name: sample["sum"].hex() for name, sample in repeated.items()} == {
        name: sample["sum"].hex() for name, sample in first.items()
    }
    assert restored == files
    # another parameter: everything
    assert again("third", factor=0.2)[1] == all_chunks
    # metadata of one sample: that sample
    renamed = {**fileset, "b": {**fileset["b"], "metadata": {"sample": "other"}}}
    assert again("fourth", changed=renamed)[1] == {name for name in all_chunks if name.startswith("b_")}
    # one file written again: its chunks
    path = next(iter(fileset["a"]["files"]))
    with uproot.recreate(path) as file:
        file.mktree("events", {"x": "int64"}).extend({"x": np.arange(N_EVENTS) + 1})
    output, done, _ = again("fifth")
    assert done == {name for name in all_chunks if name.startswith("a_")}
    assert output["a"]["sum"] == pytest.approx(0.1 * sum(range(1, N_EVENTS + 1)))
    # a damaged entry: its chunk
    victim = next(path for path in sorted(store.rglob("*")) if path.is_file() and len(path.name) == 64)
    victim.write_bytes(victim.read_bytes()[:-1])
    assert len(again("sixth")[1]) <= 1


def test_two_runs_at_once_share_a_store(dask_client: Client, fileset, tmp_path: Path) -> None:
    def one(name: str) -> tuple[object, dict[str, str]]:
        (tmp_path / f"marks-{name}").mkdir()
        processor = Scale(tmp_path / f"marks-{name}", tmp_path / name)
        with Client(dask_client.scheduler.address, set_as_default=False) as client:
            output = run(client, fileset, processor, tmp_path / "shared").output
        return output, {path.name: path.read_text() for path in (tmp_path / name).iterdir()}

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(one, ["first", "second"])
    assert first == second
    assert first[0]["a"]["sum"] == pytest.approx(0.1 * sum(range(N_EVENTS)))
    # both left the same results: a third run does nothing
    assert run(dask_client, fileset, Scale(tmp_path, tmp_path / "third"), tmp_path / "shared").n_restored == 15


def test_the_account_of_a_run_with_a_bad_file(dask_client: Client, fileset, tmp_path: Path) -> None:
    with pytest.raises(IncompleteTasksError) as info:
        run(dask_client, fileset, Count(tmp_path, fail_at=250))
    report = info.value.report
    assert report is not None
    (failure,) = report.failed
    assert (report.asked, report.done, report.not_started) == (15, 14, 0)
    assert (report.events_asked, report.events_done) == (2 * N_EVENTS, 2 * N_EVENTS - 30)
    assert (Path(failure.file).name, failure.first_entry, failure.stop_entry) == ("b_0.root", 30, 60)
    assert (failure.exception, failure.kind, failure.attempts) == ("ValueError", FailureKind.ERROR, 1)
    assert failure.worker.startswith("tcp://")
    # nothing of a run that failed stays in the way of the next one
    check(run(dask_client, fileset, Count(tmp_path)))


def test_transient_failures_that_stay_are_counted_as_such(dask_client: Client, fileset, tmp_path: Path) -> None:
    with pytest.raises(IncompleteTasksError) as info:
        run(dask_client, fileset, AlwaysOffline())
    assert all(failure.kind is FailureKind.TRANSIENT for failure in info.value.report.failed)
    assert {failure.attempts for failure in info.value.report.failed} == {1 + TaskSettings().transient_retries}


class AlwaysOffline(ProcessorABC):
    """Storage that never comes back."""

    def process(self, events: ak.Array) -> dict[str, int]:
        raise ConnectionResetError("storage is offline")

    def postprocess(self, accumulator: dict[str, int]) -> dict[str, int]:
        return accumulator
