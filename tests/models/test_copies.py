"""Variances of sums of weights with copies of generated events, against the full covariance matrix of all bins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.copies import BinPairs, SummedCopies, squared_sum, squares_from_above
from models.normalisation import ControlRegion, NormalisationSettings, merge_sparse_bins
from models.search import Process
from models.sparse_templates import BinnedMass, template_yields

N_BINS = 12
EVENTS = st.lists(st.lists(st.integers(0, N_BINS - 1), min_size=1, max_size=6), max_size=12)
"""The bins of the copies of each generated event."""


def candidates(events, seed=0):
    generated = np.repeat(np.arange(len(events)), [len(bins) for bins in events])
    bins = np.array([place for bins in events for place in bins], dtype=np.int64)
    weight = np.random.default_rng(seed).uniform(0.1, 2.0, len(bins))
    return bins, 7 + 3 * generated, weight


def counted(events, seed=0):
    """Return contents, variances and pairs, and the covariance matrix by definition: Σ over events of w wᵀ."""
    bins, generated, weight = candidates(events, seed)
    copies = SummedCopies.of(bins, generated)
    together = copies.sum(weight)
    of_event = np.zeros((len(events), N_BINS))
    np.add.at(of_event, ((generated - 7) // 3, bins), weight)
    value, variance = (np.bincount(copies.bins, w, N_BINS) for w in (together, together**2))
    return value.astype(float), variance.astype(float), BinPairs.of_copies(copies, together), of_event.T @ of_event


@given(EVENTS, st.lists(st.integers(-1, 3), min_size=N_BINS, max_size=N_BINS))
def test_any_union_of_bins_has_the_variance_of_its_generated_events(events, groups) -> None:
    _, variance, pairs, matrix = counted(events)
    np.testing.assert_allclose(variance, np.diag(matrix), atol=1e-12)
    group = np.array(groups)
    sums = (group == np.arange(4)[:, np.newaxis]).astype(float)
    added, between = pairs.merged(group, 4)
    wanted = sums @ matrix @ sums.T
    np.testing.assert_allclose(sums @ variance + added, np.diag(wanted), atol=1e-12)
    np.testing.assert_allclose(between.covariance, wanted[between.lower, between.upper], atol=1e-12)
    assert 2 * between.covariance.sum() == pytest.approx(wanted.sum() - np.trace(wanted))
    assert pairs.row_sums(N_BINS) + variance == pytest.approx(matrix.sum(axis=1))


@given(EVENTS, st.integers(0, N_BINS - 1), st.integers(0, 12))
def test_growing_intervals_take_pairs_in_when_they_hold_both_bins(events, start, n_steps) -> None:
    _, variance, pairs, matrix = counted(events)
    centres = np.arange(N_BINS) + 0.5
    low = np.maximum(0.0, start - np.arange(n_steps + 1.0))
    high = np.minimum(N_BINS, start + 1 + np.arange(n_steps + 1.0))
    added = pairs.of_nested(centres, low, high)
    for first, last, more in zip(low.astype(int), high.astype(int), added, strict=True):
        block = matrix[first:last, first:last]
        assert variance[first:last].sum() + more == pytest.approx(block.sum(), abs=1e-12)


@given(EVENTS, EVENTS)
def test_pairs_of_different_events_add(first, second) -> None:
    added = counted(first)[2] + counted(second, seed=1)[2]
    matrix = counted(first)[3] + counted(second, seed=1)[3]
    np.testing.assert_allclose(added.covariance, matrix[added.lower, added.upper])
    assert np.all(added.lower < added.upper)
    assert len(np.unique(np.stack([added.lower, added.upper]), axis=1).T) == len(added)


@given(EVENTS, st.floats(0.0, 1.0))
def test_squares_above_a_score_are_those_of_the_events_above_it(events, threshold) -> None:
    _, generated, weight = candidates(events)
    score = np.random.default_rng(2).random(len(weight)).round(1)
    added = squares_from_above(score, weight, generated)
    above = score > threshold
    assert added[above].sum() == pytest.approx(squared_sum(weight[above], generated[above]))


def test_templates_and_control_regions_know_that_copies_in_different_bins_are_one_event() -> None:
    """Ten events, each with a copy in either of two bins that a fit takes together: ten, not twenty events."""
    value, variance, pairs, _ = counted([[3, 4]] * 10)
    value, variance = np.ones(N_BINS) * value, np.ones(N_BINS) * variance
    edges = np.arange(N_BINS + 1.0)
    distribution = BinnedMass(edges, value[np.newaxis], variance, pairs)
    exact = template_yields(distribution, np.array([0.0, 3.0, 5.0, 12.0]), minimum_effective=0)
    _, generated, weight = candidates([[3, 4]] * 10)
    assert exact.stat_error[1] == pytest.approx(np.sqrt(squared_sum(weight, generated)))
    # not quite the ten, because weights differ
    alone = weight.sum() ** 2 / squared_sum(weight, generated)
    assert 8 < alone < 10
    assert not template_yields(distribution, np.array([0.0, 3.0, 5.0, 12.0]), minimum_effective=8).widened[1]
    widened = template_yields(distribution, np.array([0.0, 3.0, 5.0, 12.0]), minimum_effective=11)
    assert widened.widened[1]
    assert widened.stat_error[1] / widened.values[0, 1] == pytest.approx(1 / np.sqrt(alone), rel=0.15)
    process = Process.QQBAR
    region = ControlRegion("gcr", value, {process: value}, {process: variance}, {process: pairs})
    settings = NormalisationSettings(minimum_expected_events=1.0, minimum_effective_events=11.0)
    merged = merge_sparse_bins(region, settings)
    assert merged.variance[process] == pytest.approx(squared_sum(weight, generated))
