"""The modelled cluster against what follows from its numbers by hand, and what a report makes of measurements."""

from pathlib import Path

import pytest

from scheduler.scaling.cluster_model import ClusterModel, ModelResult, TaskCosts
from scheduler.scaling.measurement import Measurement
from scheduler.scaling.scale_report import Machine, ScaleReport, draw, task_costs

FREE = TaskCosts(work_s=1.0, worker_s=0.0, scheduler_s=0.0, client_s=0.0, result_bytes=1000)


def model(costs: TaskCosts, n_workers: int = 20, n_chunks: int = 4000) -> ModelResult:
    return ClusterModel(costs, n_workers=n_workers, n_chunks=n_chunks, fan_in=16, in_flight_per_worker=10).run()


def test_without_overheads_the_work_is_shared_by_the_workers() -> None:
    result = model(FREE)
    # 200 chunks a worker of 1 s each; the last ones end within a chunk of each other
    assert result.wall_s == pytest.approx(200.0, rel=0.02)
    assert result.efficiency > 0.98
    assert result.bottleneck == "workers"
    # 4000 chunks in groups of 16: 250, 16 and 1 sums
    assert result.n_merges == 250 + 16 + 1


def test_a_slow_scheduler_sets_the_pace() -> None:
    result = model(FREE.model_copy(update={"scheduler_s": 0.1}))
    assert result.bottleneck == "scheduler"
    # each of 4267 tasks takes 0.1 s of the scheduler, which is twice what the workers take
    assert result.wall_s == pytest.approx(426.7, rel=0.02)
    assert result.efficiency == pytest.approx(200.0 / 426.7, rel=0.03)


def test_what_is_held_goes_with_workers_not_with_chunks() -> None:
    few, many = (model(FREE.model_copy(update={"worker_s": 0.01}), n_chunks=n) for n in (2_000, 20_000))
    assert few.tasks_in_flight == many.tasks_in_flight == 200
    assert many.parts_held < few.parts_held + 3 * 16
    assert many.merge_memory_bytes == 2000


def measurement(kind: str, n_workers: int, wall_s: float, chunk_entries: int = 1000) -> Measurement:
    n_events = 100_000 * (n_workers if kind == "weak" else 1)
    return Measurement(
        kind=kind,
        site="local",
        n_workers=n_workers,
        chunk_entries=chunk_entries,
        n_chunks=n_events // chunk_entries,
        n_events=n_events,
        n_bytes=10**8,
        wall_s=wall_s,
        work_s=9.0,
        events_per_s=n_events / wall_s,
        mb_per_s=100.0 / wall_s,
        overhead_per_chunk_s=0.01,
        scheduler_cpu_s=0.2,
        scheduler_load=0.2 / wall_s,
        scheduler_memory_mib=200.0,
        client_memory_mib=200.0,
        worker_peak_mib=300.0,
    )


def test_a_report_says_how_far_from_ideal_and_is_drawn(tmp_path: Path) -> None:
    runs = (
        measurement("strong", 1, 10.0),
        measurement("strong", 2, 5.5),
        measurement("weak", 1, 10.0),
        measurement("weak", 2, 11.0),
        measurement("null", 2, 0.5, chunk_entries=100),
    )
    costs = task_costs(runs[-1], runs[0], 100)
    assert costs.work_s == pytest.approx(0.09)
    assert costs.worker_s == pytest.approx(2 * 0.5 / 1000)
    report = ScaleReport(
        machine=Machine.this(), measurements=runs, costs=costs, models=tuple(model(FREE, n, 200) for n in (5, 20))
    )
    assert report.efficiency(runs[1]) == pytest.approx(10.0 / 5.5 / 2)
    assert report.efficiency(runs[3]) == pytest.approx(10.0 / 11.0)
    draw(report, tmp_path / "scale.png")
    assert (tmp_path / "scale.png").stat().st_size > 10_000
    assert ScaleReport.model_validate_json(report.model_dump_json()) == report
