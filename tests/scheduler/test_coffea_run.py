"""coffea runs on real workers: every event is accounted for, whatever happens to files and workers."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from coffea.nanoevents import BaseSchema
from coffea.processor import ProcessorABC
from distributed import Client

from models.errors import IncompleteRunError
from scheduler.chunks import ChunkSettings
from scheduler.clusters import ClusterSettings, connect
from scheduler.coffea_run import ProcessedFileset, run_processor
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
