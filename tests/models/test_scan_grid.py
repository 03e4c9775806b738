import csv
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.constants import JPSI_MASS_GEV, PSI2S_MASS_GEV
from models.errors import ConfigurationError
from models.scan_grid import (
    BinningError,
    MassPoint,
    MassRange,
    ScanSettings,
    display_edges_gev,
    fit_edges_gev,
    mass_points,
    sum_into_bins,
    union_of_edges_gev,
)
from models.search import Channel, Search

SETTINGS = ScanSettings()


def resolution(m_phi_gev: float) -> float:
    return 0.0015 + 0.003 * m_phi_gev


def test_the_mass_points_are_those_of_the_published_table():
    with (files("models") / "published" / "belle2022_xi_limits.csv").open() as table:
        lines = [line for line in table if not line.startswith("#")]
    published = [float(row["m_phi_gev"]) for row in csv.DictReader(lines)]
    assert [point.m_phi_gev for point in mass_points()] == pytest.approx(published, abs=1e-9)


def test_counts_searches_and_vetoes():
    points = mass_points()
    by_search = {search: [p.m_phi_gev for p in points if p.search is search] for search in Search}
    assert {search: len(masses) for search, masses in by_search.items()} == {
        Search.EE_DISPLACED: 6,
        Search.EE: 12,
        Search.MUMU: 244,
    }
    assert max(by_search[Search.EE_DISPLACED]) < 0.1 <= min(by_search[Search.EE])
    mumu = np.array(by_search[Search.MUMU])
    assert np.min(np.abs(mumu - JPSI_MASS_GEV)) >= 0.05
    assert np.min(np.abs(mumu - PSI2S_MASS_GEV)) >= 0.05


def test_a_range_that_is_not_whole_steps_is_refused():
    with pytest.raises(ConfigurationError, match="whole number of steps"):
        mass_points(ScanSettings(ee=MassRange(first_gev=0.04, last_gev=0.215, step_gev=0.01)))


@given(st.sampled_from(mass_points()), st.floats(2e-4, 0.2))
def test_fit_bins_follow_the_specification(point, sigma):
    edges = fit_edges_gev(point, sigma, SETTINGS)
    low, high = point.search.window
    assert np.all(np.diff(edges) > 0)
    assert low - 1e-6 <= edges[0] <= low
    assert edges[-1] == high
    first, last = max(low, point.m_phi_gev - 2 * sigma), min(high, point.m_phi_gev + 2 * sigma)
    inner = edges[(edges > first - 2e-6) & (edges < last + 2e-6)]
    assert 2 <= len(inner) - 1 <= 8
    # edges are rounded to the lattice, so widths agree to one lattice step on either side
    assert np.ptp(np.diff(inner)) <= 2.1e-6
    n_side = int(first - edges[0] > 2e-6) + int(edges[-1] - last > 2e-6)
    assert len(edges) - 1 == len(inner) - 1 + n_side


def test_vanishing_side_bins_are_dropped():
    near_threshold = fit_edges_gev(MassPoint(Search.MUMU, 0.225), 0.01, SETTINGS)
    assert near_threshold[0] == pytest.approx(2 * Channel.MUMU.lepton_mass_gev, abs=1e-6)
    assert len(near_threshold) - 1 == 4 + 1
    near_the_end = fit_edges_gev(MassPoint(Search.EE, 0.21), 0.021, SETTINGS)
    assert len(near_the_end) - 1 == 8 + 1


def test_a_resolution_without_meaning_is_named():
    with pytest.raises(BinningError, match=r"ee m0.120: the mass resolution is nan"):
        fit_edges_gev(MassPoint(Search.EE, 0.12), float("nan"), SETTINGS)
    with pytest.raises(BinningError, match="do not fit"):
        fit_edges_gev(MassPoint(Search.EE, 0.12), 1e-7, SETTINGS)


@pytest.mark.parametrize("search", list(Search))
def test_every_template_is_an_exact_sum_of_atomic_bins(search):
    atomic = union_of_edges_gev(search, resolution, SETTINGS)
    rng = np.random.default_rng(3)
    masses = rng.uniform(*search.window, 20_000)
    filled = np.histogram(masses, atomic)[0].astype(float)
    points = [point for point in mass_points() if point.search is search]
    for point in points[:: max(1, len(points) // 12)]:
        edges = fit_edges_gev(point, resolution(point.m_phi_gev), SETTINGS)
        np.testing.assert_array_equal(sum_into_bins(filled, atomic, edges), np.histogram(masses, edges)[0])
    display = display_edges_gev(search, SETTINGS)
    np.testing.assert_array_equal(sum_into_bins(filled, atomic, display), np.histogram(masses, display)[0])


def test_display_edges_are_multiples_of_their_width():
    edges = display_edges_gev(Search.EE, SETTINGS)
    np.testing.assert_allclose(edges[1:], 0.0025 * np.arange(1, 101), atol=1e-12)
    assert display_edges_gev(Search.MUMU, SETTINGS)[1] == 0.22


def test_a_foreign_edge_is_refused():
    with pytest.raises(BinningError, match=r"0\.500000 GeV"):
        sum_into_bins(np.ones(2), np.array([0.0, 1.0, 2.0]), np.array([0.5, 2.0]))
