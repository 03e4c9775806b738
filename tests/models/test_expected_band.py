"""Expected Bayesian limits: toys' limits in closed form and against the precise ones, bands, coverage."""

import numpy as np
import pytest
from scipy.integrate import cumulative_trapezoid
from scipy.optimize import brentq
from scipy.special import gammaincc
from scipy.stats import norm, poisson

from models.inference.bayesian.expected_band import background_toys, expected_band, importance_control, toy_limits
from models.inference.bayesian.settings import BayesianSettings, ExpectedBandSettings, ToyNuisances
from models.inference.configuration import InferenceSettings, LimitMethod, SystematicsSettings
from models.inference.engine import infer
from models.inference.fits import fit_observed
from models.inference.likelihood import Dataset, compile_likelihood
from models.inference.results import Status
from models.inference.workspace import build_workspace
from tests.models.histfactory_workspaces import MU, of_bins, workspace

SETTINGS = BayesianSettings()
SIGNAL, BACKGROUND = 2.0, 3.6


def counting(background_modifiers=()):
    samples = {"signal": ([SIGNAL], [MU]), "background": ([BACKGROUND], background_modifiers)}
    return compile_likelihood(workspace({"bin": samples}, {"bin": [3.0]}))


def null_fit(likelihood):
    return fit_observed(likelihood).null.points[0]


def limits_of(likelihood, counts, seed=1, settings=SETTINGS):
    control = importance_control(0.9, settings)
    start = null_fit(likelihood)
    return toy_limits(likelihood, np.asarray(counts, dtype=float), start, control, np.random.default_rng(seed))


def band_of(likelihood, settings=SETTINGS, seed=1):
    return expected_band(likelihood, null_fit(likelihood), 0.9, settings, np.random.default_rng(seed))


def exact_limit(counts):
    """Flat prior and known background (O. Helene, NIM 212 (1983) 319)."""

    def tail(xsec):
        return gammaincc(counts + 1, BACKGROUND + SIGNAL * xsec) / gammaincc(counts + 1, BACKGROUND)

    return brentq(lambda x: tail(x) - 0.1, 0.0, counts + 10.0)


def test_limits_of_toys_in_closed_form():
    counts = np.arange(12)
    # Nothing is random without nuisance parameters: what is left is the integration in the cross-section.
    assert limits_of(counting(), counts[:, None]) == pytest.approx([exact_limit(n) for n in counts], rel=1e-3)


def test_band_of_a_counting_experiment_is_the_exact_distribution():
    band = band_of(counting(), BayesianSettings(expected=ExpectedBandSettings(n_toys=4000)))
    # Quantiles of the limits are the limits on quantiles of the counts; none of these lies near a step of the Poisson
    # distribution, measured in errors of 4000 toys.
    exact = [exact_limit(poisson.ppf(norm.cdf(z), BACKGROUND)) for z in (-2, -1, 0, 1, 2)]
    assert band.status is Status.OK
    assert band.limits_fb == pytest.approx(exact, rel=1e-3)
    assert band.n_failed == 0


def test_limits_of_toys_with_an_uncertain_background_are_unbiased():
    """Against posteriors integrated over a gamma prior, from which Laplace's approximation is off by per cents."""
    likelihood = counting([of_bins("shapesys", "sideband", [1.8])])
    factors = np.linspace(0.0, 6.0, 1201)
    prior = factors ** (BACKGROUND / 1.8) ** 2 * np.exp(-((BACKGROUND / 1.8) ** 2) * factors)
    xsec = np.linspace(0.0, 25.0, 2501)
    for counts in (0, 3, 9):
        rates = factors * BACKGROUND + SIGNAL * xsec[:, None]
        cumulative = cumulative_trapezoid(poisson.pmf(counts, rates) @ prior, xsec, initial=0.0)
        exact = float(np.interp(0.9, cumulative / cumulative[-1], xsec))
        found = limits_of(likelihood, np.full((300, 1), counts))
        error = found.std() / np.sqrt(found.size)
        assert found.mean() == pytest.approx(exact, abs=4 * error + 1e-3 * exact)
        # One toy's limit is as uncertain as its few draws make it; nothing of that may be common to all.
        assert found.std() < 0.05 * exact


