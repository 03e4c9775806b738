"""Pulls of scale factors on pseudo-data with known ones, stability, and independent sources of their uncertainty."""

import numpy as np
import pytest

from models.normalisation import ControlRegion, NormalisationSettings, SpecialRegion, fit_scale_factors
from models.normalisation_checks import stability, toy_pulls
from models.search import Process

TRUE = {Process.TAUTAU: 1.2, Process.QQBAR: 0.7}
SETTINGS = NormalisationSettings()


def regions(seed=1, n_bins=8, weight=0.5):
    """Two distributions in which two components have different shapes, and data with the true factors."""
    rng = np.random.default_rng(seed)
    made = []
    for name, slope in (("ee gcr", 1.0), ("mumu gcr", -1.0)):
        x = np.linspace(0.0, 1.0, n_bins)
        expected = {Process.TAUTAU: 80.0 * np.exp(slope * x), Process.QQBAR: 60.0 * np.exp(-slope * x)}
        data = rng.poisson(sum(TRUE[p] * content for p, content in expected.items()))
        variance = {p: weight * content for p, content in expected.items()}
        made.append(ControlRegion(name, data.astype(float), expected, variance))
    return made


def test_pulls_are_unit_gaussians_on_pseudo_data_of_known_factors():
    n = 200
    pulls = {p.process: p for p in toy_pulls(regions(), TRUE, SETTINGS, n_toys=n, seed=3)}
    assert set(pulls) == set(TRUE)
    for process, found in pulls.items():
        assert found.n_toys == n
        assert found.true_value == TRUE[process]
        # Errors of a mean and a width over 200, four of them; the prior of width one pulls by less than 0.1.
        assert abs(found.mean) < 4.0 / np.sqrt(n)
        assert abs(found.width - 1.0) < 4.0 / np.sqrt(2 * n)


def test_a_factor_at_zero_has_the_width_that_data_give_it():
    """Ten bins alike of one component, none of the other: the factor of that one ends at its bound."""
    shape, other = np.full(10, 40.0), np.linspace(1.0, 40.0, 10)
    expected = {Process.TAUTAU: shape, Process.QQBAR: other}
    variance = {process: 1e-3 * content for process, content in expected.items()}
    region = ControlRegion("gcr", 0.95 * shape - 0.2 * other, expected, variance)
    factors = fit_scale_factors([region], [], SETTINGS)
    assert factors.factors[Process.QQBAR].value == pytest.approx(0.0, abs=1e-3)
    # Observed information of Poisson counts n/λ² at the fit, and the priors of width one.
    rate = factors.factors[Process.TAUTAU].value * shape
    jacobian = np.stack([expected[process] for process in factors.factors])
    widths = np.array([SETTINGS.prior_width(process) for process in factors.factors])
    information = (jacobian * region.data / rate**2) @ jacobian.T + np.diag(widths**-2.0)
    np.testing.assert_allclose(np.asarray(factors.covariance), np.linalg.inv(information), rtol=0.02)


def test_pulls_of_a_factor_at_its_bound_are_those_of_a_normal_estimate_cut_off_at_zero():
    n = 80
    found = next(p for p in toy_pulls(regions(), {**TRUE, Process.QQBAR: 0.0}, SETTINGS, n_toys=n, seed=5)
                 if p.process is Process.QQBAR)  # fmt: skip
    assert found.n_toys == n
    assert found.expected_mean == pytest.approx(1.0 / np.sqrt(2.0 * np.pi))
    # Four errors of mean and width; the prior around one pulls a factor at zero by a tenth of its error.
    assert abs(found.mean - found.expected_mean) < 4.0 * found.expected_width / np.sqrt(n) + 0.1
    assert found.width == pytest.approx(found.expected_width, rel=4.0 / np.sqrt(n))


def test_pseudo_experiments_follow_the_seed():
    first, same, other = (toy_pulls(regions(), TRUE, SETTINGS, n_toys=2, seed=seed)[0].pulls for seed in (1, 1, 2))
    assert first == same != other


def test_a_region_that_disagrees_is_found():
    consistent = regions()
    factors = fit_scale_factors(consistent, [], SETTINGS)
    usual = max(abs(s.pull) for s in stability(consistent, [], factors, SETTINGS))
    assert usual < 3.0
    broken = [consistent[0], consistent[1]._replace(data=2.0 * consistent[1].data)]
    factors = fit_scale_factors(broken, [], SETTINGS)
    worst = stability(broken, [], factors, SETTINGS)[0]
    assert abs(worst.pull) > 4.0 > usual
    assert worst.without in {"ee gcr", "mumu gcr"}


def test_correlation_and_modes_describe_the_same_covariance():
    special = [SpecialRegion("ee scr_tautau", Process.TAUTAU, 130.0, {Process.TAUTAU: 100.0})]
    factors = fit_scale_factors(regions(), special, SETTINGS)
    correlation = np.array(factors.correlation)
    np.testing.assert_allclose(np.diag(correlation), 1.0)
    # Components of similar shape in the sum of two regions compete.
    assert -1.0 < correlation[0, 1] < 0.0
    processes = list(factors.factors)
    total = np.zeros((2, 2))
    for shifts in factors.correlated_modes().values():
        shift = np.array([shifts.get(process, 0.0) for process in processes])
        total += np.outer(shift, shift)
    errors = np.array([factors.factors[process].relative_error for process in processes])
    np.testing.assert_allclose(np.sqrt(np.diag(total)), errors, rtol=1e-9)
    values = np.array([factors.factors[process].value for process in processes])
    covariance = np.array(factors.covariance) / np.outer(values, values)
    assert total[0, 1] == pytest.approx(covariance[0, 1], rel=1e-9)
