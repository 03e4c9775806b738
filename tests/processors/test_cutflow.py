"""Counting events of which some are copies of one generated event: the same however they are cut into chunks."""

import itertools

import numpy as np
import pytest
from coffea.processor import accumulate
from hypothesis import given
from hypothesis import strategies as st

from models.search import Search
from processors.cutflow import Cut, EventCounter, SampleSummary, close_counts

REPEATS = 4


def _summary(counted) -> SampleSummary:
    return SampleSummary(
        n_events=0,
        sum_weights=0.0,
        cutflow={Search.EE: {Cut.ALL: counted}},
        candidate_multiplicity={},
        purity={},
        files={},
    )


@given(
    copies=st.lists(st.integers(1, REPEATS), min_size=1, max_size=12),
    cuts=st.sets(st.integers(1, 40)),
    seed=st.integers(0, 2**32 - 1),
)
def test_copies_are_squared_together_whatever_the_chunks(copies, cuts, seed) -> None:
    rng = np.random.default_rng(seed)
    generated = np.repeat(np.arange(len(copies)), copies)
    number = REPEATS * generated + np.concatenate([np.arange(n) for n in copies])
    run = np.full(len(number), 7)
    weight = rng.uniform(0.1, 2.0, len(number))
    passes = rng.random(len(number)) < 0.7
    edges = [0, *sorted(cut for cut in cuts if cut < len(number)), len(number)]
    parts = []
    for first, stop in itertools.pairwise(edges):
        of_chunk = slice(first, stop)
        counter = EventCounter.of_chunk(run[of_chunk], number[of_chunk], REPEATS)
        kept = np.flatnonzero(passes[of_chunk]) + first
        parts.append(_summary(counter.count(weight[kept], run[kept], number[kept])))
    merged = accumulate(parts)
    close_counts(merged)
    counted = merged["cutflow"][Search.EE][Cut.ALL]
    together = np.bincount(generated[passes], weight[passes], len(copies))
    assert counted["events"] == passes.sum()
    assert counted["weighted"] == pytest.approx(weight[passes].sum())
    assert counted["weighted2"] == pytest.approx(np.sum(together**2))
    assert "open" not in counted


def test_equal_numbers_of_other_runs_are_other_events() -> None:
    run, number, weight = np.array([1, 2, 3, 4]), np.array([4, 4, 5, 5]), np.ones(4)
    counted = EventCounter(REPEATS).count(weight, run, number)
    assert counted["weighted2"] == 4.0


def test_independent_events_are_squared_one_by_one() -> None:
    counted = EventCounter.of_chunk(np.ones(3), np.arange(3), 1).count(np.full(3, 0.5), np.ones(3), np.arange(3))
    assert counted == {"events": 3, "weighted": 1.5, "weighted2": 0.75}
