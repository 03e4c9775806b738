"""Significances of toys are those of the fits, and the global p-value from correlated toys is calibrated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from models.inference.configuration import InferenceSettings, SystematicsSettings
from models.inference.fits import fit_observed
from models.inference.likelihood import Dataset, compile_likelihood
from models.inference.results import InferenceError
from models.inference.summary import summarise
from models.inference.toy_significances import global_p_value, matched_counts, signed_significances
from models.inference.workspace import build_workspace
from tests.models.histfactory_workspaces import MU, normsys, workspace

N_ATOMIC, WINDOW = 24, 3
EXPECTED = np.linspace(60.0, 30.0, N_ATOMIC)
"""Background in the atomic bins of a small scan."""


def with_counts(likelihood, counts):
    """Return toys of counts alone."""
    return Dataset(counts, likelihood.observed.repeat(len(counts)).auxiliary)


def test_significances_of_toys_are_those_of_the_fits(make_templates):
    likelihood = compile_likelihood(build_workspace(make_templates(), SystematicsSettings()))
    counts = np.random.default_rng(1).poisson(likelihood.observed.counts[0], size=(12, likelihood.model.n_bins))
    found = signed_significances(likelihood, with_counts(likelihood, counts))
    for row, significance in zip(counts.astype(float), found, strict=True):
        toy = likelihood.with_data(Dataset(row[None, :], likelihood.observed.auxiliary))
        expected = summarise(toy, fit_observed(toy), InferenceSettings(impacts=False)).significance
        # Both fits stop within an estimated distance of 1e-9 of the minimum, from different starts.
        assert significance == pytest.approx(expected, abs=2e-4)


def test_equal_toys_have_equal_significances_in_their_order(make_templates):
    likelihood = compile_likelihood(build_workspace(make_templates(), SystematicsSettings()))
    counts = np.random.default_rng(2).poisson(likelihood.observed.counts[0], size=(6, likelihood.model.n_bins))
    found = signed_significances(likelihood, with_counts(likelihood, counts))
    again = signed_significances(likelihood, with_counts(likelihood, np.tile(counts, (3, 1))))
    assert again == pytest.approx(np.tile(found, 3), nan_ok=False)


def mass_point(first):
    """One hypothesis of the small scan: a window of atomic bins, and a side bin on either side that are known well."""
    edges = [0, first, first + WINDOW, N_ATOMIC]
    background = np.add.reduceat(EXPECTED, edges[:-1])
    samples = {
        "signal": ([0.0, 1.0, 0.0], [MU]),
        "background": (background, [normsys("scale", 0.9, 1.1)]),
    }
    likelihood = compile_likelihood(workspace({"mass": samples}, {"mass": list(background)}))
    return likelihood, edges[:-1]


def significances_of(spectra):
    """Return significances of every mass point in every spectrum, shape (n_points, n_spectra)."""
    rows = []
    for first in range(1, N_ATOMIC - WINDOW, 2):
        likelihood, starts = mass_point(first)
        rows.append(signed_significances(likelihood, with_counts(likelihood, np.add.reduceat(spectra, starts, axis=1))))
    return np.stack(rows)


def spectra(n, seed):
    rng = np.random.default_rng(seed)
    # The systematic is common to the whole spectrum of a toy.
    scale = 1.1 ** rng.standard_normal(n)
    return rng.poisson(scale[:, None] * EXPECTED).astype(float)


def test_global_p_value_of_background_is_uniform():
    toys = significances_of(spectra(400, seed=1))
    observed = significances_of(spectra(300, seed=2)).max(axis=0)
    p_global = [global_p_value(largest, toys).p_global for largest in observed]
    assert kstest(p_global, "uniform").pvalue > 0.01
    # Taking mass points for independent would be wrong here: windows overlap, so that neighbours move together.
    assert np.corrcoef(toys)[4, 5] > 0.2
    local = significances_of(spectra(400, seed=3)).ravel()
    assert abs(local.mean()) < 0.1
    assert local.std() == pytest.approx(1.0, abs=0.1)


@given(st.integers(1, 300), st.data())
def test_interval_contains_the_fraction(n_toys, data):
    n_above = data.draw(st.integers(0, n_toys))
    largest = np.concatenate([np.full(n_above, 3.0), np.full(n_toys - n_above, -1.0)])[None, :]
    result = global_p_value(2.0, largest)
    assert result.p_global_low <= result.p_global <= result.p_global_high
    assert result.n_above == n_above
    assert (result.z_global is None) == (n_above in (0, n_toys))
    assert result.p_global_high > 0
    if n_above == 0:
        # No toy: 1 − 0.159^(1/n), the number to quote.
        assert result.p_global_high == pytest.approx(1 - 0.15865525 ** (1 / n_toys), rel=1e-6)


def test_failed_fits_are_counted_and_a_toy_without_any_fit_is_an_error():
    toys = np.array([[1.0, np.nan, 0.5], [2.0, 3.0, np.nan]])
    result = global_p_value(1.5, toys)
    assert (result.n_above, result.n_failed_fits) == (2, 2)
    with pytest.raises(InferenceError, match="at least one fit in every toy"):
        global_p_value(1.0, np.array([[np.nan, 1.0]]))


def test_matched_counts_have_the_mean_of_the_templates_and_keep_the_events():
    rng = np.random.default_rng(4)
    n_toys = 20_000
    nominal, wanted = np.array([5.0, 2.0, 0.0, 4.0]), np.array([2.0, 3.0, 0.5, 4.0])
    expected = nominal * rng.uniform(0.5, 1.5, size=(n_toys, 1))
    counts = rng.poisson(expected).astype(float)
    found = matched_counts(counts, expected, nominal, wanted, rng)
    # Errors of the mean of 20 000 counts around a few events; five of them.
    assert found.mean(axis=0) == pytest.approx(wanted, abs=5 * np.sqrt(5.0 / n_toys))
    assert np.all(found[:, 0] <= counts[:, 0])
    assert np.all(found[:, 1] >= counts[:, 1])
    assert np.array_equal(found[:, 3], counts[:, 3])
