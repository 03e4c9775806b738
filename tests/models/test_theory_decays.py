"""Widths, branching fractions, decay length and Δa_μ against formulas, limits and independent integrals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from models.constants import ALPHA_EM, ELECTRON_MASS_GEV, HIGGS_VEV_GEV, MUON_MASS_GEV, TAU_MASS_GEV
from models.search import Channel
from models.theory.configuration import MuonG2Settings
from models.theory.decays import Decay, branching_fraction, ctau_mm, total_width_gev
from models.theory.errors import MassRangeError
from models.theory.muon_g2 import delta_a_mu, xi_favoured_band
from models.theory.widths import Lepton, fermion_loop_form_factor, gamma_gamma_width_gev, partial_width_gev

masses = st.floats(2.1 * ELECTRON_MASS_GEV, 7.0)


def _form_factor_by_integration(tau: float) -> complex:
    """A(τ) from the Feynman-parameter integral 4∫dx∫₀^{1−x}dy (1 − 4xy)/(1 − 4τxy), below threshold."""

    def inner(x: float) -> float:
        return quad(lambda y: (1 - 4 * x * y) / (1 - 4 * tau * x * y), 0, 1 - x)[0]

    return 4.0 * quad(inner, 0, 1)[0]


@pytest.mark.parametrize("tau", [1e-6, 2e-3, 0.1, 0.6, 0.95])
def test_form_factor_below_threshold_is_the_feynman_parameter_integral(tau: float) -> None:
    assert complex(fermion_loop_form_factor(tau)).real == pytest.approx(_form_factor_by_integration(tau), rel=1e-6)


def test_form_factor_above_threshold_satisfies_its_dispersion_relation() -> None:
    """Re A(τ) − A(0) = τ/π ∫ Im A(t)/(t(t − τ)) dt: analyticity ties the two branches of the formula together."""

    def imaginary(t: float) -> float:
        return complex(fermion_loop_form_factor(t)).imag

    for tau in (0.5, 0.9):
        integral = quad(lambda t, tau=tau: imaginary(t) / (t * (t - tau)), 1, np.inf, limit=400)[0]
        expected = 4.0 / 3.0 + tau / np.pi * integral
        assert complex(fermion_loop_form_factor(tau)).real == pytest.approx(expected, rel=1e-5)


def test_form_factor_is_continuous_where_the_formula_changes() -> None:
    for tau in (1e-3, 1.0):
        low, high = fermion_loop_form_factor([tau * (1 - 1e-9), tau * (1 + 1e-9)])
        assert abs(high - low) < 1e-4 * abs(low)  # a square-root cusp at threshold


def test_light_loop_falls_like_a_squared_logarithm() -> None:
    tau = 1e9
    expected = 2.0 / tau * (1.0 - 0.25 * (np.log(4 * tau) - 1j * np.pi) ** 2)
    assert abs(fermion_loop_form_factor(tau) / expected - 1.0) < 1e-6


def test_photon_width_with_infinitely_heavy_leptons_is_the_low_energy_theorem() -> None:
    mass = 0.15
    amplitude = sum(complex(fermion_loop_form_factor((mass / 2 / lepton.mass_gev) ** 2)) for lepton in Lepton)
    heavy = ALPHA_EM**2 * mass**3 / (144 * np.pi**3 * HIGGS_VEV_GEV**2)  # |A| = 4/3
    assert gamma_gamma_width_gev(mass) / heavy == pytest.approx(abs(amplitude) ** 2 * 9 / 16, rel=1e-12)


@given(mass=masses, xi=st.floats(0.01, 30.0))
def test_branching_fractions_add_to_one_and_lifetime_scales(mass: float, xi: float) -> None:
    for include_photons in (True, False):
        total = sum(branching_fraction(mass, decay, include_photons=include_photons) for decay in Decay)
        assert total == pytest.approx(1.0, abs=1e-12)
    assert ctau_mm(mass, xi) == pytest.approx(ctau_mm(mass) / xi**2, rel=1e-12)


def test_channels_of_the_search_are_decays() -> None:
    assert branching_fraction(1.0, Channel.MUMU) == branching_fraction(1.0, Decay.MUMU)
    assert branching_fraction(0.1, Channel.EE, include_photons=False) == 1.0


def test_muon_to_electron_ratio_is_the_mass_ratio_with_phase_space() -> None:
    ratio = partial_width_gev(1.0, Lepton.MUON) / partial_width_gev(1.0, Lepton.ELECTRON)
    beta = np.sqrt(1 - 4 * MUON_MASS_GEV**2)
    assert ratio == pytest.approx((MUON_MASS_GEV / ELECTRON_MASS_GEV) ** 2 * beta**3, rel=1e-5)


def test_photons_are_not_negligible_below_the_muon_threshold() -> None:
    assert 0.04 < branching_fraction(0.1, Decay.GAMMAGAMMA) < 0.06
    assert 0.15 < branching_fraction(0.2, Decay.GAMMAGAMMA) < 0.30
    assert branching_fraction(0.25, Decay.GAMMAGAMMA) < 1e-3


def test_decay_length_at_the_published_limits_is_centimetres() -> None:
    # ξ limits of arXiv:2207.07476, Table I, at 0.10 and 0.21 GeV.
    assert 55.0 < ctau_mm(0.10, 0.430) < 80.0
    assert ctau_mm(0.21, 0.351) < 60.0


def test_no_decay_below_the_electron_threshold() -> None:
    with pytest.raises(MassRangeError, match=r"1\.022 MeV"):
        total_width_gev(1e-3)


@pytest.mark.parametrize("mass", [1.03e-3, 0.04, 0.1, 1.0, 7.0])
def test_muon_g2_integral(mass: float) -> None:
    ratio = (mass / MUON_MASS_GEV) ** 2

    def integrand(logit: float) -> float:
        x = 1 / (1 + np.exp(-logit))
        return (2 - x) * x**2 / (x**2 + (1 - x) * ratio) * x * (1 - x)

    loop = quad(integrand, -35, 35, epsabs=0, epsrel=1e-10, limit=400)[0]
    expected = (2.5 * MUON_MASS_GEV / HIGGS_VEV_GEV) ** 2 / (8 * np.pi**2) * loop
    assert delta_a_mu(mass, 2.5) == pytest.approx(expected, rel=1e-8)


def test_muon_g2_of_a_heavy_scalar_is_the_leading_logarithm() -> None:
    mass = 7.0
    ratio = (mass / MUON_MASS_GEV) ** 2
    expected = (MUON_MASS_GEV / HIGGS_VEV_GEV) ** 2 / (8 * np.pi**2) / ratio * (np.log(ratio) - 7 / 6)
    assert delta_a_mu(mass) == pytest.approx(expected, rel=5e-3)  # next term is O(ln r / r)


@given(mass=masses)
def test_favoured_band_reproduces_the_measured_difference(mass: float) -> None:
    settings = MuonG2Settings()
    band = xi_favoured_band(mass, settings)
    assert delta_a_mu(mass, band.low) == pytest.approx(settings.difference - 2 * settings.uncertainty, rel=1e-9)
    assert delta_a_mu(mass, band.high) == pytest.approx(settings.difference + 2 * settings.uncertainty, rel=1e-9)


def test_band_reaches_zero_when_the_difference_is_insignificant() -> None:
    band = xi_favoured_band([0.1, 1.0], MuonG2Settings(difference=0.38e-9, uncertainty=0.63e-9, source="2025"))
    np.testing.assert_array_equal(band.low, 0.0)
    assert np.all(band.high > 0.0)


def test_tau_channel_opens_at_twice_the_tau_mass() -> None:
    assert branching_fraction(2 * TAU_MASS_GEV, Decay.TAUTAU) == 0.0
    assert branching_fraction(4.5, Decay.TAUTAU) > 0.9
