"""A coffea run that is slow enough to be disturbed, and knows what it has to count."""

import time
from pathlib import Path

import awkward as ak
import numpy as np
import uproot
from coffea.nanoevents import BaseSchema
from coffea.processor import ProcessorABC
from distributed import Client

from scheduler.chunks import ChunkSettings
from scheduler.coffea_run import ProcessedFileset, run_processor
from scheduler.progress import Terminal
from scheduler.result_store import ResultStore
from scheduler.tasks import TaskSettings

N_EVENTS = 1000
CHUNK = 20


class SlowSum(ProcessorABC):
    """Count and add the events of a chunk in its own time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def process(self, events: ak.Array) -> dict[str, int]:
        time.sleep(self.seconds)
        values = ak.to_numpy(events.x)
        return {"n": len(values), "sum": int(values.sum())}

    def postprocess(self, accumulator: dict[str, int]) -> dict[str, int]:
        return accumulator


def count_slowly(client: Client, folder: Path, seconds: float) -> ProcessedFileset:
    """Count the events of a file in chunks."""
    path = folder / "numbers.root"
    if not path.exists():
        with uproot.recreate(path) as file:
            file.mktree("events", {"x": "int64"}).extend({"x": np.arange(N_EVENTS)})
    return run_processor(
        client,
        {"numbers": {"files": {str(path): "events"}, "metadata": {}}},
        SlowSum(seconds),
        schema=BaseSchema,
        label="count",
        unit="events",
        terminal=Terminal(),
        chunks=ChunkSettings(entries=CHUNK, merge_group=5),
        tasks=TaskSettings(),
        store=ResultStore(str(folder / "results")),
    )


def check_every_event(processed: ProcessedFileset) -> None:
    """Check that every event was counted once."""
    assert processed.n_chunks == N_EVENTS // CHUNK
    assert processed.output == {"n": N_EVENTS, "sum": N_EVENTS * (N_EVENTS - 1) // 2}
