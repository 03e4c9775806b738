"""Coverage of limits and frequencies of significances by toys, where they are known."""

import numpy as np
import pytest
from scipy.stats import kstest, norm, poisson

from models.inference.binomial import Fraction
from models.inference.calibration import (
    asymptotic_cls_of,
    at_luminosity,
    covered,
    excess_frequencies,
)
from models.inference.configuration import InferenceSettings, LimitMethod, SystematicsSettings
from models.inference.engine import infer
from models.inference.fits import fit_observed
from models.inference.likelihood import compile_likelihood
from models.inference.toy_data import toy_data
from models.inference.toy_significances import signed_significances
from models.inference.workspace import build_workspace
from tests.models.histfactory_workspaces import MU, normsys, workspace

SETTINGS = InferenceSettings(impacts=False)
SIGNAL, BACKGROUND = 2.0, 3.0


def counting(background=BACKGROUND, modifiers=()):
    samples = {"signal": ([SIGNAL], [MU]), "background": ([background], modifiers)}
    return workspace({"bin": samples}, {"bin": [float(round(background))]})


def at_truth(likelihood, xsec):
    point = fit_observed(likelihood).null.points[0].copy()
    point[likelihood.poi] = xsec
    return point


def test_coverage_of_a_counting_experiment_is_exact():
    """Zech's limit, which is both the Bayesian one and CLs: covered unless the count is too small."""
    likelihood = compile_likelihood(counting())
    truth = 1.6
    counts = np.arange(40)
    excluded = poisson.cdf(counts, BACKGROUND + SIGNAL * truth) / poisson.cdf(counts, BACKGROUND) < 0.1
    exact = 1.0 - poisson.pmf(counts[excluded], BACKGROUND + SIGNAL * truth).sum()
    n_toys = 150
    found = covered(likelihood, at_truth(likelihood, truth), n_toys, 40, 400, SETTINGS, np.random.default_rng(1))
    for method, tested in ((LimitMethod.QMC, n_toys), (LimitMethod.CLS_TOYS, 40)):
        passed, n_found = found[method]
        assert n_found == tested
        assert passed / tested == pytest.approx(exact, abs=3.5 * np.sqrt(exact * (1 - exact) / tested))
    # Asymptotic limits are too low with few events, and cover less.
    assert found[LimitMethod.CLS][0] <= found[LimitMethod.QMC][0]


def test_asymptotic_cls_of_toys_is_that_of_the_limit(make_templates):
    likelihood = compile_likelihood(build_workspace(make_templates(), SystematicsSettings()))
    truth = at_truth(likelihood, 1.0)
    toys = toy_data(likelihood, truth, 4, np.random.default_rng(2))
    cls_only = SETTINGS.model_copy(update={"methods": (LimitMethod.CLS,)})
    for i in range(4):
        toy = toys.select([i])
        limit = infer(likelihood.with_data(toy), cls_only, 1).cls.observed_fb
        # The limit is where CLs has fallen to a tenth, to 1e-4 of the limit.
        assert asymptotic_cls_of(likelihood, toy, limit, truth).item() == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize("luminosity", [1.0, 100.0])
def test_p_values_are_uniform_with_many_events_and_conservative_or_known_with_few(luminosity):
    likelihood = at_luminosity(compile_likelihood(counting(modifiers=[normsys("rate", 0.98, 1.02)])), luminosity)
    null = fit_observed(likelihood).null.points[0]
    toys = toy_data(likelihood, null, 3000, np.random.default_rng(3))
    significances = signed_significances(likelihood, toys)
    assert np.isfinite(significances).all()
    frequencies = excess_frequencies(significances, np.array([1.0, 2.0]))
    if luminosity > 1:
        # 300 events: steps of the Poisson distribution are 2 % of a standard deviation's frequency.
        assert kstest(norm.sf(significances), "uniform").statistic < 1.63 / np.sqrt(3000) + 0.02
        for z, found in zip((1.0, 2.0), frequencies, strict=True):
            assert found.value == pytest.approx(norm.sf(z), abs=3.5 * np.sqrt(norm.sf(z) / 3000) + 0.01)
    else:
        # Three events, known to 2 %: the least count that reaches one and two standard deviations, and its probability.
        counts = np.arange(4.0, 40.0)
        reached = np.sqrt(2 * (counts * np.log(counts / BACKGROUND) - (counts - BACKGROUND)))
        for z, found in zip((1.0, 2.0), frequencies, strict=True):
            exact = poisson.sf(counts[reached >= z][0] - 1, BACKGROUND)
            assert found.value == pytest.approx(exact, abs=3.5 * np.sqrt(exact / 3000))


def test_luminosity_scales_rates_and_keeps_relative_uncertainties(make_templates):
    likelihood = compile_likelihood(build_workspace(make_templates(), SystematicsSettings()))
    scaled = at_luminosity(likelihood, 7.0)
    point = likelihood.model.initial + 0.1
    for before, after in zip(likelihood.rates(point), scaled.rates(point), strict=True):
        assert after == pytest.approx(7.0 * before, rel=1e-12)
    nominal = likelihood.model.initial.copy()
    nominal[likelihood.poi] = 0.0
    assert scaled.observed.counts[0] == pytest.approx(7.0 * likelihood.expected(nominal))


def test_fraction_of_none_or_all_has_an_interval():
    assert Fraction.of(0, 100).high == pytest.approx(1 - 0.15865525**0.01)
    assert Fraction.of(100, 100).low == pytest.approx(0.15865525**0.01)
