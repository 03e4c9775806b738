"""Sampling by charged multiplicity: where it aims, and its limits."""

import numpy as np
import pytest
from scipy.stats import binom

from simulation.configuration import MultiplicitySettings
from simulation.hadronic_multiplicity import four_track_chance, multiplicity_enrichment

SETTINGS = MultiplicitySettings()


def test_chance_is_that_of_four_found_tracks() -> None:
    n = np.arange(15)
    binomial = binom.pmf(4, n, SETTINGS.track_efficiency)
    with_pair = binom.pmf(4, n + 2, SETTINGS.track_efficiency)
    expected = binomial + SETTINGS.pair_fraction * (with_pair - binomial)
    np.testing.assert_allclose(four_track_chance(n, SETTINGS), expected, rtol=1e-12)


def test_enrichment_lies_between_nature_and_what_is_asked_for() -> None:
    n = np.arange(30)
    enrichment = multiplicity_enrichment(n, 7.0, SETTINGS)
    assert enrichment.min() == pytest.approx(1.0, abs=1e-3)
    assert enrichment.max() == pytest.approx(7.0)
    assert np.all(np.diff(enrichment[4:]) <= 1e-12)
    np.testing.assert_array_equal(multiplicity_enrichment(n, 1.0, SETTINGS), 1.0)
