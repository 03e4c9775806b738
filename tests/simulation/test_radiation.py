"""Radiated photons: energy spectrum, angle, and pairs that recoil against them."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from models.constants import ELECTRON_MASS_GEV, MUON_MASS_GEV, TAU_MASS_GEV
from models.kinematics import mass_of
from models.theory.initial_state_radiation import radiated_cross_section
from models.theory.tau_pair import tau_pair_cross_section_fb
from simulation.configuration import RadiationSettings
from simulation.generated import FINAL_STATE
from simulation.radiation import final_state_spectrum, initial_state_spectrum, sample_photon_cosine
from simulation.radiative_pairs import make_radiative_pairs
from simulation.virtual_photon import sample_fermion_cosine

SQRT_S = 10.58
S = SQRT_S**2
SETTINGS = RadiationSettings()
THRESHOLD = 1.0 - 4.0 * TAU_MASS_GEV**2 / S


def _tau_ratio(fraction: np.ndarray) -> np.ndarray:
    return tau_pair_cross_section_fb(S * (1.0 - fraction)) / tau_pair_cross_section_fb(S)


def test_correction_agrees_with_the_complete_second_order_radiator() -> None:
    ours = initial_state_spectrum(S, THRESHOLD, _tau_ratio, SETTINGS).integral
    theirs = radiated_cross_section(
        lambda energy: float(tau_pair_cross_section_fb(energy**2)),
        sqrt_s_gev=SQRT_S,
        lowest_sqrt_s_gev=2.0 * TAU_MASS_GEV,
        points=40,
    ) / float(tau_pair_cross_section_fb(S))
    # The virtual correction 1 + 3β/4 + (α/π)(π²/3 − 1/2) = 1.072 is no part of the shape.
    assert ours * 1.072 == pytest.approx(theirs, rel=0.01)


def test_samples_follow_the_table() -> None:
    spectrum = initial_state_spectrum(S, THRESHOLD, _tau_ratio, SETTINGS)
    sampled = spectrum.sample(100_000, np.random.default_rng(3))
    for hard in (0.01, 0.1, 0.5):
        expected = spectrum.probability_above(hard)
        # five standard deviations of a binomial
        assert np.mean(sampled > hard) == pytest.approx(expected, abs=5 * np.sqrt(expected / 100_000))
    assert sampled.max() <= THRESHOLD
    between = spectrum.sample(1000, np.random.default_rng(4), above=0.1, below=0.2)
    assert 0.1 <= between.min() <= between.max() <= 0.2


def test_heavier_fermions_radiate_less() -> None:
    hard = [final_state_spectrum(S, mass, SETTINGS).probability_above(0.05) for mass in (5e-4, 0.106, 1.777)]
    assert hard[0] > hard[1] > hard[2] > 0.0


@pytest.mark.parametrize("mass", [ELECTRON_MASS_GEV, MUON_MASS_GEV, TAU_MASS_GEV])
def test_photon_angle_follows_bonneau_and_martin(mass: float) -> None:
    fraction = 0.3
    velocity2 = 1.0 - 4.0 * mass**2 / S
    suppression = fraction**2 / (2.0 * (fraction**2 - 2.0 * fraction + 2.0))

    def density(cosine: float) -> float:
        sine2 = 1.0 - cosine**2
        return (sine2 - suppression * sine2**2) / (1.0 - velocity2 * cosine**2) ** 2

    edges = np.array([-0.999, -0.9, -0.5, 0.0, 0.5, 0.9, 0.999])
    expected = np.array([quad(density, a, b)[0] for a, b in pairwise(edges)])
    sampled = sample_photon_cosine(np.full(50_000, fraction), S, mass, np.random.default_rng(5))
    observed, _ = np.histogram(sampled, edges)
    chi2 = stats.chisquare(observed, expected / expected.sum() * observed.sum())
    assert chi2.pvalue > 1e-3


@pytest.mark.parametrize("mass", [ELECTRON_MASS_GEV, TAU_MASS_GEV])
def test_pairs_conserve_four_momentum_and_stay_on_shell(mass: float) -> None:
    rng = np.random.default_rng(6)
    n = 5000
    initial = rng.uniform(0.0, 0.8, n) * (rng.uniform(size=n) < 0.7)
    final = rng.uniform(0.0, 0.9, n) * (rng.uniform(size=n) < 0.7)
    pairs = make_radiative_pairs(
        initial, final, SQRT_S, mass, lambda s: sample_fermion_cosine(4.0 * mass**2 / s, rng), rng
    )
    events = pairs.events(15, rng)
    final = events.status == FINAL_STATE
    total = np.stack([np.bincount(events.event_index[final], p) for p in events.momentum[final].T], axis=1)
    np.testing.assert_allclose(total, np.tile([0.0, 0.0, 0.0, SQRT_S], (n, 1)), atol=1e-9 * SQRT_S)
    for fermion in (pairs.fermion, pairs.antifermion):
        # Rounding of E² − p² at 5 GeV is 10⁻¹⁵ · 25 GeV²
        np.testing.assert_allclose(fermion[:, 3] ** 2 - np.sum(fermion[:, :3] ** 2, axis=1), mass**2, atol=1e-12)
    np.testing.assert_allclose(pairs.s_gev2, S * (1.0 - initial))
    assert np.array_equal(pairs.initial_photon[:, 3] > 0.0, initial > 0.0)


def test_a_collinear_photon_leaves_the_direction_of_the_fermion() -> None:
    """A photon along the fermion takes its share of that fermion's energy and none of the other's."""
    rng = np.random.default_rng(7)
    n = 4000
    pairs = make_radiative_pairs(
        np.zeros(n), np.full(n, 0.2), SQRT_S, ELECTRON_MASS_GEV, lambda s: np.zeros_like(s), rng
    )
    along = np.sum(pairs.final_photon[:, :3] * pairs.fermion[:, :3], axis=1) / (
        pairs.final_photon[:, 3] * np.linalg.norm(pairs.fermion[:, :3], axis=1)
    )
    collinear = along > 1.0 - 1e-6
    assert np.count_nonzero(collinear) > 300
    np.testing.assert_allclose(pairs.fermion[collinear, 3], 0.8 * 0.5 * SQRT_S, rtol=1e-3)
    np.testing.assert_allclose(pairs.antifermion[collinear, 3], 0.5 * SQRT_S, rtol=1e-3)
    assert mass_of(pairs.fermion + pairs.antifermion) == pytest.approx(SQRT_S * np.sqrt(0.8))


def test_fermion_cosine_moments() -> None:
    n = 100_000
    for ratio in (0.0, 0.4, 1.0):
        cosine = sample_fermion_cosine(np.full(n, ratio), np.random.default_rng(8))
        # ⟨c²⟩ of 1 + c² + r(1 − c²)
        integral = 8.0 / 3.0 + ratio * 4.0 / 3.0
        expected = (2.0 / 3.0 + 2.0 / 5.0 + ratio * (2.0 / 3.0 - 2.0 / 5.0)) / integral
        assert np.mean(cosine**2) == pytest.approx(expected, abs=5 * 0.3 / np.sqrt(n))
        assert np.mean(cosine) == pytest.approx(0.0, abs=5 * 0.63 / np.sqrt(n))
