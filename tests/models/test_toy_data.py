"""Pseudo-experiments of a mass point: what is injected is found, and goodness of fit is a probability."""

import numpy as np
import pytest
from scipy.stats import kstest

from models.inference.configuration import SystematicsSettings
from models.inference.fits import fit_observed
from models.inference.likelihood import compile_likelihood
from models.inference.toy_data import goodness_of_fit, inject, toy_data
from models.inference.workspace import build_workspace

N_TOYS = 300


@pytest.fixture
def likelihood(make_templates):
    """Tens of events in a bin, so that asymptotic distributions hold."""
    return compile_likelihood(build_workspace(make_templates(scale=5.0), SystematicsSettings()))


def test_toys_fluctuate_counts_and_every_auxiliary_measurement(likelihood):
    point = likelihood.model.initial.copy()
    point[likelihood.poi] = 2.0
    toys = toy_data(likelihood, point, 4000, np.random.default_rng(1))
    expected = likelihood.expected(point)
    # five standard errors of a mean over 4000
    assert np.all(np.abs(toys.counts.mean(axis=0) - expected) < 5.0 * np.sqrt(expected / 4000))
    asimov = likelihood.asimov(point).auxiliary[0]
    constrained = likelihood.constrained
    deviation = (toys.auxiliary.mean(axis=0) - asimov)[constrained]
    spread = toys.auxiliary.std(axis=0)[constrained]
    assert np.all(spread > 0.0)
    assert np.all(np.abs(deviation) < 5.0 * spread / np.sqrt(4000))
    assert np.all(toys.auxiliary[:, ~constrained] == 0.0)


def test_injected_signal_is_found_with_unit_pulls(likelihood):
    study = inject(likelihood, (0.0, 1.0, 3.0), N_TOYS, np.random.default_rng(2))
    assert abs(study.slope - 1.0) < 4.0 * study.slope_error
    assert abs(study.offset) < 4.0 * study.offset_error
    assert study.offset_error < 0.1
    for signal in study.signals:
        assert signal.n_failed == 0
        assert abs(signal.mean - signal.strength) < 4.0 * signal.mean_error
        assert abs(signal.pull_mean) < 4.0 / np.sqrt(N_TOYS)
        assert abs(signal.pull_width - 1.0) < 4.0 / np.sqrt(2.0 * N_TOYS)


def test_a_fit_that_finds_half_of_the_signal_has_half_the_slope(likelihood, monkeypatch):
    """The study looks at the fits, not at what was injected."""
    from models.inference import toy_data as module

    def half(model, data, start, *, poi_free):
        found = fit(model, data, start, poi_free=poi_free)
        found.points[:, model.poi] *= 0.5
        return found

    fit = module.fit
    monkeypatch.setattr(module, "fit", half)
    study = inject(likelihood, (0.0, 3.0), N_TOYS, np.random.default_rng(3))
    assert study.slope == pytest.approx(0.5, abs=4.0 * study.slope_error)


def test_goodness_of_fit_is_uniform_for_a_true_model_and_small_for_a_wrong_one(likelihood):
    rng = np.random.default_rng(4)
    point = likelihood.model.initial.copy()
    point[likelihood.poi] = 0.0
    p_values = []
    for k in range(60):
        truth = likelihood.with_data(toy_data(likelihood, point, 1, np.random.default_rng([5, k])))
        p_values.append(goodness_of_fit(truth, fit_observed(truth).best, 60, 60, rng))
    assert kstest(p_values, "uniform").pvalue > 1e-3
    counts = likelihood.observed.counts.copy()
    counts[0, 2:4] += 8.0 * np.sqrt(counts[0, 2:4]) * np.array([1.0, -1.0])
    wrong = likelihood.with_data(likelihood.observed._replace(counts=counts))
    # Followed with more toys than the first hundred, which could not tell it from one per cent.
    assert goodness_of_fit(wrong, fit_observed(wrong).best, 100, 1600, rng) == pytest.approx(1.0 / 1601.0)
