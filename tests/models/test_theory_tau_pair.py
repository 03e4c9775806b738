"""τ-pair helicities and angular distribution against their integrals and limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial.legendre import leggauss

from models.constants import TAU_MASS_GEV
from models.theory.errors import BelowThresholdError
from models.theory.tau_pair import (
    same_helicity_fraction,
    tau_pair_angular_density,
    tau_pair_cross_section_fb,
    tau_pair_helicity_fractions,
)

S_UPSILON_4S = 10.58**2


@given(cosine=st.floats(-1.0, 1.0), energy=st.floats(3.56, 1000.0))
def test_fractions_are_probabilities_symmetric_under_parity(cosine: float, energy: float) -> None:
    fractions = tau_pair_helicity_fractions(cosine, energy**2)
    assert fractions.shape == (2, 2)
    assert np.all(fractions >= 0.0)
    assert fractions.sum() == pytest.approx(1.0, abs=1e-12)
    assert fractions[0, 0] == fractions[1, 1]
    assert fractions[0, 1] == fractions[1, 0]


def test_integrals_over_the_polar_angle() -> None:
    nodes, weights = leggauss(8)
    density = tau_pair_angular_density(nodes, S_UPSILON_4S)
    fractions = tau_pair_helicity_fractions(nodes, S_UPSILON_4S)
    assert weights @ density == pytest.approx(1.0, abs=1e-12)
    same = weights @ (density * (fractions[:, 0, 0] + fractions[:, 1, 1]))
    assert same == pytest.approx(same_helicity_fraction(S_UPSILON_4S), abs=1e-12)


def test_about_five_percent_have_equal_helicities_at_the_upsilon_4s() -> None:
    assert same_helicity_fraction(S_UPSILON_4S) == pytest.approx(0.0534, abs=1e-4)


def test_at_threshold_taus_are_an_s_wave_and_at_high_energy_helicity_is_conserved() -> None:
    threshold = 4.0 * TAU_MASS_GEV**2
    np.testing.assert_allclose(tau_pair_angular_density(np.linspace(-1, 1, 5), threshold), 0.5)
    assert same_helicity_fraction(threshold) == pytest.approx(1.0 / 3.0)
    assert same_helicity_fraction(1e8) < 1e-6


def test_massless_limit_of_the_cross_section() -> None:
    assert tau_pair_cross_section_fb(1e4) == pytest.approx(86.85e6 / 1e4, rel=1e-3)


def test_below_threshold_is_named() -> None:
    with pytest.raises(BelowThresholdError, match="GeV²"):
        tau_pair_helicity_fractions(0.0, 12.0)
