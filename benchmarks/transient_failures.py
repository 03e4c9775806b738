"""What it costs that chunks fail once: the same work with and without, one after the other, as a ratio of wall times.

    python benchmarks/transient_failures.py --share 0.05

A chunk that fails does so after its work, like a result that cannot be written: all of it is done again. Work is
processor time, so that a busy machine slows both alike. Every run is checked for having counted every event.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import awkward as ak
import numpy as np
import uproot
from coffea.nanoevents import BaseSchema
from coffea.processor import ProcessorABC

from scheduler.chunks import ChunkSettings
from scheduler.clusters import ClusterSettings, connect
from scheduler.coffea_run import run_processor
from scheduler.progress import Terminal
from scheduler.result_store import ResultStore
from scheduler.tasks import TaskSettings

N_WORKERS = 2
ENTRIES = 10


class FailingWork(ProcessorABC):  # type: ignore[misc]  # coffea is untyped
    """Take some processor time for a chunk; every so many chunks, fail at the end of the first try."""

    def __init__(self, work_s: float, every: int, marks: Path) -> None:
        self.work_s = work_s
        self.every = every
        self.marks = marks

    def process(self, events: ak.Array) -> dict[str, int]:
        """Return the sum of a chunk."""
        until = time.process_time() + self.work_s
        while time.process_time() < until:
            pass
        number = events.metadata["entrystart"] // ENTRIES
        mark = self.marks / str(number)
        if self.every and number % self.every == self.every // 2 and not mark.exists():
            mark.touch()
            raise OSError("storage hiccup")
        return {"sum": int(ak.sum(events.x))}

    def postprocess(self, accumulator: dict[str, int]) -> dict[str, int]:
        """Return the sum as it is."""
        return accumulator


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=0.05, help="Share of the chunks that fail once.")
    parser.add_argument("--chunks", type=int, default=400)
    parser.add_argument("--work-s", type=float, default=0.04, help="Processor time of a chunk.")
    parser.add_argument("--pairs", type=int, default=3, help="Runs without failures, each followed by one with.")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as scratch,
        connect("local", ClusterSettings(workers=N_WORKERS), Terminal()) as client,
    ):
        folder = Path(scratch)
        path = folder / "numbers.root"
        n_events = options.chunks * ENTRIES
        with uproot.recreate(path) as file:
            file.mktree("events", {"x": "int64"}).extend({"x": np.arange(n_events)})

        def run(name: str, share: float) -> float:
            marks = folder / name
            marks.mkdir()
            start = time.perf_counter()
            processed = run_processor(
                client,
                {"numbers": {"files": {str(path): "events"}, "metadata": {}}},
                FailingWork(options.work_s, round(1 / share) if share else 0, marks),
                schema=BaseSchema,
                label=name,
                unit="events",
                terminal=Terminal(),
                chunks=ChunkSettings(entries=ENTRIES),
                tasks=TaskSettings(),
                store=ResultStore(str(folder / "results")),
            )
            assert processed.output == {"sum": n_events * (n_events - 1) // 2}
            print(f"{name}: {time.perf_counter() - start:.2f} s, {len(list(marks.iterdir()))} chunks failed once")
            return time.perf_counter() - start

        run("warm-up", 0.0)
        ratios = []
        for number in range(options.pairs):
            without = run(f"without {number}", 0.0)
            ratios.append(run(f"with {number}", options.share) / without)
    print(f"wall time with / without: {', '.join(f'{r:.3f}' for r in ratios)}; median {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
