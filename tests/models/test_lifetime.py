"""Reweighting of flight lengths: unbiased for every lifetime, whatever the sample was made of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.lifetime import LifetimeComponent, LifetimeError, LifetimeMixture


def _mixture(*components: tuple[float, float]) -> LifetimeMixture:
    return LifetimeMixture(components=tuple(LifetimeComponent(ctau_mm=c, share=s) for c, s in components))


MIXTURE = _mixture((0.0, 2.0), (0.5, 1.0), (5.0, 1.0), (50.0, 1.0))
LENGTHS = MIXTURE.sample(200_000, np.random.default_rng(4))


def test_components_have_their_shares_and_means() -> None:
    assert np.mean(LENGTHS == 0.0) == pytest.approx(0.4, abs=4 * np.sqrt(0.24 / len(LENGTHS)))
    # variance of the mixture: Σ α 2c² − mean²
    variance = 2 * float(MIXTURE.shares @ MIXTURE.ctau_mm**2) - MIXTURE.mean_mm**2
    assert LENGTHS.mean() == pytest.approx(MIXTURE.mean_mm, abs=4 * np.sqrt(variance / len(LENGTHS)))


@pytest.mark.parametrize("ctau", [0.0, 0.2, 0.5, 2.0, 5.0, 25.0, 50.0, 80.0])
def test_reweighted_sample_has_the_distribution_of_the_lifetime(ctau: float) -> None:
    weight = MIXTURE.weights(LENGTHS, ctau)
    error = weight.std() / np.sqrt(len(weight))
    assert weight.mean() == pytest.approx(1.0, abs=4 * error)
    if ctau == 0.0:
        return
    for limit in (0.1 * ctau, ctau, 2.5 * ctau):
        below = weight * (limit >= LENGTHS)
        expected = 1.0 - np.exp(-limit / ctau)
        # nothing at t = 0 belongs to a φ that flies
        assert below.mean() == pytest.approx(expected, abs=4 * below.std() / np.sqrt(len(below)))


@given(st.floats(1e-3, 1e3), st.sampled_from([0.5, 5.0, 50.0]))
def test_weights_are_finite_and_those_of_a_component_bounded(length: float, component: float) -> None:
    weights = MIXTURE.weights(np.array([0.0, length]), component)
    assert np.all(np.isfinite(weights))
    assert np.all(weights <= 5.0 + 1e-9)


def test_a_single_lifetime_reweights_by_the_ratio_of_exponentials() -> None:
    length = np.array([1e-3, 1.0, 30.0])
    weights = LifetimeMixture.single(10.0).weights(length, 4.0)
    np.testing.assert_allclose(weights, 10.0 / 4.0 * np.exp(length / 10.0 - length / 4.0), rtol=1e-12)
    np.testing.assert_array_equal(LifetimeMixture.single(0.0).weights(np.zeros(2), 0.0), np.ones(2))
    assert LifetimeMixture.single(50.0).weights(np.array([1e6]), 1e-3).tolist() == [0.0]


def test_pooled_samples_are_one_mixture() -> None:
    pooled = LifetimeMixture.pooled([_mixture((0.0, 1.0), (10.0, 1.0)), LifetimeMixture.single(10.0)], [200, 100])
    assert pooled.ctau_mm.tolist() == [0.0, 10.0]
    np.testing.assert_allclose(pooled.shares, [1 / 3, 2 / 3])


def test_impossible_wishes_are_named() -> None:
    with pytest.raises(LifetimeError, match="without prompt events"):
        LifetimeMixture.single(10.0).weights(np.ones(2), 0.0)
    with pytest.raises(LifetimeError, match="cτ = 3 mm"):
        LifetimeMixture.single(0.0).weights(np.zeros(2), 3.0)
    with pytest.raises(ValueError, match="given twice"):
        _mixture((1.0, 1.0), (1.0, 2.0))
