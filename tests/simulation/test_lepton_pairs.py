"""Bhabha and muon pairs with a hard photon."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from models.constants import ALPHA_EM, GEV_M2_TO_FB
from simulation.configuration import CrossSections, LeptonPairConfig, RadiationSettings
from simulation.lepton_pairs import (
    bhabha_born_cross_section_fb,
    bhabha_cross_section,
    bhabha_events,
    muon_pair_cross_section,
    muon_pair_events,
)

SQRT_S = 10.58
CONFIG = LeptonPairConfig()
RADIATION = RadiationSettings()


@pytest.mark.parametrize("generate", [bhabha_events, muon_pair_events])
def test_conservation_and_a_hard_photon_in_each(generate, final_state_sums) -> None:
    events = generate(20_000, SQRT_S, np.random.default_rng(1), CONFIG, RADIATION)
    total, charge = final_state_sums(events)
    np.testing.assert_allclose(total, np.tile([0.0, 0.0, 0.0, SQRT_S], (20_000, 1)), atol=1e-9 * SQRT_S)
    assert np.all(charge == 0)
    photon = np.where(events.pdg == 22, events.E, 0.0)
    hardest = np.maximum.reduceat(photon, events.offsets[:-1])
    # A photon from the final state loses or gains by the motion of the pair when the other one is hard too.
    assert np.mean(hardest >= CONFIG.photon_energy_min_gev * (1.0 - 1e-9)) > 0.97


def test_bhabha_born_cross_section_against_quadrature() -> None:
    def density(cosine: float) -> float:
        return ((3.0 + cosine**2) / (1.0 - cosine)) ** 2 * ALPHA_EM**2 / (4.0 * SQRT_S**2) * 2.0 * np.pi

    low, high = np.cos(np.deg2rad([170.0, 10.0]))
    expected = quad(density, low, high)[0] * GEV_M2_TO_FB
    assert bhabha_born_cross_section_fb(SQRT_S, (10.0, 170.0)) == pytest.approx(expected, rel=1e-4)
    # Radiative corrections take BABAYAGA's 300 nb no further than 5 % from Born.
    assert expected == pytest.approx(CrossSections().bhabha.value_fb, rel=0.05)


def test_angles_of_electrons_that_recoil_little_follow_bhabha() -> None:
    events = bhabha_events(200_000, SQRT_S, np.random.default_rng(2), CONFIG, RADIATION)
    electron = events.offsets[:-1]
    little = np.add.reduceat(np.where(events.pdg == 22, events.E, 0.0), electron) < 0.3
    polar = np.degrees(np.arctan2(np.hypot(events.px, events.py), events.pz)[electron][little])
    edges = [25.0, 40.0, 60.0, 90.0, 160.0]
    observed, _ = np.histogram(polar, edges)
    expected = np.array([bhabha_born_cross_section_fb(SQRT_S, bounds) for bounds in pairwise(edges)])
    # Photons of up to 0.3 GeV turn the electron by up to 3°, which moves 10 % of a steep spectrum between bins.
    np.testing.assert_allclose(observed / observed.sum(), expected / expected.sum(), rtol=0.1, atol=0.01)


def test_cross_sections_scale_with_the_probability_of_a_hard_photon() -> None:
    totals = CrossSections()
    hard = muon_pair_cross_section(totals.dimuon, SQRT_S, CONFIG, RADIATION).value_fb
    harder = muon_pair_cross_section(
        totals.dimuon, SQRT_S, LeptonPairConfig(photon_energy_min_gev=1.0), RADIATION
    ).value_fb
    assert 0.0 < harder < hard < totals.dimuon.value_fb
    bhabha = bhabha_cross_section(totals, SQRT_S, CONFIG, RADIATION)
    assert 0.0 < bhabha.value_fb < totals.bhabha.value_fb
    assert "BABAYAGA" in bhabha.source
