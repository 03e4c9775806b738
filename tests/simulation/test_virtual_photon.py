"""Virtual photons: how many, of what mass, and what they split into."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.constants import ALPHA_EM, ELECTRON_MASS_GEV, MUON_MASS_GEV, TAU_MASS_GEV
from models.kinematics import mass_of
from models.search import Channel
from models.theory.four_lepton_cross_section import polarised_weights_fb, radiative_trials
from models.theory.tau_pair import tau_pair_cross_section_fb
from simulation.configuration import RadiationSettings
from simulation.generated import DECAYED
from simulation.radiation import final_state_spectrum, initial_state_spectrum
from simulation.radiative_pairs import make_radiative_pairs
from simulation.virtual_photon import sample_fermion_cosine, sample_photon_masses

SQRT_S = 10.58
N = 400_000


def test_fraction_of_hard_wide_angle_photons_that_split() -> None:
    """Far from every limit Kroll and Wada's integral is (2α/3π)(ln(q_max/2m) − 0.41…) for each kind of lepton."""
    pair_mass, fraction = np.full(N, SQRT_S), np.full(N, 0.5)
    masses = sample_photon_masses(pair_mass, fraction, np.zeros(N), 0.0, np.random.default_rng(1))
    light = (masses.lepton_pdg == 11) & (masses.mass_gev < 0.1)
    # ∫ (1 + r/2)√(1 − r) d ln q² with r = 4m²/q² is ln(q²/m²) − 5/3 at q ≫ m: photon propagator at one loop
    expected = ALPHA_EM / (3.0 * np.pi) * (2.0 * np.log(0.1 / ELECTRON_MASS_GEV) - 5.0 / 3.0)
    assert light.mean() == pytest.approx(expected, abs=5 * np.sqrt(expected / N))
    assert masses.mass_gev[masses.lepton_pdg == 13].min() >= 2.0 * MUON_MASS_GEV
    assert np.all(masses.mass_gev <= SQRT_S * (1.0 - np.sqrt(0.5)))
    assert np.array_equal(masses.mass_gev > 0.0, masses.lepton_pdg > 0)


def test_collinear_photons_are_nearly_real() -> None:
    """A photon along an electron has no room for a mass: its propagator forbids it."""
    along, across = (
        sample_photon_masses(
            np.full(N, SQRT_S), np.full(N, 0.5), np.full(N, cosine), ELECTRON_MASS_GEV, np.random.default_rng(2)
        ).mass_gev
        for cosine in (1.0, 0.0)
    )
    assert np.mean(along > 0.01) < 0.05 * np.mean(across > 0.01)


def test_light_pairs_come_at_the_rate_of_the_four_lepton_amplitude() -> None:
    """τ⁺τ⁻ with photons that split, of 919 pb, against e⁺e⁻ → τ⁺τ⁻e⁺e⁻ at tree level with radiation."""
    rng = np.random.default_rng(3)
    settings = RadiationSettings()
    threshold = 1.0 - (2.0 * TAU_MASS_GEV / SQRT_S) ** 2

    def reduced(fraction: NDArray[np.float64]) -> NDArray[np.float64]:
        ratio: NDArray[np.float64] = tau_pair_cross_section_fb(SQRT_S**2 * (1.0 - fraction))
        return ratio / tau_pair_cross_section_fb(SQRT_S**2)

    pairs = make_radiative_pairs(
        initial_state_spectrum(SQRT_S**2, threshold, reduced, settings).sample(N, rng),
        final_state_spectrum(SQRT_S**2, TAU_MASS_GEV, settings).sample(N, rng),
        SQRT_S,
        TAU_MASS_GEV,
        lambda s: sample_fermion_cosine((2.0 * TAU_MASS_GEV) ** 2 / s, rng),
        rng,
    )
    mass = mass_of(np.stack([pairs.initial_photon, pairs.final_photon], axis=1))
    split = np.count_nonzero((pairs.photon_lepton_pdg == 11) & (mass < 0.25))
    trials = radiative_trials(40_000, SQRT_S, Channel.EE, rng)
    light = polarised_weights_fb(trials, SQRT_S) * (trials.points.pair_mass_gev < 0.25)
    # 840 split photons and the trials: 3.6 %; the approximation itself is good to 3 %
    assert 919e3 * split / N == pytest.approx(light.mean(), rel=0.15)


def test_pairs_add_up_to_their_photon(final_state_sums) -> None:
    rng = np.random.default_rng(4)
    n = 100_000
    pairs = make_radiative_pairs(
        np.full(n, 0.3), np.full(n, 0.3), SQRT_S, MUON_MASS_GEV, lambda s: np.zeros_like(s), rng
    )
    events = pairs.events(13, rng)
    total, charge = final_state_sums(events)
    np.testing.assert_allclose(total, np.tile([0.0, 0.0, 0.0, SQRT_S], (n, 1)), atol=1e-9 * SQRT_S)
    assert np.all(charge == 0)
    split = (events.pdg == 22) & (events.status == DECAYED)
    assert np.count_nonzero(split) == np.count_nonzero(pairs.photon_lepton_pdg) > 500
    leptons = events.mother >= 0
    expected = np.where(np.abs(events.pdg[leptons]) == 11, ELECTRON_MASS_GEV, MUON_MASS_GEV)
    # m² = E² − p² of an electron of a few GeV is known to 10⁻¹⁵ GeV², 1 % of its size
    np.testing.assert_allclose(mass_of(events.momentum[leptons]), expected, rtol=0.02)
