"""Bayesian limits against closed formulas and independent numerical integration."""

import numpy as np
import pytest
from scipy.integrate import cumulative_trapezoid, trapezoid
from scipy.optimize import brentq
from scipy.special import gammaincc
from scipy.stats import gamma, poisson

from models.inference.bayesian.settings import BayesianSettings, MetropolisSettings, PriorAveragingSettings
from models.inference.configuration import InferenceSettings, LimitMethod, SystematicsSettings
from models.inference.convergence import diagnose
from models.inference.engine import infer_mass_point
from models.inference.results import Status
from models.inference.workspace import build_workspace

METHODS = (LimitMethod.MH, LimitMethod.TOYMC, LimitMethod.QMC)
INTERPOLATION = 2e-4
"""Relative accuracy of the integration in the cross-section."""
SETTINGS = InferenceSettings(methods=METHODS, impacts=False)
PRECISE = SETTINGS.model_copy(
    update={
        "bayesian": BayesianSettings(
            metropolis=MetropolisSettings(relative_error_target=0.002),
            prior_averaging=PriorAveragingSettings(first_draws=8192),
        )
    }
)


def one_bin(counts, background, modifiers=()):
    samples = [
        {"name": "signal", "data": [2.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
        {"name": "background", "data": [background], "modifiers": list(modifiers)},
    ]
    return {
        "channels": [{"name": "bin", "samples": samples}],
        "observations": [{"name": "bin", "data": [counts]}],
        "measurements": [{"name": "any", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }


def all_limits(workspace, settings=SETTINGS, seed=1):
    result = infer_mass_point(workspace, settings, seed)
    return result.metropolis, result.prior_averaging, result.quasi_monte_carlo


@pytest.mark.parametrize(("counts", "background"), [(0.0, 0.5), (3.0, 3.0), (1.0, 8.0), (40.0, 9.0), (4000.0, 10.0)])
def test_known_background_in_closed_form(counts, background):
    """Posterior of s = 2σ ≥ 0 is a gamma distribution in s + b, cut at b (e.g. O. Helene, NIM 212 (1983) 319)."""

    def tail(xsec):
        return gammaincc(counts + 1, background + 2 * xsec) / gammaincc(counts + 1, background)

    exact = brentq(lambda x: tail(x) - 0.1, 0.0, counts + 10.0)
    for limit in all_limits(one_bin(counts, background)):
        assert limit.status is Status.OK
        # Only the interpolation in σ is left, and the end of the prior range.
        assert limit.limit_fb == pytest.approx(exact, rel=2e-4)


def integrated_limit(counts, background, prior, low, high):
    """Limit from a posterior integrated over a factor on the background on a fine grid."""
    nodes = np.linspace(0.0, 25.0, 2501)
    factors = np.linspace(low, high, 2001)
    likelihood = poisson.pmf(counts, factors * background + 2 * nodes[:, None])
    density = trapezoid(prior(factors) * likelihood, factors, axis=1)
    cumulative = cumulative_trapezoid(density, nodes, initial=0.0)
    return float(np.interp(0.9, cumulative / cumulative[-1], nodes))


def test_poisson_constrained_background_against_quadrature():
    # 4 ± 2 background events: an auxiliary count of four.
    workspace = one_bin(6.0, 4.0, [{"name": "sideband", "type": "shapesys", "data": [2.0]}])
    exact = integrated_limit(6, 4.0, gamma(5.0, scale=0.25).pdf, 0.0, 10.0)
    for limit in all_limits(workspace, PRECISE):
        assert limit.status is Status.OK
        assert limit.limit_fb == pytest.approx(exact, abs=(4 * limit.relative_error + INTERPOLATION) * exact)
        assert limit.relative_error < 0.005


def test_normally_constrained_background_against_quadrature():
    # 70 % statistical uncertainty: the normal prior is cut at zero.
    workspace = one_bin(2.0, 3.0, [{"name": "statistics", "type": "staterror", "data": [2.1]}])
    exact = integrated_limit(2, 3.0, lambda f: np.exp(-0.5 * ((f - 1) / 0.7) ** 2), 0.0, 6.0)
    for limit in all_limits(workspace, PRECISE):
        assert limit.limit_fb == pytest.approx(exact, abs=(4 * limit.relative_error + INTERPOLATION) * exact)


@pytest.mark.parametrize(("seed", "scale", "injected_fb"), [(1, 1.0, 0.0), (2, 0.05, 0.0), (3, 5.0, 8.0)])
def test_all_methods_agree(make_templates, seed, scale, injected_fb):
    templates = make_templates(seed=seed, scale=scale, injected_fb=injected_fb)
    chain, average, precise = all_limits(build_workspace(templates, SystematicsSettings()))
    assert precise.relative_error < 0.004
    for limit in (chain, average):
        assert limit.status is Status.OK
        spread = np.hypot(limit.relative_error, precise.relative_error)
        # Three standard deviations of the Monte Carlo errors.
        assert limit.limit_fb == pytest.approx(precise.limit_fb, rel=3 * spread)
    assert chain.r_hat < SETTINGS.bayesian.metropolis.r_hat_below


@pytest.mark.parametrize("method", [0, 1, 2])
def test_stated_error_covers_the_spread_between_seeds(make_templates, method):
    workspace = build_workspace(make_templates(relative_statistics=0.4), SystematicsSettings())
    limits = [all_limits(workspace, seed=seed)[method] for seed in range(10, 26)]
    spread = np.std([limit.limit_fb for limit in limits], ddof=1) / np.mean([limit.limit_fb for limit in limits])
    stated = np.mean([limit.relative_error for limit in limits])
    # A standard deviation from sixteen values is known to 18 %.
    assert 0.5 < spread / stated < 1.6


def test_result_depends_on_the_seed_alone(make_templates):
    workspace = build_workspace(make_templates(), SystematicsSettings())
    sequence = np.random.SeedSequence(4)
    first, second = (infer_mass_point(workspace, SETTINGS, sequence) for _ in range(2))
    assert first == second == infer_mass_point(workspace, SETTINGS, 4)
    assert first.metropolis.limit_fb != infer_mass_point(workspace, SETTINGS, 5).metropolis.limit_fb


def test_prior_range_grows_until_the_tail_is_negligible():
    # A background known to a factor of a few makes the posterior much wider than the likelihood at its best fit.
    workspace = one_bin(60.0, 50.0, [{"name": "norm", "type": "normsys", "data": {"lo": 0.4, "hi": 2.5}}])
    for limit in all_limits(workspace):
        assert limit.status is Status.OK
        # Flat between nothing and all of the events being signal, within their Poisson error.
        assert 24.0 < limit.limit_fb < 38.0
        assert limit.prior_range_fb > 38.0


def test_too_few_steps_are_reported(make_templates):
    brief = MetropolisSettings(first_look_steps=8, maximum_steps=8)
    hurried = SETTINGS.model_copy(update={"bayesian": BayesianSettings(metropolis=brief)})
    limit, _, _ = all_limits(build_workspace(make_templates(), SystematicsSettings()), hurried)
    assert limit.status is Status.NOT_CONVERGED
    assert limit.limit_fb is None
    assert limit.relative_error > 0


def test_unconstrained_nuisance_has_no_prior_to_average_over():
    workspace = one_bin(6.0, 4.0, [{"name": "free", "type": "normfactor", "data": None}])
    workspace["channels"].append(
        {
            "name": "control",
            "samples": [
                {
                    "name": "background",
                    "data": [40.0],
                    "modifiers": [{"name": "free", "type": "normfactor", "data": None}],
                }
            ],
        }
    )
    workspace["observations"].append({"name": "control", "data": [40.0]})
    chain, average, precise = all_limits(workspace, PRECISE)
    assert average.status is Status.NO_PRIOR
    assert chain.status is Status.OK
    # The control region measures the factor: gamma prior of shape 41 and mean near one.
    exact = integrated_limit(6, 4.0, gamma(41.0, scale=1 / 40.0).pdf, 0.0, 10.0)
    for limit in (chain, precise):
        assert limit.limit_fb == pytest.approx(exact, abs=(4 * limit.relative_error + INTERPOLATION) * exact)


def test_diagnostics_see_correlation_and_disagreement():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(400, 1000))
    walk = np.empty_like(noise)
    walk[:, 0] = noise[:, 0]
    for step in range(1, 1000):
        walk[:, step] = 0.8 * walk[:, step - 1] + 0.6 * noise[:, step]
    # An autoregressive chain of coefficient 0.8 has the autocorrelation time (1 + 0.8)/(1 − 0.8) = 9.
    # The variance of 400 means is known to 7 %.
    assert diagnose(walk).effective_size == pytest.approx(noise.size / 9, rel=0.15)
    assert diagnose(walk + 3.0 * (np.arange(400) % 2)[:, None]).r_hat > 1.5
    assert diagnose(np.ones((4, 8))).r_hat == 1.0
