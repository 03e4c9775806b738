"""Causes of death from what nannies and the scheduler say, and the advice that follows."""

import signal

import pytest

from scheduler.memory_advice import MemoryUse
from scheduler.worker_deaths import Cause, WorkerWatch

GIB = 2**30
WORKER = "tcp://10.0.0.1:4000"


def removed(watch: WorkerWatch, *, expected: bool = False) -> None:
    event = {"action": "remove-worker", "worker": WORKER, "processing-tasks": {"task-1"}, "expected": expected}
    watch.on_cluster_event((0.0, event))


def exited(watch: WorkerWatch, code: int, memory: float = 0.3, *, kernel_killed: bool = False) -> None:
    watch.on_exit(
        (
            0.0,
            {
                "worker": WORKER,
                "exit_code": code,
                "memory_bytes": int(memory * GIB),
                "limit_bytes": 2 * GIB,
                "kernel_killed": kernel_killed,
            },
        )
    )


@pytest.mark.parametrize(
    ("code", "memory", "kernel", "cause", "words"),
    [
        (-signal.SIGKILL, 0.3, False, Cause.SIGNAL, "was killed by SIGKILL at 0.30 of 2.00 GiB"),
        (-signal.SIGSEGV, 1.9, False, Cause.SIGNAL, "was killed by SIGSEGV"),
        (-signal.SIGKILL, 1.9, False, Cause.MEMORY_LIMIT, "was killed for its memory limit at 1.90 of 2.00 GiB"),
        (-signal.SIGKILL, 0.9, True, Cause.OUT_OF_MEMORY, "was killed by the kernel because memory ran out"),
        (3, 0.3, False, Cause.EXIT, "exited with status 3"),
    ],
)
def test_a_cause_follows_from_exit_code_and_memory(code, memory, kernel, cause, words) -> None:
    watch = WorkerWatch("a code")
    removed(watch)
    exited(watch, code, memory, kernel_killed=kernel)
    (death,) = watch.killed_with("task-1")
    assert death.cause is cause
    assert words in str(death)
    assert watch.killed_with("task-2") == ()


def test_a_nanny_that_ends_its_worker_says_so() -> None:
    watch = WorkerWatch("a code")
    watch.on_memory((0.0, {"worker": WORKER, "pid": 1, "rss": int(1.95 * GIB)}))
    removed(watch)
    assert watch.deaths()[0].cause is Cause.MEMORY_LIMIT
    # what the nanny measured when it decided, not what was left when the process ended
    exited(watch, -signal.SIGTERM, memory=0.1)
    assert watch.deaths()[0].memory_bytes == int(1.95 * GIB)


def test_silence_means_that_the_node_is_lost_and_a_goodbye_is_no_death() -> None:
    watch = WorkerWatch("a code")
    removed(watch)
    assert watch.deaths()[0].cause is Cause.LOST
    assert "its node or its batch job was lost" in str(watch.deaths()[0])
    leaving = WorkerWatch("a code")
    removed(leaving, expected=True)
    assert leaving.deaths() == ()


def test_the_advised_chunk_fits() -> None:
    use = MemoryUse()
    use.add(10_000, before_bytes=int(0.25 * GIB), peak_bytes=int(0.35 * GIB))
    text = use.advice(200_000, int(1.9 * GIB), 2 * GIB)
    entries = int(text.split("chunks.entries: ")[1].split(",")[0])
    per_entry = 0.1 * GIB / 10_000
    assert 0 < 0.25 * GIB + entries * per_entry <= 0.6 * 2 * GIB
    needed_gib = float(text.split("worker_memory_gib: ")[1].rstrip("."))
    assert 0.25 * GIB + 200_000 * per_entry <= 0.61 * needed_gib * GIB


def test_a_worker_is_unfit_for_as_long_as_it_says_so_to_a_client_of_this_code() -> None:
    watch = WorkerWatch("a code")

    def says(code: str, problem: str) -> dict[str, str]:
        watch.on_fitness((0.0, {"worker": "tcp://w", "code": code, "problem": problem}))
        return watch.unfit

    assert says("another code", "has another leptophile") == {}
    assert says("a code", "has no leptophile") == {"tcp://w": "has no leptophile"}
    assert says("another code", "") == {"tcp://w": "has no leptophile"}
    assert says("a code", "") == {}
