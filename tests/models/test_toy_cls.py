"""CLs limits from toys against exact enumeration, pyhf's toys and the asymptotic limits; goodness of fit from toys."""

import numpy as np
import pyhf
import pytest
from scipy.optimize import brentq
from scipy.special import gammaln, xlogy
from scipy.stats import chi2, norm, poisson

from models.inference.cls_limits import BAND_SIGMAS
from models.inference.configuration import InferenceSettings, LimitMethod, SystematicsSettings, ToyClsSettings
from models.inference.engine import infer, infer_mass_point
from models.inference.fits import fit_observed
from models.inference.likelihood import compile_likelihood
from models.inference.results import Status
from models.inference.toy_cls import cls_from_toys, toy_cls_limits, toy_statistics
from models.inference.toy_data import log_densities, toy_data
from models.inference.workspace import build_workspace
from models.search import Process
from tests.models.histfactory_workspaces import MU, WRITTEN, of_bins, workspace

SIGNAL = 2.0
INTERPOLATION = 2e-3
"""Relative accuracy of the interpolation between tested cross-sections."""
UNCORRELATED = WRITTEN["uncorrelated background"]
SETTINGS = InferenceSettings(methods=(LimitMethod.CLS, LimitMethod.CLS_TOYS), impacts=False)


def counting(counts, background, modifiers=()):
    samples = {"signal": ([SIGNAL], [MU]), "background": ([background], modifiers)}
    return compile_likelihood(workspace({"bin": samples}, {"bin": [float(counts)]}))


def limits_of(likelihood, seed=1, **changes):
    settings = SETTINGS.model_copy(update={"toy_cls": ToyClsSettings(**changes)})
    rng = np.random.default_rng(seed)
    return toy_cls_limits(likelihood, fit_observed(likelihood), settings, rng, blinded=False)


def exact_limit(counts, background):
    """q̃ falls as the count rises, so that CLs is a ratio of Poisson probabilities of at most that count (Zech)."""

    def cls(xsec):
        return poisson.cdf(counts, background + SIGNAL * xsec) / poisson.cdf(counts, background)

    return brentq(lambda xsec: cls(xsec) - 0.1, 1e-9, counts + 20.0)


@pytest.mark.parametrize(("counts", "background"), [(0, 0.5), (3, 3.0), (12, 3.0), (0, 10.0)])
def test_counting_experiment_is_exact(counts, background):
    likelihood = counting(counts, background)
    found = limits_of(likelihood)
    exact = exact_limit(counts, background)
    assert found.status_observed is found.status_expected is Status.OK
    assert found.observed_error_fb < 0.01 * exact
    assert found.observed_fb == pytest.approx(exact, abs=4 * found.observed_error_fb + INTERPOLATION * exact)
    # Limits on quantiles of the count; none lies near a step of the Poisson distribution, in errors of the toys.
    quantiles = poisson.ppf(norm.cdf(BAND_SIGMAS), background)
    for limit, error, quantile in zip(found.expected_fb, found.expected_errors_fb, quantiles, strict=True):
        expected = exact_limit(quantile, background)
        assert limit == pytest.approx(expected, abs=4 * error + INTERPOLATION * expected)
    if background < 1:
        # What toys are for: asymptotic distributions are far off.
        asymptotic = infer(likelihood, SETTINGS.model_copy(update={"methods": (LimitMethod.CLS,)}), 1).cls
        assert asymptotic.observed_fb < 0.75 * exact
        assert asymptotic.expected_fb[0] < 0.4 * found.expected_fb[0]


def profiled_factor(xsec, n, m, background, scale):
    """Background factor that maximises Poisson(n | sσ + γb) Poisson(m | γf), the root of a quadratic equation."""
    signal, both = SIGNAL * xsec, background + scale
    a, b, c = both * background, both * signal - (n + m) * background, -m * signal
    return np.maximum((-b + np.sqrt(b**2 - 4 * a * c)) / (2 * a), 1e-10)


