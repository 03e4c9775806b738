"""Tasks on real workers: order, transient failures, named failures, dead workers, stalls."""

import os
import signal
import time
from pathlib import Path

import pytest
from distributed import Client

from models.errors import BadInputError, IncompleteRunError
from scheduler.failures import FailureKind, raise_failures
from scheduler.tasks import TaskOutcomes, TaskSettings, run_tasks


def run(
    client: Client, function, tasks, settings: TaskSettings | None = None, shared: object = None
) -> tuple[TaskOutcomes, float]:
    done = []
    outcomes = run_tasks(
        client,
        function,
        tasks,
        describe=lambda task: f"task {task}",
        size=lambda _: 1.0,
        settings=settings or TaskSettings(),
        advance=done.append,
        shared=shared,
    )
    return outcomes, sum(done)


def slow_square(n: int) -> int:
    time.sleep(0.01 * (n % 3))
    return n * n


def test_results_keep_the_order_of_tasks(dask_client: Client) -> None:
    outcomes, progress = run(dask_client, slow_square, range(20))
    assert list(outcomes.results) == [n * n for n in range(20)]
    assert progress == 20


def test_a_transient_error_is_tried_again(dask_client: Client, tmp_path: Path) -> None:
    def fails_twice(n: int) -> int:
        marks = sorted(tmp_path.glob(f"{n}-*"))
        if len(marks) < 2:
            (tmp_path / f"{n}-{len(marks)}").touch()
            try:
                raise OSError("storage hiccup")
            except OSError as error:
                raise RuntimeError("wrapped by a library") from error
        return n

    outcomes, progress = run(dask_client, fails_twice, [1, 2])
    assert list(outcomes.results) == [1, 2]
    assert not outcomes.failures
    assert progress == 2


def test_every_failure_is_named_and_the_rest_is_done(dask_client: Client) -> None:
    def odd_fails(n: int) -> int:
        if n % 2:
            raise BadInputError(f"file {n} is broken.")
        return n

    outcomes, progress = run(dask_client, odd_fails, range(4))
    assert list(outcomes.results) == [0, None, 2, None]
    assert progress == 4
    with pytest.raises(IncompleteRunError, match=r"2 things failed: task 1: file 1 is broken\.; task 3") as info:
        raise_failures(outcomes.failures, "things", TaskSettings(), asked=4)
    assert "odd_fails" in info.value.__notes__[0]


def test_a_long_list_of_failures_is_cut(dask_client: Client) -> None:
    outcomes, _ = run(dask_client, lambda n: 1 / 0, range(7))
    with pytest.raises(IncompleteRunError, match=r"7 things failed: .*ZeroDivisionError.*; and 2 more"):
        raise_failures(outcomes.failures, "things", TaskSettings(failures_shown=5), asked=7)


def test_a_stall_ends_the_run(dask_client: Client) -> None:
    with pytest.raises(IncompleteRunError, match=r"No task finished for 0\.2 s; still unfinished: task 5"):
        run(dask_client, time.sleep, [5], TaskSettings(stall_timeout_s=0.2, poll_s=0.1))


def test_a_task_that_kills_its_workers_is_named(terminal) -> None:
    from scheduler.clusters import ClusterSettings, connect

    def kill(n: int) -> int:
        if n == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return n

    with connect("local", ClusterSettings(workers=2), terminal) as client:
        outcomes, _ = run(client, kill, range(3))
    assert [failure.task for failure in outcomes.failures] == ["task 1"]
    assert "KilledWorker" not in outcomes.failures[0].reason
    assert "it ends the worker that runs it: worker tcp://" in outcomes.failures[0].reason
    assert "was killed by SIGKILL" in outcomes.failures[0].reason
    assert outcomes.failures[0].kind is FailureKind.WORKER_DIED


def double_first(task: tuple[int, bytes]) -> tuple[int, int]:
    return 2 * task[0], len(task[1])


def test_a_shared_value_reaches_every_task(dask_client: Client) -> None:
    size = 20_000_000
    outcomes, _ = run(dask_client, double_first, range(3), shared=bytes(size))
    assert list(outcomes.results) == [(0, size), (2, size), (4, size)]
