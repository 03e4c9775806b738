import numpy as np
import pytest
from scipy import stats

from simulation.detector.calorimeter import find_photons, position_resolution_mm, relative_energy_resolution
from simulation.detector.configuration import CalorimeterConfig
from simulation.generated import Particles

# Everything that is not the response to the particle itself is switched off here and tested apart.
QUIET = CalorimeterConfig(background_photons=0.0, photon_efficiency=1.0, split_off_probability=0.0)
NO_TRACKS = np.zeros(0, dtype=np.int64)


def photons_of(events, config=QUIET, *, tracks=NO_TRACKS, ip=(0.0, 0.0, 0.0), seed=1):
    return find_photons(
        events,
        tracks,
        np.broadcast_to(ip, (events.n_events, 3)),
        np.random.default_rng(seed),
        calorimeter=config,
        field_tesla=1.5,
    )


@pytest.mark.parametrize("energy", [0.1, 0.5, 2.0])
def test_energy_resolution(particle_gun, energy):
    n = 20_000
    photons = photons_of(particle_gun(n, 22, energy))
    assert photons.counts.sum() == n
    expected = np.sqrt(0.0134**2 + (0.00066 / energy) ** 2 + (0.0081 / energy**0.25) ** 2)
    np.testing.assert_allclose(relative_energy_resolution(np.array([energy]), QUIET), expected, rtol=1e-12)
    assert stats.kstest((photons.energy_gev / energy - 1.0) / expected, "norm").pvalue > 1e-3
    np.testing.assert_allclose(np.linalg.norm(photons.momentum_gev, axis=1), photons.energy_gev, rtol=1e-12)


def test_position_resolution_in_both_angles(particle_gun):
    n = 20_000
    photons = photons_of(particle_gun(n, 22, 1.0, 1.3, 0.4))
    unit = photons.momentum_gev / photons.energy_gev[:, None]
    theta = np.arccos(unit[:, 2])
    phi = np.arctan2(unit[:, 1], unit[:, 0])
    angle = position_resolution_mm(np.array([1.0]), QUIET)[0] / (1250.0 / np.sin(1.3))
    # 4σ of a width measured with n entries.
    assert np.std(theta) == pytest.approx(angle, rel=4 / np.sqrt(2 * n))
    assert np.std(phi) * np.sin(1.3) == pytest.approx(angle, rel=4 / np.sqrt(2 * n))
    assert theta.mean() == pytest.approx(1.3, abs=4 * angle / np.sqrt(n))


def test_momentum_points_from_the_interaction_point_to_the_impact(particle_gun):
    # A photon from a displaced vertex is taken to come from the interaction point: its direction changes.
    photons = photons_of(particle_gun(20_000, 22, 1.0, np.pi / 2, 0.0, (0.0, 100.0, 0.0)), ip=(0.0, 0.0, 10.0))
    mean = np.mean(photons.momentum_gev / photons.energy_gev[:, None], axis=0)
    impact = np.array([np.sqrt(1250.0**2 - 100.0**2), 100.0, 0.0])
    expected = (impact - [0.0, 0.0, 10.0]) / np.linalg.norm(impact - [0.0, 0.0, 10.0])
    np.testing.assert_allclose(mean, expected, atol=1e-4)


def test_acceptance_gaps_and_threshold(particle_gun):
    theta = np.deg2rad([12.0, 13.0, 31.8, 33.0, 90.0, 129.5, 131.0, 155.0, 155.5])
    assert photons_of(particle_gun(9, 22, 1.0, theta)).counts.tolist() == [0, 1, 0, 1, 1, 0, 1, 1, 0]
    assert photons_of(particle_gun(100, 22, 0.015)).counts.sum() == 0


def test_acceptance_is_that_of_the_impact(particle_gun):
    # From z = +400 mm a photon at 31.8° meets the end cap further in, outside the gap seen from the origin.
    events = particle_gun(1, 22, 1.0, np.deg2rad(31.8), 0.0, (0.0, 0.0, 400.0))
    assert photons_of(events).counts.tolist() == [1]


