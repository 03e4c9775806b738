"""The alternative fit: significances of background alone, injected signal, and the order of the background."""

import numpy as np
import pytest

from models.alternative_fit import AlternativeFitError, AlternativeFitSettings, PeakShape, fit_alternative

EDGES = np.linspace(0.5, 1.5, 401)
SIGMA = 0.008
CENTRE = 0.5 * (EDGES[1:] + EDGES[:-1])


def falling(total=4000.0):
    density = np.exp(-2.0 * (CENTRE - 1.0) + 1.5 * (CENTRE - 1.0) ** 2)
    return total * density / density.sum()


def peak(events, m_phi=1.0):
    cumulative = np.exp(-0.5 * ((CENTRE - m_phi) / SIGMA) ** 2)
    return events * cumulative / cumulative.sum()


def test_background_alone_has_significances_of_a_unit_gaussian():
    rng = np.random.default_rng(3)
    fits = [fit_alternative(rng.poisson(falling()).astype(float), EDGES, 1.0, SIGMA) for _ in range(150)]
    assert all(fit.converged for fit in fits)
    z = np.array([fit.significance for fit in fits])
    assert abs(z.mean()) < 4.0 / np.sqrt(150)
    assert abs(z.std() - 1.0) < 4.0 / np.sqrt(300)


@pytest.mark.parametrize("shape", PeakShape)
@pytest.mark.parametrize("events", [0.0, 60.0, 120.0])
def test_injected_signal_is_found_with_its_size(shape, events):
    settings = AlternativeFitSettings(shape=shape)
    fit = fit_alternative(falling() + peak(events), EDGES, 1.0, SIGMA, settings)
    # Asimov data: exact for a Gaussian, while a Crystal Ball expects 30 % of it in tails
    assert fit.n_signal == pytest.approx(events, abs=2.0 if shape is PeakShape.GAUSSIAN else 5.0 + 0.4 * events)
    assert fit.significance >= (0.0 if events == 0 else 3.0) - 0.5


def test_significance_is_that_of_counting():
    """On a flat, well known background: √(2((s+b) ln(1+s/b) − s)) of a Gaussian peak, by the weights of its bins."""
    flat = np.full(len(CENTRE), 10.0)
    signal = peak(100.0)
    expected = np.sqrt(2.0 * np.sum((signal + flat) * np.log1p(signal / flat) - signal))
    settings = AlternativeFitSettings(half_width_sigma=60.0, maximum_order=0)
    assert fit_alternative(flat + signal, EDGES, 1.0, SIGMA, settings).significance == pytest.approx(expected, rel=0.05)


def test_the_order_follows_the_shape():
    rng = np.random.default_rng(5)
    flat = rng.poisson(np.full(len(CENTRE), 20.0)).astype(float)
    assert fit_alternative(flat, EDGES, 1.0, SIGMA).order <= 1
    wavy = rng.poisson(20.0 * np.exp(1.5 * np.cos(9.0 * (CENTRE - 1.0)))).astype(float)
    assert fit_alternative(wavy, EDGES, 1.0, SIGMA).order >= 2


def test_masked_bins_do_not_count():
    counts = falling()
    masked = np.abs(CENTRE - 1.1) < 0.02
    spoilt = np.where(masked, 1e4, counts)
    kept, clean = (fit_alternative(data, EDGES, 1.0, SIGMA, masked=masked) for data in (spoilt, counts))
    assert kept == clean


def test_without_events_there_is_no_signal():
    fit = fit_alternative(np.zeros(len(CENTRE)), EDGES, 1.0, SIGMA)
    assert abs(fit.significance) < 0.1


def test_a_range_without_bins_is_named():
    with pytest.raises(AlternativeFitError, match=r"m_φ = 9.000 GeV: 0 bins"):
        fit_alternative(falling(), EDGES, 9.0, SIGMA)


def test_a_lone_event_beside_empty_bins_is_fitted():
    """Where the background vanishes its coefficients are not known: the fit goes on along those that are."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        edges = np.linspace(0.0, 2.0, 401)
        counts = np.zeros(400)
        counts[rng.integers(0, 400, size=3)] = 1.0
        fitted = fit_alternative(counts, edges, 1.0, 0.004)
        assert np.isfinite(fitted.significance)
