"""Forcing rare choices: what is chosen is distributed as in nature, and weights restore every probability."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from simulation.importance import at_least_one_probability, boosted_probability, force_at_least_one

N = 20_000


def _natural(probability):
    """Probability of every outcome of independent choices, indexed by the outcome's bits."""
    outcomes = np.array(list(product([0, 1], repeat=len(probability))))
    return np.prod(np.where(outcomes == 1, probability, 1.0 - np.array(probability)), axis=1)


def _sample(probability, forced, seed):
    """Number of each outcome in N copies of one event, and each event's outcome and weight."""
    n = len(probability)
    result = force_at_least_one(
        np.tile(probability, N), np.repeat(np.arange(N), n), N, np.full(N, forced), np.random.default_rng(seed)
    )
    outcome = result.chosen.reshape(N, n) @ (1 << np.arange(n)[::-1])
    return outcome, result.weight


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    probability=st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 0.9)), min_size=1, max_size=4).filter(any),
    forced=st.floats(0.05, 0.95),
)
def test_outcomes_given_one_are_natural_and_weights_restore_all(probability, forced):
    natural = _natural(probability)
    outcome, weight = _sample(probability, forced, 1)
    observed = np.bincount(outcome, minlength=len(natural))
    at_least_one = 1.0 - natural[0]
    expected = N * np.concatenate([[1.0 - forced], forced * natural[1:] / at_least_one])
    assert np.all(observed[expected == 0.0] == 0)
    common = expected > 5.0
    # 30 examples: a right one fails the χ² at 10⁻⁶ never; the examples are fixed.
    rest = N - expected[common].sum()
    chi2 = np.sum((observed[common] - expected[common]) ** 2 / expected[common])
    assert rest < 50.0 or abs(observed[~common].sum() - rest) < 5.0 * np.sqrt(rest)
    assert stats.chi2.sf(chi2, np.count_nonzero(common)) > 1e-6
    assert np.all(np.isfinite(weight))
    assert np.all(weight > 0.0)
    # E[weight · indicator of an outcome]: the weight depends on nothing but "at least one", so this is exact.
    np.testing.assert_allclose(weight[outcome > 0], at_least_one / forced, rtol=1e-6)
    np.testing.assert_allclose(weight[outcome == 0], natural[0] / (1.0 - forced), rtol=1e-9)


@given(
    probability=st.lists(st.floats(0.0, 0.01), min_size=1, max_size=20),
    boost=st.floats(1.0, 1e4),
    maximum=st.floats(0.01, 0.99),
)
def test_the_weights_have_mean_one(probability, boost, maximum):
    natural = at_least_one_probability(np.array(probability), np.zeros(len(probability), dtype=np.int64), 1)
    forced = boosted_probability(natural, np.ones(1), boost, maximum)
    assert np.all((forced >= natural) & (forced < 1.0))
    mean = forced * (natural / forced if natural[0] > 0.0 else 1.0) + (1.0 - forced) * (1.0 - natural) / (1.0 - forced)
    assert mean[0] == pytest.approx(1.0, rel=1e-12) or natural[0] == 0.0


def test_below_the_maximum_all_forced_events_share_one_weight():
    rng = np.random.default_rng(2)
    n = 10_000
    counts = rng.integers(0, 6, n)
    event = np.repeat(np.arange(n), counts)
    probability = rng.uniform(0.0, 0.004, len(event))
    forced = boosted_probability(at_least_one_probability(probability, event, n), np.ones(n), 20.0, 0.5)
    chosen, weight = force_at_least_one(probability, event, n, forced, rng)
    happened = np.bincount(event[chosen], minlength=n) > 0
    assert happened.sum() > 900
    np.testing.assert_allclose(weight[happened], 1.0 / 20.0, rtol=1e-12)
    assert np.mean(happened) == pytest.approx(forced.mean(), abs=5.0 * np.sqrt(forced.mean() / n))
    # The sum of weights closes within its spread.
    assert weight.sum() == pytest.approx(n, abs=5.0 * np.sqrt(np.var(weight) * n))


def test_natural_sampling_is_natural():
    rng = np.random.default_rng(3)
    n = 50_000
    probability, event = np.tile([0.3, 0.0, 0.6], n), np.repeat(np.arange(n), 3)
    natural = at_least_one_probability(probability, event, n)
    chosen, weight = force_at_least_one(probability, event, n, natural, rng)
    assert np.all(weight == 1.0)
    together = chosen.reshape(n, 3)
    np.testing.assert_allclose(together.mean(axis=0), [0.3, 0.0, 0.6], atol=5.0 * np.sqrt(0.25 / n))
    # Choices of one event are independent of each other.
    assert np.mean(together[:, 0] & together[:, 2]) == pytest.approx(0.18, abs=5.0 * np.sqrt(0.15 / n))


def test_certain_choices_are_made():
    probability, event = np.array([1.0, 0.0, 1.0]), np.array([0, 2, 3])
    natural = at_least_one_probability(probability, event, 5)
    assert natural.tolist() == [1.0, 0.0, 0.0, 1.0, 0.0]
    forced = boosted_probability(natural, np.ones(5), 10.0, 0.5)
    chosen, weight = force_at_least_one(probability, event, 5, forced, np.random.default_rng(4))
    assert chosen.tolist() == [True, False, True]
    assert weight.tolist() == [1.0] * 5