def test_photon_efficiency(particle_gun):
    n = 50_000
    config = QUIET.model_copy(update={"photon_efficiency": 0.9})
    assert photons_of(particle_gun(n, 22, 1.0), config).counts.sum() / n == pytest.approx(
        0.9, abs=4 * np.sqrt(0.09 / n)
    )


def test_cluster_of_an_electron_belongs_to_its_track_if_there_is_one(particle_gun):
    events = particle_gun(100, 11, 1.0)
    assert photons_of(events, tracks=np.arange(100)).counts.sum() == 0
    lost = photons_of(events)
    assert lost.counts.sum() == 100
    assert lost.energy_gev.mean() == pytest.approx(1.0, abs=0.01)
    # The electron bends clockwise or not: it hits at φ0 − asin(ωR/2), with ω < 0 for negative charge.
    phi = np.arctan2(lost.momentum_gev[:, 1], lost.momentum_gev[:, 0]).mean()
    omega = -1.5 * 0.000299792458
    assert phi == pytest.approx(0.3 - np.arcsin(omega * 1250.0 / 2), abs=3e-3)


def test_other_untracked_particles_leave_their_ionisation(particle_gun):
    lost = photons_of(particle_gun(2000, 13, 1.0))
    assert lost.counts.sum() == 2000
    assert lost.energy_gev.mean() == pytest.approx(0.17, rel=0.01)


def test_photon_near_a_track_is_absorbed(particle_gun):
    # A stiff track and a photon that starts along it; 20 GeV bends by 17 mm at the calorimeter, 1 GeV by 350 mm.
    n = 50
    for momentum, expected in ((20.0, 0), (1.0, n)):
        muons = particle_gun(n, 13, momentum)
        photons = particle_gun(n, 22, 1.0)
        no_mother = np.full(n, -1, dtype=np.int64)
        both = muons.append(
            np.arange(n), Particles(photons.pdg, photons.status, no_mother, photons.momentum, photons.vertex)
        )
        assert photons_of(both, tracks=both.offsets[:-1]).counts.sum() == expected


def test_neutral_hadrons_deposit_part_of_their_kinetic_energy(particle_gun):
    n = 20_000
    gun = particle_gun(n, 22, 2.0)
    gun.pdg[:] = 130
    photons = photons_of(gun)
    # Energy equals momentum here, so all of it is kinetic: a beta(1, 3) share, mean 1/4, above 20 MeV.
    fraction = stats.beta(1, 3)
    expected = 0.55 * fraction.sf(0.01)
    assert photons.counts.sum() / n == pytest.approx(expected, abs=4 * np.sqrt(0.25 / n))
    assert photons.energy_gev.max() < 2.2
    assert photons.energy_gev.mean() == pytest.approx(0.5, rel=0.04)
    assert photons.e9_e25.mean() == pytest.approx(0.8, abs=0.01)


def test_split_offs_come_from_hadrons_only(particle_gun):
    n = 20_000
    config = QUIET.model_copy(update={"split_off_probability": 1.0})
    assert photons_of(particle_gun(n, 13, 1.0), config, tracks=np.arange(n)).counts.sum() == 0
    splits = photons_of(particle_gun(n, 211, 1.0), config, tracks=np.arange(n))
    assert 0.6 * n < splits.counts.sum() < n * np.exp(-0.02 / 0.08) * 1.05


def test_beam_background(particle_gun):
    n = 20_000
    config = QUIET.model_copy(update={"background_photons": 2.0})
    background = photons_of(particle_gun(n, 13, 1.0), config, tracks=np.arange(n))
    # Some fall into gaps, at the track, or below threshold.
    assert 1.7 < background.counts.mean() < 2.0
    assert background.energy_gev.mean() == pytest.approx(0.045, rel=0.05)
    assert (
        stats.kstest(np.arctan2(*background.momentum_gev[:, 1::-1].T), stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue
        > 1e-3
    )
