"""Priors of the cross-section by name, in closed form, and limits at any credibility."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import gamma

from models.inference.bayesian.prior_names import XsecPrior
from models.inference.bayesian.priors import log_prior, prior_in_root
from models.inference.bayesian.settings import BayesianSettings, PosteriorSettings
from models.inference.configuration import InferenceSettings, LimitMethod
from models.inference.engine import infer_mass_point
from models.inference.results import Status
from tests.models.histfactory_workspaces import MU, workspace

METHODS = (LimitMethod.MH, LimitMethod.TOYMC, LimitMethod.QMC)
SIGNAL = 2.0


def counting(counts, background):
    samples = {"signal": ([SIGNAL], [MU]), "background": ([background], [])}
    return workspace({"bin": samples}, {"bin": [counts]})


def limits(specification, prior, level=0.9):
    settings = InferenceSettings(
        methods=METHODS,
        impacts=False,
        confidence_level=level,
        bayesian=BayesianSettings(posterior=PosteriorSettings(prior=prior)),
    )
    result = infer_mass_point(specification, settings, seed=1)
    return result.metropolis, result.prior_averaging, result.quasi_monte_carlo


@pytest.mark.parametrize("prior", [XsecPrior.FLAT_XI, XsecPrior.JEFFREYS])
@pytest.mark.parametrize("counts", [0.0, 1.0, 7.0])
def test_flat_in_the_coupling_without_background_is_a_gamma_posterior(prior, counts):
    """∝ s^(n − 1/2) exp(−s); without background Jeffreys' rule gives the same prior."""
    exact = gamma.ppf(0.9, counts + 0.5) / SIGNAL
    # Background has to be positive; one this small is none.
    for limit in limits(counting(counts, 1e-9), prior):
        assert limit.status is Status.OK
        assert limit.limit_fb == pytest.approx(exact, rel=5e-4)


@pytest.mark.parametrize("prior", list(XsecPrior))
@pytest.mark.parametrize("level", [0.68, 0.95, 0.99])
def test_known_background_against_quadrature_at_any_credibility(prior, level):
    counts, background = 5.0, 3.0
    specification = counting(counts, background)

    def density(root):
        rate = background + SIGNAL * root**2
        return {
            XsecPrior.FLAT_XSEC: 2 * root,
            XsecPrior.FLAT_XI: 2.0,
            XsecPrior.JEFFREYS: 2 * root * SIGNAL / np.sqrt(rate),
        }[prior] * np.exp(counts * np.log(rate) - rate)

    total = quad(density, 0.0, 6.0)[0]
    exact = brentq(lambda root: quad(density, 0.0, root)[0] - level * total, 0.1, 6.0) ** 2
    for limit in limits(specification, prior, level):
        assert limit.limit_fb == pytest.approx(exact, rel=5e-4)


@given(
    st.sampled_from(list(XsecPrior)),
    st.floats(1e-3, 1e3),
    st.lists(st.tuples(st.floats(0.0, 50.0), st.floats(1e-3, 10.0)), min_size=1, max_size=4),
)
def test_densities_per_root_and_per_cross_section_are_the_same_prior(prior, root, bins):
    background, signal = (np.array(column) for column in zip(*bins, strict=True))
    per_xsec = np.exp(log_prior(prior, np.array([root**2]), background, signal))[0]
    assert prior_in_root(prior.code, root, background, signal) == pytest.approx(2 * root * per_xsec, rel=1e-9)


@given(st.lists(st.tuples(st.floats(0.1, 50.0), st.floats(1e-3, 10.0)), min_size=1, max_size=4), st.floats(0.0, 100.0))
def test_jeffreys_prior_is_the_root_of_the_expected_information(bins, xsec):
    background, signal = (np.array(column) for column in zip(*bins, strict=True))
    information = np.sum(signal**2 / (background + xsec * signal))
    found = log_prior(XsecPrior.JEFFREYS, np.array([xsec + 1e-12]), background, signal)[0]
    assert found == pytest.approx(0.5 * np.log(information), abs=1e-6)


def test_every_prior_is_integrable_at_zero():
    for prior in XsecPrior:
        assert np.isfinite(prior_in_root(prior.code, 0.0, np.zeros(2), np.ones(2)))
    assert log_prior(XsecPrior.FLAT_XI, np.zeros(1), np.ones(1), np.ones(1))[0] == np.inf
    assert log_prior(XsecPrior.FLAT_XSEC, np.zeros(1), np.ones(1), np.ones(1))[0] == 0.0
