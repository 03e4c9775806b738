"""Memory of client and scheduler, and the cost of a chunk, against the number of chunks: a processor that does nothing.

    python benchmarks/many_chunks.py 1000 10000 100000

The scheduler of a local cluster runs in the client's process: the memory shown is that of both. Flat means that the
growth from one line to the next does not follow the number of chunks.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import uproot
from coffea.nanoevents import BaseSchema

from scheduler.chunks import ChunkSettings
from scheduler.clusters import ClusterSettings, connect
from scheduler.coffea_run import run_processor
from scheduler.progress import Terminal
from scheduler.result_store import ResultStore
from scheduler.scaling.null_processor import NullProcessor
from scheduler.tasks import TaskSettings

N_WORKERS = 2
WARM_UP = 100


def main() -> None:
    """Run the benchmark."""
    numbers = [int(argument) for argument in sys.argv[1:]] or [1_000, 10_000]
    with (
        tempfile.TemporaryDirectory() as scratch,
        connect("local", ClusterSettings(workers=N_WORKERS), Terminal()) as client,
    ):
        folder = Path(scratch)
        process = psutil.Process()

        def run(n_chunks: int) -> float:
            path = folder / f"{n_chunks}.root"
            with uproot.recreate(path) as file:
                file.mktree("events", {"x": "int32"}).extend({"x": np.zeros(n_chunks, dtype=np.int32)})
            start = time.perf_counter()
            processed = run_processor(
                client,
                {"nothing": {"files": {str(path): "events"}, "metadata": {}}},
                NullProcessor(),
                schema=BaseSchema,
                label=f"{n_chunks} chunks",
                unit="chunks",
                terminal=Terminal(),
                chunks=ChunkSettings(entries=1),
                tasks=TaskSettings(),
                store=ResultStore(str(folder / "results")),
            )
            assert processed.output == {"n_events": n_chunks}
            return time.perf_counter() - start

        run(WARM_UP)
        print("chunks  wall s  ms/chunk/worker  CPU ms/task (client+scheduler)  MiB (client+scheduler)  files left")
        for n_chunks in numbers:
            before = process.cpu_times()
            wall_s = run(n_chunks)
            after = process.cpu_times()
            cpu_s = after.user + after.system - before.user - before.system
            left = sum(1 for entry in (folder / "results").rglob("*") if entry.is_file())
            memory_mib = process.memory_info().rss / 2**20
            print(
                f"{n_chunks:6d}  {wall_s:6.1f}  {1e3 * N_WORKERS * wall_s / n_chunks:15.2f}  "
                f"{1e3 * cpu_s / n_chunks:30.2f}  {memory_mib:22.0f}  {left:10d}",
                flush=True,
            )


if __name__ == "__main__":
    main()
