"""The precise Bayesian limit against brute-force integration, and whether its stated error is its error."""

import numpy as np
import pytest
from scipy.integrate import cumulative_trapezoid
from scipy.stats import norm, poisson

from models.inference.configuration import InferenceSettings, LimitMethod, QuasiMonteCarloSettings, SystematicsSettings
from models.inference.engine import infer
from models.inference.likelihood import compile_likelihood
from models.inference.workspace import build_workspace
from tests.models.histfactory_workspaces import MU, normsys, workspace

N_SEEDS = 32
SETTINGS = InferenceSettings(methods=(LimitMethod.QMC,), impacts=False)
BACKGROUNDS, SIGNALS, COUNTS = np.array([6.0, 3.0]), np.array([1.0, 2.0]), np.array([8.0, 4.0])
RATE, EFFICIENCY = 1.35, 1.2
"""Factors of one standard deviation of background and signal; their inverses the other way."""


def two_bins():
    samples = {
        "signal": (SIGNALS, [MU, normsys("efficiency", 1 / EFFICIENCY, EFFICIENCY)]),
        "background": (BACKGROUNDS, [normsys("rate", 1 / RATE, RATE)]),
    }
    return compile_likelihood(workspace({"bins": samples}, {"bins": COUNTS}))


def brute_force_limit(credibility=0.9):
    """Posterior of two bins on a grid over both nuisance parameters, a log-normal factor each."""
    xsec, alpha = np.linspace(0.0, 40.0, 801), np.linspace(-6.0, 6.0, 61)
    density = np.zeros(xsec.size)
    prior = norm.pdf(alpha)
    for rate, weight in zip(RATE**alpha, prior, strict=True):
        rates = rate * BACKGROUNDS + (EFFICIENCY ** alpha[:, None] * SIGNALS)[:, None, :] * xsec[:, None]
        density += weight * (prior @ poisson.pmf(COUNTS, rates).prod(axis=2))
    cumulative = cumulative_trapezoid(density, xsec, initial=0.0)
    return float(np.interp(credibility, cumulative / cumulative[-1], xsec))


def limits_of(likelihood, seeds, settings=SETTINGS):
    found = [infer(likelihood, settings, seed).quasi_monte_carlo for seed in seeds]
    return np.array([f.limit_fb for f in found]), np.array([f.limit_fb * f.relative_error for f in found])


def test_limit_is_that_of_brute_force():
    exact = brute_force_limit()
    limits, errors = limits_of(two_bins(), range(4))
    # 2e-4: interpolation in the cross-section, and the grid's spacing.
    assert limits == pytest.approx(np.full(4, exact), abs=4 * errors.max() + 2e-4 * exact)
    assert errors.max() < 2e-3 * exact


def test_pulls_are_unit_where_the_posterior_is_far_from_normal():
    """Few events and a log-normal background: a proposal as narrow as the posterior's bulk misses its tails."""
    limits, errors = limits_of(two_bins(), range(N_SEEDS))
    pulls = (limits - brute_force_limit()) / errors
    assert abs(pulls.mean()) < 3.0 / np.sqrt(N_SEEDS)
    assert 0.7 < pulls.std(ddof=1) < 1.45


@pytest.mark.parametrize("relative_statistics", [0.1, 0.4])
def test_pulls_over_seeds_are_unit(make_templates, relative_statistics):
    """Of an analysis-like model against the same integral with 32 times the draws."""
    templates = make_templates(relative_statistics=relative_statistics, injected_fb=2.0)
    likelihood = compile_likelihood(build_workspace(templates, SystematicsSettings()))
    precise = QuasiMonteCarloSettings(log2_first_draws=11, log2_maximum_draws=11)
    (exact,), (error,) = limits_of(likelihood, [1000], SETTINGS.model_copy(update={"quasi_monte_carlo": precise}))
    limits, errors = limits_of(likelihood, range(N_SEEDS))
    assert error < 0.3 * errors.mean()
    pulls = (limits - exact) / errors
    # Errors of mean and width of 32 pulls, whose errors come from 16 shifts each (Student's t: width 1.07).
    assert abs(pulls.mean()) < 3.0 / np.sqrt(N_SEEDS)
    assert 0.7 < pulls.std(ddof=1) < 1.45
    assert errors.max() < 2e-3 * exact