def test_background_from_a_side_band_is_enumerated():
    """All outcomes of two counts, with nuisances fitted in closed form, instead of toys."""
    background, scale, observed = 4.0, 4.0, (5, 4)
    n, m = np.meshgrid(np.arange(50.0), np.arange(25.0), indexing="ij")
    factorials = gammaln(n + 1) + gammaln(m + 1)

    def log_likelihood(xsec, factor):
        first, second = SIGNAL * xsec + factor * background, factor * scale
        return xlogy(n, first) - first + xlogy(m, second) - second - factorials

    free = np.maximum((n - m * background / scale) / SIGNAL, 0.0)
    best = log_likelihood(free, np.where(free > 0, np.maximum(m / scale, 1e-10), (n + m) / (background + scale)))

    def probabilities(xsec):
        statistic = 2 * (best - log_likelihood(xsec, profiled_factor(xsec, n, m, background, scale)))
        statistic = np.where(free > xsec, 0.0, statistic)
        weights = [
            np.exp(log_likelihood(truth, float(profiled_factor(truth, *observed, background, scale))))
            for truth in (xsec, 0.0)
        ]
        return statistic, *weights

    def cls(xsec, quantile=None):
        statistic, signal, null = probabilities(xsec)
        cut = statistic[observed]
        if quantile is not None:
            order = np.argsort(-statistic, axis=None)
            cut = statistic.ravel()[order][np.searchsorted(np.cumsum(null.ravel()[order]), quantile)]
        extreme = statistic >= cut - 1e-9
        return signal[extreme].sum() / null[extreme].sum()

    likelihood = counting(observed[0], background, [of_bins("shapesys", "side_band", [2.0])])
    found = limits_of(likelihood)
    exact = [brentq(lambda x, q=q: cls(x, q) - 0.1, 0.3, 9.0, xtol=1e-3) for q in (None, *norm.cdf(BAND_SIGMAS))]
    # Outcomes change their order as the cross-section does: the exact curves have steps of up to a per cent.
    assert found.observed_fb == pytest.approx(exact[0], abs=4 * found.observed_error_fb + 0.01 * exact[0])
    for limit, error, expected in zip(found.expected_fb, found.expected_errors_fb, exact[1:], strict=True):
        assert limit == pytest.approx(expected, abs=4 * error + 0.01 * expected)


def test_statistic_is_pyhfs():
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-10))
    model = pyhf.Workspace(UNCORRELATED).model()
    likelihood = compile_likelihood(UNCORRELATED)
    start = likelihood.model.initial.copy()
    toys = toy_data(likelihood, start, 8, np.random.default_rng(1))
    tested = np.array([0.3, 0.9])
    found, usable = toy_statistics(likelihood, toys, np.repeat(start[None, :], 8, axis=0), tested)
    init, bounds, fixed = model.config.suggested_init(), model.config.suggested_bounds(), model.config.suggested_fixed()
    auxiliary = toys.auxiliary[:, likelihood.model.auxiliary_parameter]
    expected = [
        [float(pyhf.infer.test_statistics.qmu_tilde(mu, data, model, init, bounds, fixed)) for mu in tested]
        for data in np.concatenate([toys.counts, auxiliary], axis=1)
    ]
    assert usable.all()
    # Its two minimisations stop within some 1e-6 of their minima.
    assert found == pytest.approx(np.array(expected), abs=1e-4)


def test_density_of_toys_is_the_models():
    likelihood = compile_likelihood(WRITTEN["normalisation with luminosity"])
    rng = np.random.default_rng(2)
    points = likelihood.model.initial + np.abs(0.02 * rng.standard_normal((3, likelihood.model.initial.size)))
    toys = toy_data(likelihood, points[0], 5, rng)
    ours = log_densities(likelihood, toys, points)
    full = np.array([[likelihood.log_density(p, toys.select([i])) for p in points] for i in range(5)])
    assert np.diff(ours, axis=1) == pytest.approx(np.diff(full, axis=1), abs=1e-9)


def test_limits_are_those_of_pyhfs_toy_calculator():
    """pyhf 0.7.6: `np.random.seed(1)`, `ToyCalculator(data, model, ntoys=5000)` at μ = 0.7, scipy's tolerance 1e-8."""
    p_signal, p_background = 0.0712, 0.4376
    median_expected = 0.184
    tested, cls = 0.7, p_signal / p_background
    likelihood = compile_likelihood(UNCORRELATED)
    fits, rng = fit_observed(likelihood), np.random.default_rng(1)
    ours = cls_from_toys(likelihood, fits, np.array([tested]), 10_000, rng).item()
    # Binomial errors of 5000 toys for each of the two probabilities; ours are smaller.
    relative = np.sqrt(((1 - p_signal) / p_signal + (1 - p_background) / p_background) / 5000)
    assert ours == pytest.approx(cls, rel=3 * relative)
    at_median = SETTINGS.model_copy(update={"confidence_level": 1 - median_expected})
    found = toy_cls_limits(likelihood, fits, at_median, rng, blinded=False)
    # The limit at the level that pyhf's median dataset has at 0.7; ln CLs falls by 2 |ln CLs| dμ/μ, like a parabola.
    spread = np.hypot(relative / (2 * abs(np.log(median_expected))) * tested, found.expected_errors_fb[2])
    assert found.expected_fb[2] == pytest.approx(tested, abs=3 * spread)