def test_limits_of_toys_agree_with_the_precise_ones(make_templates):
    likelihood = compile_likelihood(build_workspace(make_templates(relative_statistics=0.3), SystematicsSettings()))
    rng = np.random.default_rng(5)
    counts = background_toys(likelihood, null_fit(likelihood), ToyNuisances.PRIOR, 40, rng)
    settings = InferenceSettings(methods=(LimitMethod.QMC,), impacts=False)
    auxiliary = likelihood.observed.auxiliary
    precise = np.array(
        [
            infer(likelihood.with_data(Dataset(row[None, :], auxiliary)), settings, seed=1).quasi_monte_carlo.limit_fb
            for row in counts
        ]
    )
    ratio = limits_of(likelihood, counts) / precise - 1.0
    assert np.abs(ratio).max() < 0.1
    # No bias, within the spread of the mean, and small enough to matter for no band.
    assert abs(ratio.mean()) < 3 * ratio.std() / np.sqrt(ratio.size) + 1e-3
    assert abs(ratio.mean()) < 5e-3


def test_toys_follow_the_priors_or_the_fit():
    likelihood = counting([of_bins("shapesys", "sideband", [1.8])])
    start, rng = null_fit(likelihood), np.random.default_rng(2)
    of_prior = background_toys(likelihood, start, ToyNuisances.PRIOR, 20_000, rng)
    of_fit = background_toys(likelihood, start, ToyNuisances.FITTED, 20_000, rng)
    shape = (BACKGROUND / 1.8) ** 2 + 1.0
    factor = shape - 1.0
    mean = BACKGROUND * shape / factor
    # Negative binomial: Poisson and gamma variances add. A variance from 20 000 values is known to 2 %.
    assert of_prior.mean() == pytest.approx(mean, rel=0.02)
    assert of_prior.var() == pytest.approx(mean + BACKGROUND**2 * shape / factor**2, rel=0.08)
    assert of_fit.var() == pytest.approx(likelihood.expected(start)[0], rel=0.08)


def test_band_depends_on_the_seed_alone(make_templates):
    likelihood = compile_likelihood(build_workspace(make_templates(), SystematicsSettings()))
    few = BayesianSettings(expected=ExpectedBandSettings(n_toys=20))
    first = band_of(likelihood, few)
    assert first == band_of(likelihood, few)
    assert first != band_of(likelihood, few, seed=2)
    assert list(first.limits_fb) == sorted(first.limits_fb)
    assert first.median_error_fb > 0


def test_toys_that_cannot_be_integrated_are_a_status(make_templates):
    likelihood = compile_likelihood(build_workspace(make_templates(), SystematicsSettings()))
    hopeless = ExpectedBandSettings(n_toys=20, first_draws=16, maximum_draws=16, effective_size_above=1e6)
    band = band_of(likelihood, BayesianSettings(expected=hopeless))
    assert band.status is Status.NOT_CONVERGED
    assert band.n_failed == 20
    assert band.limits_fb == (None,) * 5


@pytest.mark.parametrize("truth", [0.0, 0.5, 2.0, 6.0])
def test_limits_cover_whatever_the_cross_section_is(truth):
    """With a flat prior, upper limits on a Poisson signal never cover less than their credibility."""
    likelihood = counting([of_bins("shapesys", "sideband", [1.8])])
    rng = np.random.default_rng(3)
    shape, n_toys = (BACKGROUND / 1.8) ** 2, 3000
    background = BACKGROUND * rng.standard_gamma(shape + 1.0, n_toys) / shape
    distinct, which = np.unique(rng.poisson(background + SIGNAL * truth), return_inverse=True)
    covered = np.mean(truth <= limits_of(likelihood, distinct[:, None])[which])
    assert covered > 0.9 - 3 * np.sqrt(0.09 / n_toys)
    if truth == 6.0:
        # Far from zero the prior no longer matters and coverage comes down to the credibility.
        assert covered < 0.96
