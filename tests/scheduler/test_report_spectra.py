"""What the report's spectra show: yields after scale factors, their total uncertainty, and nothing that is blinded."""

import numpy as np
import pytest

from models.published_limits import PublishedLimits
from models.search import Process, Search
from processors.histograms import SearchHistograms, empty_histograms
from scheduler.limits_table import LimitRow
from scheduler.report.metrics import median_ratio, xi_projection
from scheduler.report.spectra import merged_edges_gev, region_spectrum, systematic_sources
from scheduler.report.spectrum_figures import poisson_interval
from tests.scheduler.test_limits_table import row

EDGES = np.array([0.0, 0.1, 0.2])
FINE = np.array([0.0, 0.05, 0.1, 0.15, 0.2])


@pytest.fixture
def histograms() -> SearchHistograms:
    """τ pairs with 4 + 6 events of weight 2 and a source of ±10 %; qq̄ with one event; three data events."""
    filled = empty_histograms(Search.EE, EDGES, FINE)
    region = filled.signal_region
    masses = np.repeat([0.02, 0.12], [4, 6])
    for variation, factor in (("nominal", 2.0), ("tracking_up", 2.2), ("tracking_down", 1.8)):
        region.fill(process="tautau", variation=variation, mass=masses, weight=factor)
    region.fill(process="qqbar", variation="nominal", mass=[0.03], weight=3.0)
    region.fill(process="qqbar", variation="tracking_up", mass=[0.03], weight=3.3)
    region.fill(process="qqbar", variation="tracking_down", mass=[0.03], weight=2.7)
    region.fill(process="data", variation="nominal", mass=[0.02, 0.02, 0.12], weight=1.0)
    return filled


def test_yields_and_quadrature_of_uncertainties(histograms: SearchHistograms) -> None:
    factors = {Process.TAUTAU: (0.5, 0.2), Process.QQBAR: (2.0, 0.0)}
    spectrum = region_spectrum(histograms, "sr", EDGES, factors)
    np.testing.assert_allclose(spectrum.backgrounds[Process.TAUTAU], [4.0, 6.0])
    np.testing.assert_allclose(spectrum.backgrounds[Process.QQBAR], [6.0, 0.0])
    np.testing.assert_allclose(spectrum.total, [10.0, 6.0])
    statistics = np.array([0.25 * 16 + 4.0 * 9, 0.25 * 24])
    scale_factor = np.array([(0.2 * 4.0) ** 2, (0.2 * 6.0) ** 2])
    tracking = np.array([1.0, 0.6]) ** 2  # 10 % of the total, moved together in all components
    np.testing.assert_allclose(spectrum.uncertainty**2, statistics + scale_factor + tracking)
    assert spectrum.data is not None
    np.testing.assert_array_equal(spectrum.data, [2.0, 1.0])
    assert systematic_sources(histograms.signal_region) == ["tracking"]


def test_blinded_means_no_data(histograms: SearchHistograms) -> None:
    assert region_spectrum(histograms, "sr", EDGES, {}, opened_fraction=0.0).data is None


def test_expectations_are_those_of_the_data_that_were_opened(histograms: SearchHistograms) -> None:
    everything, tenth = (region_spectrum(histograms, "sr", EDGES, {}, opened_fraction=part) for part in (1.0, 0.1))
    np.testing.assert_allclose(tenth.total, 0.1 * everything.total)
    np.testing.assert_allclose(tenth.uncertainty, 0.1 * everything.uncertainty)
    np.testing.assert_array_equal(tenth.data, everything.data)


def test_merged_bins_keep_both_ends() -> None:
    edges = np.linspace(0.0, 7.0, 701)
    merged = merged_edges_gev(edges, 100)
    assert len(merged) == 101
    assert (merged[0], merged[-1]) == (0.0, 7.0)
    np.testing.assert_array_equal(merged_edges_gev(edges, 1000), edges)


def test_poisson_interval_is_garwoods() -> None:
    # R. D. Cousins et al. and PDG Statistics, table 40.3, at 68.27 %: 0 → (0, 1.84), 4 → (2.09, 7.16)
    low, high = poisson_interval(np.array([0.0, 4.0]))
    np.testing.assert_allclose(low, [0.0, 2.09], atol=0.01)
    np.testing.assert_allclose(high, [1.84, 7.16], atol=0.01)


def test_ratio_to_published_is_projected_in_luminosity() -> None:
    published = PublishedLimits("x", "y", np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 4.0]))
    rows: list[LimitRow] = [
        row(0.1, xi_exp_0=4.0),
        row(0.2, xi_exp_0=6.0),
        row(0.3, xi_exp_0=8.0),
        row(0.4, xi_exp_0=1),
    ]
    assert median_ratio(rows, published, xi_projection(1.0, 16.0)) == pytest.approx(1.5)
    assert median_ratio([row(0.1)], published, 1.0) is None