def test_many_events_are_asymptotic():
    samples = {
        "signal": ([100.0, 300.0, 100.0], [MU]),
        "background": ([9e3, 8e3, 7e3], [of_bins("staterror", "statistics", [60.0, 50.0, 40.0])]),
    }
    likelihood = compile_likelihood(workspace({"bins": samples}, {"bins": [9030.0, 8100.0, 7010.0]}))
    found = limits_of(likelihood, relative_error_target=0.02)
    asymptotic = infer(likelihood, SETTINGS.model_copy(update={"methods": (LimitMethod.CLS,)}), 1).cls
    pairs = zip(
        (found.observed_fb, *found.expected_fb),
        (found.observed_error_fb, *found.expected_errors_fb),
        (asymptotic.observed_fb, *asymptotic.expected_fb),
        strict=True,
    )
    for limit, error, expected in pairs:
        # 1/√n of eight thousand events is what is left of the asymptotic formulae's own error.
        assert limit == pytest.approx(expected, abs=4 * error + 0.01 * expected)


def test_stated_errors_cover_the_spread_between_seeds():
    likelihood = counting(5.0, 4.0, [of_bins("shapesys", "side_band", [2.0])])
    found = [limits_of(likelihood, seed, first_toys=1000, maximum_toys=1000, n_resamplings=30) for seed in range(12)]
    spread = np.std([limits.observed_fb for limits in found], ddof=1)
    stated = np.mean([limits.observed_error_fb for limits in found])
    # A standard deviation from twelve values is known to 21 %.
    assert 0.45 < spread / stated < 1.6


def test_too_few_toys_are_a_status_and_not_a_number():
    # Half a thousand toys cannot say what happens to 2 % of them with twenty toys to spare.
    found = limits_of(counting(3, 3.0), first_toys=200, maximum_toys=200)
    assert found.status_expected is Status.NOT_CONVERGED
    assert None in found.expected_fb
    assert [x is None for x in found.expected_fb] == [x is None for x in found.expected_errors_fb]


def test_blinded_point_has_expected_limits_only(make_templates):
    templates = make_templates(data="none", n_bins=3, processes=(Process.TAUTAU,), variation=0.0)
    specification = build_workspace(templates, SystematicsSettings())
    few = SETTINGS.model_copy(update={"toy_cls": ToyClsSettings(first_toys=2000, maximum_toys=2000, n_resamplings=20)})
    first, again, other = (infer_mass_point(specification, few, seed) for seed in (1, 1, 2))
    assert first == again
    assert first.status == Status.BLINDED
    assert first.cls_toys.observed_fb is first.cls_toys.observed_error_fb is None
    assert list(first.cls_toys.expected_fb) == sorted(first.cls_toys.expected_fb)
    assert first.cls_toys != other.cls_toys


def test_goodness_of_fit_is_calibrated_where_chi2_is_wrong():
    """The first bin is all the signal's; in the second 0.7 events are expected and three observed."""
    samples = {"signal": ([1.0, 0.0], [MU]), "background": ([10.0, 0.7], [])}
    likelihood = compile_likelihood(workspace({"bins": samples}, {"bins": [60.0, 3.0]}))
    settings = SETTINGS.model_copy(update={"methods": (), "goodness_toys": 20_000})
    goodness = infer(likelihood, settings, 1).fit.goodness
    outcomes = np.arange(40)
    deviance = 2 * (0.7 - outcomes + outcomes * np.log(np.maximum(outcomes, 1) / 0.7))
    exact = poisson.pmf(outcomes, 0.7)[deviance >= deviance[3] - 1e-9].sum()
    assert goodness.p_value_toys == pytest.approx(exact, abs=4 * goodness.p_value_toys_error)
    assert goodness.p_value_toys_error == pytest.approx(np.sqrt(exact * (1 - exact) / 20_000), rel=0.1)
    assert goodness.p_value == pytest.approx(chi2.sf(deviance[3], 1), rel=1e-4)
    assert abs(goodness.p_value / exact - 1.0) > 0.2


def test_goodness_of_many_events_is_chi2(make_templates):
    workspace_of_many = build_workspace(make_templates(scale=50.0), SystematicsSettings())
    settings = SETTINGS.model_copy(update={"methods": (), "goodness_toys": 1000})
    goodness = infer_mass_point(workspace_of_many, settings, 1).fit.goodness
    assert goodness.p_value_toys == pytest.approx(goodness.p_value, abs=4 * goodness.p_value_toys_error + 0.01)
