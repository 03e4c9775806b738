"""The result of a scale test: measurements, what follows from them, and a figure."""

from __future__ import annotations

import itertools
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import psutil
from matplotlib.axes import Axes

from models.settings import Settings
from scheduler.scaling.cluster_model import ModelResult, TaskCosts
from scheduler.scaling.measurement import Measurement


class Machine(Settings):
    """Where the client ran, and what else was going on there."""

    platform: str
    n_cores: int
    load_before: float
    """Processes that wanted a core in the minute before: with more than there are cores, wall times say little."""

    @classmethod
    def this(cls) -> Machine:
        """Return the present state of this machine."""
        return cls(platform=platform.platform(), n_cores=psutil.cpu_count() or 1, load_before=os.getloadavg()[0])


class ScaleReport(Settings):
    """Everything that a scale test found."""

    machine: Machine
    measurements: tuple[Measurement, ...]
    costs: TaskCosts
    """What a task costs, from the run without work."""
    models: tuple[ModelResult, ...]
    """The same costs on a larger cluster."""

    def of_kind(self, kind: str) -> list[Measurement]:
        """Return the measurements of a kind."""
        return [measurement for measurement in self.measurements if measurement.kind == kind]

    def efficiency(self, measurement: Measurement) -> float:
        """Return how much of the ideal speed a measurement has, compared with the fewest workers of its series.

        Parameters
        ----------
        measurement
            One of the report.
        """
        first = min(
            (other for other in self.of_kind(measurement.kind) if _series(other) == _series(measurement)),
            key=lambda other: other.n_workers,
        )
        per_worker = first.events_per_s / first.n_workers
        return measurement.events_per_s / measurement.n_workers / per_worker


def task_costs(null: Measurement, busiest: Measurement, result_bytes: int) -> TaskCosts:
    """Return what a task costs.

    Parameters
    ----------
    null
        A run without work: what it takes of scheduler and client is taken by their process for every task. At the site
        ``local`` they share one, so that half of it is counted for each.
    busiest
        A run with work.
    result_bytes
        Size of a result.
    """
    n_tasks = null.n_chunks
    return TaskCosts(
        work_s=busiest.work_s / busiest.n_chunks,
        worker_s=max(null.n_workers * null.wall_s / n_tasks, 0.0),
        scheduler_s=null.scheduler_cpu_s / n_tasks / 2,
        client_s=null.scheduler_cpu_s / n_tasks / 2,
        result_bytes=result_bytes,
    )


def draw(report: ScaleReport, path: Path) -> None:
    """Draw throughput and efficiency against workers, overhead against the size of chunks, and the modelled cluster."""
    figure, ((speed, weak), (overhead, model)) = plt.subplots(2, 2, figsize=(10.0, 7.5), layout="constrained")
    _draw_strong(speed, report)
    _draw_weak(weak, report)
    _draw_overhead(overhead, report)
    _draw_model(model, report.models)
    figure.suptitle(
        f"Scale test: {report.machine.n_cores} cores, load {report.machine.load_before:.1f} before it began",
        fontsize=11,
    )
    figure.savefig(path)
    plt.close(figure)


def _series(measurement: Measurement) -> tuple[str, int]:
    return measurement.site, measurement.chunk_entries


def _by_series(measurements: Sequence[Measurement]) -> dict[tuple[str, int], list[Measurement]]:
    series: dict[tuple[str, int], list[Measurement]] = {}
    for measurement in sorted(measurements, key=lambda m: m.n_workers):
        series.setdefault(_series(measurement), []).append(measurement)
    return series


def _draw_strong(axes: Axes, report: ScaleReport) -> None:
    most = 0
    for (site, entries), runs in _by_series(report.of_kind("strong")).items():
        workers = [run.n_workers for run in runs]
        most = max(most, *workers)
        label = f"{site}, chunks of {entries}"
        speedup = [report.efficiency(run) * run.n_workers / runs[0].n_workers for run in runs]
        axes.plot(workers, speedup, "o-", label=label)
    axes.plot([1, most], [1, most], color="0.6", linestyle=":", label="ideal")
    axes.set(xlabel="workers", ylabel="speed-up", title="Strong scaling: the same events")
    axes.set_xticks(range(1, most + 1))
    axes.legend(fontsize=8)


def _draw_weak(axes: Axes, report: ScaleReport) -> None:
    for (site, entries), runs in _by_series(report.of_kind("weak")).items():
        axes.plot(
            [run.n_workers for run in runs],
            [report.efficiency(run) for run in runs],
            "s-",
            label=f"{site}, chunks of {entries}",
        )
        axes.set_xticks([run.n_workers for run in runs])
    axes.axhline(1.0, color="0.6", linestyle=":")
    axes.set(xlabel="workers", ylabel="efficiency", title="Weak scaling: as many more events", ylim=(0.0, 1.2))
    axes.legend(fontsize=8)


def _draw_overhead(axes: Axes, report: ScaleReport) -> None:
    for kind, marker, label in (("strong", "o", "selection"), ("null", "D", "no work")):
        runs = report.of_kind(kind)
        for (site, n_workers), color in zip(
            sorted({(run.site, run.n_workers) for run in runs}), itertools.cycle(f"C{n}" for n in range(10))
        ):
            series = sorted(
                (run for run in runs if (run.site, run.n_workers) == (site, n_workers)),
                key=lambda run: run.chunk_entries,
            )
            axes.plot(
                [run.chunk_entries for run in series],
                [1e3 * run.overhead_per_chunk_s for run in series],
                marker,
                linestyle="-" if kind == "strong" else "none",
                color=color,
                label=f"{label}, {n_workers} workers, {site}",
            )
    axes.axhline(15.0, color="0.6", linestyle=":", label="15 ms")
    axes.set(xlabel="entries of a chunk", ylabel="beside the work, ms a chunk", title="Overhead", xscale="log")
    axes.set_ylim(bottom=0.0)
    axes.legend(fontsize=8)


def _draw_model(axes: Axes, models: Sequence[ModelResult]) -> None:
    ordered = sorted(models, key=lambda model: model.n_workers)
    workers = [model.n_workers for model in ordered]
    axes.plot(workers, [model.efficiency for model in ordered], "o-", label="workers")
    axes.plot(workers, [model.scheduler_load for model in ordered], "s--", label="scheduler")
    axes.plot(workers, [model.client_load for model in ordered], "D:", label="client")
    axes.set(
        xlabel="workers",
        ylabel="busy share of the wall time",
        title=f"Model: {ordered[0].n_chunks} chunks",
        xscale="log",
        ylim=(0.0, 1.05),
    )
    axes.legend(fontsize=8)
