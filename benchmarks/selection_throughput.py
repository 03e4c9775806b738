"""How fast the selection runs beside merely reading the same branches: events/s, ratio and peak memory, in one run.

The input are τ pairs without the production's skim, so most events have two tracks and fail the four-track cut, as
in data. Each measurement is the best of several, in processor time of one core.

    python benchmarks/selection_throughput.py [--events 100000]
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import uproot
from coffea.nanoevents import NanoEventsFactory

from models.search import Process
from processors.belle_schema import BelleSchema
from processors.candidate_processor import CandidateProcessor
from processors.configuration import CandidateSettings
from processors.cutflow import Cut
from processors.ntuple import TREE_NAME
from processors.sample import read_sample_metadata
from simulation.configuration import SimulationConfig, SkimConfig, TauLibraryConfig
from simulation.libraries import LibraryKind, LibraryRole
from simulation.library_parts import make_library_part, save_libraries
from simulation.production import produce
from simulation.tasks import ProductionTask, plan_production

REPETITIONS = 5
SEED = 2022


def simulate(folder: Path, n_events: int) -> None:
    """Write one τ-pair ntuple below a folder."""
    config = SimulationConfig(
        skim=SkimConfig(enabled=False), tau_library=TauLibraryConfig(n_decays=4000, decays_per_task=4000)
    )
    tasks = plan_production(config, SEED).libraries
    parts = [task for task in tasks if task.role is LibraryRole.MONTE_CARLO and task.kind is LibraryKind.TAU]
    save_libraries(parts, [make_library_part(part, config) for part in parts], folder)
    task = ProductionTask("tautau", Process.TAUTAU, index=0, run=1, production=0, seed=SEED, n_events=n_events)
    produce(task, config, folder, folder)


def best_time_s(action: Callable[[], Any]) -> float:
    """Return the shortest processor time of several repetitions."""
    times = []
    for _ in range(REPETITIONS):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return min(times)


def peak_memory_mib() -> float:
    """Return the largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def measure(path: Path, folder: Path) -> None:
    """Measure and print everything about one ntuple."""
    with uproot.open(path) as file:
        n_events = file[TREE_NAME].num_entries
    metadata = {"dataset": "tautau", "filename": str(path), "entrystart": 0, "entrystop": n_events}
    metadata |= read_sample_metadata(path).model_dump(mode="json")
    processor = CandidateProcessor(CandidateSettings(), folder / "candidates")

    def process(accessed: list[Any] | None = None) -> Any:
        factory = NanoEventsFactory.from_root(
            {str(path): TREE_NAME}, mode="virtual", schemaclass=BelleSchema, metadata=metadata, access_log=accessed
        )
        return processor.process(factory.events())["tautau"]

    def read() -> dict[str, ak.Array]:
        with uproot.open(path) as file:
            return {name: file[TREE_NAME][name].array() for name in branches}

    accessed: list[Any] = []
    summary = process(accessed)
    branches = sorted({access.branch for access in accessed})
    read_s, process_s = best_time_s(read), best_time_s(process)

    print(f"events                        {n_events}, one chunk")
    for search, cutflow in summary["cutflow"].items():
        rows = ", ".join(f"{cut} {cutflow[cut]['events']}" for cut in Cut if cut is not Cut.ALL)
        print(f"  {search:<13} {rows}")
    print(f"reading {len(branches)} branches           {read_s:.3f} s, {n_events / read_s:,.0f} events/s")
    print(f"selection through features    {process_s:.3f} s, {n_events / process_s:,.0f} events/s")
    print(f"selection / reading           {process_s / read_s:.2f}")
    print(f"peak memory                   {peak_memory_mib():,.0f} MiB")


def main() -> None:
    """Simulate in one process, measure in another: the memory is that of the selection alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    n_events = parser.parse_args().events
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for target, arguments in ((simulate, (folder, n_events)), (measure, (_only_ntuple(folder), folder))):
            process = context.Process(target=target, args=arguments)
            process.start()
            process.join()
            if process.exitcode != 0:
                raise SystemExit(f"{target.__name__} failed")


def _only_ntuple(folder: Path) -> Path:
    return folder / "tautau" / "tautau_000.root"


if __name__ == "__main__":
    main()
