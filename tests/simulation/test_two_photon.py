"""Two-photon processes: cross-sections against quadrature and published totals, kinematics."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from models.constants import ALPHA_EM, GEV_M2_TO_FB, MUON_MASS_GEV, TAU_MASS_GEV
from models.kinematics import mass_of
from models.search import Channel
from simulation.configuration import TwoPhotonConfig
from simulation.generated import GeneratedEvents
from simulation.two_photon import (
    hadron_process,
    lepton_pair_cross_section_fb,
    lepton_process,
    two_photon_cross_section_fb,
    two_photon_events,
    untagged_tau_process,
)

SQRT_S = 10.58
CONFIG = TwoPhotonConfig()


@pytest.mark.parametrize("mass", [0.25, 1.0, 5.0])
def test_total_cross_section_is_the_integral_over_angles(mass: float) -> None:
    beta2 = 1.0 - (2.0 * MUON_MASS_GEV / mass) ** 2

    def density(cosine: float) -> float:
        along2 = beta2 * cosine**2
        numerator = 1.0 + 2.0 * beta2 * (1.0 - beta2) * (1.0 - cosine**2) - along2**2
        return 2.0 * np.pi * ALPHA_EM**2 * np.sqrt(beta2) / mass**2 * numerator / (1.0 - along2) ** 2

    expected = quad(density, -1.0, 1.0)[0] * GEV_M2_TO_FB
    assert float(lepton_pair_cross_section_fb(np.array(mass), MUON_MASS_GEV)) == pytest.approx(expected, rel=1e-6)


def test_muon_pairs_at_all_angles_agree_with_the_published_total() -> None:
    """18.9 nb for W > 0.5 GeV from the complete matrix element (AAFH); equivalent photons are good to 10–20 %."""
    untagged = replace(lepton_process(Channel.MUMU, SQRT_S, CONFIG), scattering_angle_min_rad=0.0, mass_min_gev=0.5)
    assert untagged.integrated_cross_section_fb() == pytest.approx(18.9e6, rel=0.2)


def test_integral_agrees_with_sampling_efficiency() -> None:
    """The fraction of trials that is accepted, times the bound, is the cross-section once more."""
    process = hadron_process(SQRT_S, CONFIG)
    finer = replace(process, settings=CONFIG.photons.model_copy(update={"log2_integration_points": 18}))
    assert process.integrated_cross_section_fb() == pytest.approx(finer.integrated_cross_section_fb(), rel=0.01)


def test_events(final_state_sums, tau_library) -> None:
    batches = two_photon_events(1500, 500, SQRT_S, CONFIG, tau_library, np.random.default_rng(1))
    events = GeneratedEvents.concatenate(list(batches))
    assert events.n_events == 1500
    total, charge = final_state_sums(events)
    np.testing.assert_allclose(total, np.tile([0.0, 0.0, 0.0, SQRT_S], (1500, 1)), atol=1e-9 * SQRT_S)
    assert np.all(charge == 0)


@pytest.mark.parametrize("channel", list(Channel))
def test_scattered_beams_respect_the_cuts(channel: Channel) -> None:
    process = lepton_process(channel, SQRT_S, CONFIG)
    beams = process.sample(500, np.random.default_rng(2))
    assert beams.mass_gev.min() >= process.mass_min_gev
    for beam, direction in ((beams.electron, 1.0), (beams.positron, -1.0)):
        cosine = direction * beam[:, 2] / np.linalg.norm(beam[:, :3], axis=1)
        assert np.degrees(np.arccos(cosine)).min() >= CONFIG.scattering_angle_min_deg - 1e-6
        assert mass_of(beam) == pytest.approx(0.000511, abs=1e-5)


def test_untagged_beams_stay_along_the_beam() -> None:
    beams = hadron_process(SQRT_S, CONFIG).sample(2000, np.random.default_rng(3))
    angle = np.arctan2(np.hypot(beams.electron[:, 0], beams.electron[:, 1]), beams.electron[:, 2])
    assert np.median(angle) < np.deg2rad(1.0)
    assert beams.mass_gev.min() >= CONFIG.hadron_mass_min_gev


def test_sum_of_processes() -> None:
    parts = [
        hadron_process(SQRT_S, CONFIG),
        untagged_tau_process(SQRT_S, CONFIG),
        *(lepton_process(c, SQRT_S, CONFIG) for c in Channel),
    ]
    expected = sum(part.integrated_cross_section_fb() for part in parts)
    assert two_photon_cross_section_fb(SQRT_S, CONFIG) == expected


def test_tau_pairs_are_those_without_both_beam_particles_in_the_detector() -> None:
    beams = untagged_tau_process(SQRT_S, CONFIG).sample(2000, np.random.default_rng(4))
    assert beams.mass_gev.min() > 2 * TAU_MASS_GEV
    assert beams.smaller_angle_rad.max() < np.deg2rad(CONFIG.scattering_angle_min_deg)
    everything = replace(untagged_tau_process(SQRT_S, CONFIG), both_angles_max_rad=None)
    tagged = replace(everything, scattering_angle_min_rad=np.deg2rad(CONFIG.scattering_angle_min_deg))
    untagged, whole, both = (
        process.integrated_cross_section_fb() for process in (untagged_tau_process(SQRT_S, CONFIG), everything, tagged)
    )
    assert untagged + both == pytest.approx(whole, rel=0.01)
