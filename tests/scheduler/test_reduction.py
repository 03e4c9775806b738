"""The reduction: the same sum, bit by bit, in any order of completion; nothing twice, nothing lost, little held."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import IncompleteRunError
from processors.locations import FileStamp
from scheduler.chunks import ChunkPlan, PlannedFile
from scheduler.coverage import Coverage
from scheduler.reduction import MergeTask, Part, Reduction


def reduce_all(values: list[float | None], fan_in: int, order: random.Random, window: int) -> tuple[Reduction, dict]:
    """Run a reduction as the client does, at most `window` chunks and merges at a time, which end in any order."""
    reduction = Reduction(len(values), fan_in)
    sums: dict[str, float] = {}
    running: list[int | MergeTask] = []
    numbers = iter(range(len(values)))
    held = 0
    while True:
        while len(running) < window and (number := next(numbers, None)) is not None:
            running.append(number)
        if not running:
            return reduction, {"sums": sums, "held": held}
        task = running.pop(order.randrange(len(running)))
        if isinstance(task, MergeTask):
            key = f"{task.level}/{task.number}"
            total = sums[task.parts[0].key]
            for part in task.parts[1:]:
                total += sums[part.key]
            sums[key] = total
            part = Part(key, Coverage.union(p.covers for p in task.parts), True)
            running += reduction.add(task.level, task.number, part)
        else:
            value = values[task]
            if value is not None:
                sums[str(task)] = value
            part = None if value is None else Part(str(task), Coverage.of(task), False)
            running += reduction.add(0, task, part)
        held = max(held, reduction.n_held)


@given(
    st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=70),
    st.integers(2, 6),
    st.integers(0, 2**32),
    st.integers(1, 9),
)
def test_the_sum_depends_on_neither_order_nor_window(values, fan_in: int, seed: int, window: int) -> None:
    present = {i for i, value in enumerate(values) if value is not None}
    first, one = reduce_all(values, fan_in, random.Random(seed), window)
    second, other = reduce_all(values, fan_in, random.Random(seed + 1), 1)
    if not present:
        assert first.root is None
        return
    assert first.root is not None
    assert second.root is not None
    assert set(range(len(values))) - set(first.root.covers.missing(len(values))) == present
    assert one["sums"][first.root.key].hex() == other["sums"][second.root.key].hex()


def test_what_is_held_does_not_grow_with_the_number_of_chunks() -> None:
    held = [reduce_all([1.0] * n, 16, random.Random(1), 40)[1]["held"] for n in (1_000, 10_000)]
    assert held[1] <= held[0] + 2 * 16


@given(st.lists(st.integers(0, 30), unique=True, min_size=1))
def test_coverage_is_a_set(numbers: list[int]) -> None:
    covers = Coverage.union(Coverage.of(number) for number in numbers)
    assert len(covers) == len(numbers)
    assert set(covers.missing(31)) == set(range(31)) - set(numbers)
    assert all(stop < start for (_, stop), (start, _) in zip(covers.ranges, covers.ranges[1:], strict=False))
    with pytest.raises(IncompleteRunError, match=f"Chunk {numbers[0]} is in the result more than once"):
        covers + Coverage.of(numbers[0])


@given(st.lists(st.integers(0, 50), max_size=8), st.integers(1, 12))
def test_a_plan_covers_every_entry_once(n_entries: list[int], size: int) -> None:
    files = [PlannedFile("data", str(i), "events", b"", n, FileStamp(0, "")) for i, n in enumerate(n_entries)]
    plan = ChunkPlan(files, size)
    assert [chunk.number for chunk in plan] == list(range(len(plan)))
    for i, n in enumerate(n_entries):
        chunks = [chunk for chunk in plan if chunk.file.path == str(i)]
        assert [entry for chunk in chunks for entry in range(chunk.start, chunk.stop)] == list(range(n))
        assert all(chunk.start % size == 0 for chunk in chunks)
    assert plan.n_entries == sum(n_entries)
