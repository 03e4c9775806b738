"""The scale test: series of measurements at every site, then the model, a figure and JSON."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from distributed import performance_report

from models.errors import UsageError
from processors.belle_schema import BelleSchema
from processors.candidate_processor import CandidateProcessor
from processors.fileset import DatasetSpec, build_fileset
from scheduler.chunks import ChunkSettings
from scheduler.clusters import connect
from scheduler.configuration import AnalysisConfig, load_configuration
from scheduler.run_folder import RunFolder
from scheduler.scaling.cluster_model import ClusterModel, ModelResult, TaskCosts
from scheduler.scaling.measurement import Laboratory, Measurement
from scheduler.scaling.null_processor import NullProcessor
from scheduler.scaling.scale_report import Machine, ScaleReport, draw, task_costs
from scheduler.steps.runner import bring_up_to_date

if TYPE_CHECKING:
    from scheduler.progress import Terminal

_SIMULATED_FB: Final = 0.01
"""Luminosity of the pseudo-data that are simulated where no run is given: a tenth of the demo."""
_MODEL_STEPS: Final = 4
"""Numbers of workers for which the cluster is modelled, each a quarter of the next."""


@dataclass(frozen=True)
class ScaleTest:
    """What to measure; see the command's options."""

    out: Path
    run: RunFolder | None
    samples: tuple[str, ...]
    sites: tuple[str, ...]
    workers: tuple[int, ...]
    chunk_entries: tuple[int, ...]
    repeats: int
    null_chunks: int
    model_workers: int
    model_chunks: int
    terminal: Terminal

    def execute(self) -> ScaleReport:
        """Measure, write ``scale.json``, ``scale.png``, ``scale.svg`` and a performance report per site."""
        self.out.mkdir(parents=True, exist_ok=True)
        run, config = self._events()
        ntuples = config.inputs.ntuples or run.ntuples
        if not ntuples.is_dir():
            raise UsageError(f"--run: {run.path} has no ntuples.")
        fileset = self._chosen(build_fileset(ntuples).fileset)
        machine = Machine.this()
        measurements = [m for site in self.sites for m in self._measure(site, fileset, config)]
        costs = self._costs(measurements)
        report = ScaleReport(
            machine=machine, measurements=tuple(measurements), costs=costs, models=tuple(self._models(costs, config))
        )
        (self.out / "scale.json").write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
        for suffix in ("png", "svg"):
            draw(report, self.out / f"scale.{suffix}")
        self._tell(report)
        return report

    def _chosen(self, fileset: dict[str, DatasetSpec]) -> dict[str, DatasetSpec]:
        unknown = [name for name in self.samples if name not in fileset]
        if unknown:
            raise UsageError(f"--sample: there is no '{unknown[0]}', only {', '.join(fileset)}.")
        return {name: spec for name, spec in fileset.items() if not self.samples or name in self.samples}

    def _events(self) -> tuple[RunFolder, AnalysisConfig]:
        if self.run is not None:
            return self.run, load_configuration(str(self.run.configuration))
        config = load_configuration("demo")
        production = config.simulation.production.model_copy(update={"data_luminosity_fb": _SIMULATED_FB})
        simulation = config.simulation.model_copy(update={"production": production})
        config = config.model_copy(update={"simulation": simulation})
        run = RunFolder(self.out / "events")
        bring_up_to_date(["simulate"], config, run, site=self.sites[0], terminal=self.terminal)
        return run, config

    def _measure(self, site: str, fileset: dict[str, DatasetSpec], config: AnalysisConfig) -> Iterator[Measurement]:
        cluster = config.cluster.model_copy(update={"workers": max(self.workers)})
        with connect(site, cluster, self.terminal) as client:
            client.wait_for_workers(max(self.workers), timeout=cluster.connect_timeout_s)
            addresses = sorted(client.nthreads())
            laboratory = Laboratory(
                client,
                site,
                BelleSchema,
                lambda folder: CandidateProcessor(config.candidates, folder),
                self.out / "scratch",
                config.tasks,
                self.terminal,
            )
            least, most = (ChunkSettings(entries=self.chunk_entries[index]) for index in (0, -1))
            # the first chunks of a worker import and compile: many small ones reach every worker
            laboratory.measure("warm-up", fileset, addresses, least)

            def fastest(kind: str, files: dict[str, DatasetSpec], n: int, chunks: ChunkSettings) -> Measurement:
                runs = [laboratory.measure(kind, files, addresses[:n], chunks) for _ in range(self.repeats)]
                return min(runs, key=lambda run: run.wall_s)

            name = f"performance_{_file_name(site)}.html"
            with performance_report(filename=str(self.out / name)):
                for entries in self.chunk_entries:
                    for n_workers in self.workers:
                        yield fastest("strong", fileset, n_workers, ChunkSettings(entries=entries))
                for n_workers in self.workers:
                    yield fastest("weak", _repeated(fileset, n_workers), n_workers, most)
                chunks = ChunkSettings(entries=self._null_entries(fileset, laboratory))
                for n_workers in self.workers:
                    yield laboratory.measure("null", fileset, addresses[:n_workers], chunks, processor=NullProcessor())

    def _null_entries(self, fileset: Mapping[str, DatasetSpec], laboratory: Laboratory) -> int:
        """Return the chunk size that gives about as many chunks as asked for."""
        counted = laboratory.measure(
            "counting", dict(fileset), sorted(laboratory.client.nthreads()), ChunkSettings(), processor=NullProcessor()
        )
        return max(counted.n_events // self.null_chunks, 1)

    def _costs(self, measurements: list[Measurement]) -> TaskCosts:
        null = max((m for m in measurements if m.kind == "null"), key=lambda m: m.n_workers)
        busiest = max((m for m in measurements if m.kind == "strong"), key=lambda m: m.chunk_entries)
        return task_costs(null, busiest, len(pickle.dumps({"n_events": 0})))

    def _models(self, costs: TaskCosts, config: AnalysisConfig) -> Iterator[ModelResult]:
        for step in range(_MODEL_STEPS):
            n_workers = self.model_workers // 4**step
            if n_workers:
                yield ClusterModel(
                    costs,
                    n_workers=n_workers,
                    n_chunks=self.model_chunks,
                    fan_in=config.chunks.merge_group,
                    in_flight_per_worker=config.tasks.in_flight_per_thread,
                ).run()

    def _tell(self, report: ScaleReport) -> None:
        for run in report.measurements:
            self.terminal.say(
                f"{run.kind}: {run.site}, {run.n_workers} workers, {run.n_chunks} chunks of {run.chunk_entries}: "
                f"{run.events_per_s:,.0f} events/s, {run.mb_per_s:.1f} MB/s, efficiency "
                f"{report.efficiency(run):.2f}, {1e3 * run.overhead_per_chunk_s:.1f} ms a chunk beside the work, "
                f"scheduler busy {run.scheduler_load:.0%}"
            )
        largest = max(report.models, key=lambda model: model.n_workers)
        self.terminal.say(
            f"model: {largest.n_workers} workers, {largest.n_chunks} chunks: {largest.wall_s:.0f} s, efficiency "
            f"{largest.efficiency:.2f}; the busiest is the {largest.bottleneck}"
        )


def _repeated(fileset: dict[str, DatasetSpec], times: int) -> dict[str, DatasetSpec]:
    """Return the same files as several datasets, so that the work is exactly that many times as much."""
    return {f"{name}-{i}": dataset for i in range(times) for name, dataset in fileset.items()}


def _file_name(site: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in site)
