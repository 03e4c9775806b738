import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.constants import MUON_MASS_GEV, PION_MASS_GEV
from models.helix import Helix, helix_from_vertex, move_pivot
from simulation.detector.configuration import MaterialConfig, TrackingConfig
from simulation.detector.track_covariance import smear, track_covariance
from simulation.detector.tracking import find_tracks, in_acceptance, track_efficiency

TRACKING = TrackingConfig()
MATERIAL = MaterialConfig()


def helix_of(momentum, theta, charge=1):
    momentum, theta = np.broadcast_arrays(np.atleast_1d(momentum), theta)
    direction = np.stack([np.sin(theta), 0 * theta, np.cos(theta)], axis=-1)
    return helix_from_vertex(np.zeros(direction.shape), momentum[:, None] * direction, charge, TRACKING.field_tesla)


def test_covariance_reproduces_the_published_resolutions():
    momentum = np.array([0.2, 0.5, 1.0, 2.0, 4.0])
    theta = np.array([0.4, 1.0, np.pi / 2, 2.0, 2.5])
    mass = np.full(5, MUON_MASS_GEV)
    helix = helix_of(momentum, theta)
    deviation = np.sqrt(np.diagonal(track_covariance(helix, mass, np.zeros(5), TRACKING), axis1=1, axis2=2))
    beta = momentum / np.hypot(momentum, mass)
    pt = momentum * np.sin(theta)
    p_beta = momentum * beta
    np.testing.assert_allclose(deviation[:, 2] / np.abs(helix.omega), np.hypot(0.0019 * pt, 0.0030 / beta), rtol=1e-12)
    np.testing.assert_allclose(
        1e3 * deviation[:, 0], np.hypot(21.9, 35.5 / (p_beta * np.sin(theta) ** 1.5)), rtol=1e-12
    )
    np.testing.assert_allclose(
        1e3 * deviation[:, 3], np.hypot(27.8, 31.9 / (p_beta * np.sin(theta) ** 2.5)), rtol=1e-12
    )


@settings(max_examples=60)
@given(
    momentum=st.floats(0.08, 8.0),
    theta=st.floats(0.3, 2.6),
    radius=st.floats(0.0, 500.0),
    mass=st.sampled_from([0.000511, 0.1057, 0.1396, 0.4937, 0.9383]),
)
def test_covariance_is_positive_definite_also_in_single_precision(momentum, theta, radius, mass):
    covariance = track_covariance(helix_of(momentum, theta), np.array([mass]), np.array([radius]), TRACKING)
    stored = covariance.astype(np.float32).astype(np.float64)[0]
    deviation = np.sqrt(np.diag(stored))
    assert np.linalg.eigvalsh(stored / np.outer(deviation, deviation)).min() > 0.01


@pytest.mark.parametrize("lever", [20.0])
def test_scattering_errors_meet_at_the_scattering_layer(lever):
    # Propagated to the layer where it scatters, a soft track's position error shrinks to the part that is not common.
    helix = helix_of(0.2, np.pi / 2)
    covariance = track_covariance(helix, np.array([PION_MASS_GEV]), np.zeros(1), TRACKING)[0]
    at_layer = covariance[0, 0] - 2.0 * lever * covariance[0, 1] + lever**2 * covariance[1, 1]
    assert at_layer < 0.15 * covariance[0, 0]
    in_z = covariance[3, 3] + 2.0 * lever * covariance[3, 4] + lever**2 * covariance[4, 4]
    assert in_z < 0.15 * covariance[3, 3]


def test_tracks_from_outside_the_silicon_are_measured_worse():
    radius = np.array([0.0, 30.0, 50.0, 80.0, 200.0])
    helix = helix_of(np.full(5, 1.0), np.pi / 2)
    covariance = track_covariance(helix, np.full(5, PION_MASS_GEV), radius, TRACKING)
    for parameter in range(5):
        deviation = np.sqrt(covariance[:, parameter, parameter])
        assert np.all(np.diff(deviation) >= 0.0)
    assert np.all(np.diff(covariance[:, 0, 0]) > 0.0)
    assert np.all(np.diff(covariance[:, 3, 3]) > 0.0)


def test_smearing_has_the_covariance_it_claims():
    n = 100_000
    helix = helix_of(np.full(n, 0.7), 1.1)
    covariance = track_covariance(helix, np.full(n, PION_MASS_GEV), np.full(n, 30.0), TRACKING)
    residual = smear(helix, covariance, np.random.default_rng(1)).parameters() - helix.parameters()
    inverse = np.linalg.inv(covariance[0])
    chi2 = np.einsum("ni,ij,nj->n", residual, inverse, residual)
    assert stats.kstest(chi2, stats.chi2(5).cdf).pvalue > 1e-3
    observed = np.cov(residual.T)
    scale = np.sqrt(np.outer(np.diag(covariance[0]), np.diag(covariance[0])))
    # A covariance element of n samples is known to √(2/n) of its scale or better: 5σ.
    assert np.all(np.abs(observed - covariance[0]) < 5.0 * np.sqrt(2.0 / n) * scale)


def test_measured_azimuth_stays_in_range():
    n = 1000
    zero = np.zeros(n)
    helix = Helix(zero, np.full(n, np.pi), np.full(n, 0.001), zero, zero)
    covariance = track_covariance(helix, np.full(n, PION_MASS_GEV), zero, TRACKING)
    phi0 = smear(helix, covariance, np.random.default_rng(2)).phi0
    assert np.all(np.abs(phi0) <= np.pi)
    assert 0.4 < np.mean(phi0 > 0) < 0.6


@pytest.mark.parametrize("pdg", [13, -211, 321])
def test_pulls_from_true_vertex_to_measured_helix(particle_gun, pdg):
    n = 20_000
    rng = np.random.default_rng(3)
    vertex = rng.normal(0.0, [8.0, 8.0, 4.0], (n, 3))
    events = particle_gun(n, pdg, rng.uniform(0.3, 3.0, n), rng.uniform(0.4, 2.5, n), rng.uniform(-3.1, 3.1, n), vertex)
    tracks = find_tracks(events, rng, tracking=TRACKING, material=MATERIAL).tracks
    # The true helix really passes through where the particle was made.
    at_vertex, _ = move_pivot(tracks.true_helix, events.vertex[tracks.particle, :3])
    np.testing.assert_allclose(at_vertex.d0, 0.0, atol=1e-9)
    np.testing.assert_allclose(at_vertex.z0, 0.0, atol=1e-9)
    residual = tracks.helix.parameters() - tracks.true_helix.parameters()
    residual[:, 1] = np.arctan2(np.sin(residual[:, 1]), np.cos(residual[:, 1]))
    pull = residual / np.sqrt(np.diagonal(tracks.covariance, axis1=1, axis2=2))
    for parameter in range(5):
        assert stats.kstest(pull[:, parameter], "norm").pvalue > 1e-3


def test_momentum_belongs_to_the_measured_helix(particle_gun):
    rng = np.random.default_rng(4)
    events = particle_gun(1000, 13, 1.0, rng.uniform(0.5, 2.5, 1000), rng.uniform(-3, 3, 1000))
    tracks = find_tracks(events, rng, tracking=TRACKING, material=MATERIAL).tracks
    pt = np.hypot(tracks.momentum_gev[:, 0], tracks.momentum_gev[:, 1])
    np.testing.assert_allclose(np.abs(tracks.helix.omega), 1.5 * 0.000299792458 / pt, rtol=1e-12)
    np.testing.assert_allclose(tracks.momentum_gev[:, 2], pt * tracks.helix.tan_lambda, rtol=1e-12)


def test_efficiency_plateau_turn_on_and_displacement(particle_gun):
    n = 50_000
    for momentum, radius in ((2.0, 0.0), (0.1, 0.0), (2.0, 120.0)):
        events = particle_gun(n, 13, momentum, vertex_mm=(radius, 0.0, 0.0))
        tracks = find_tracks(events, np.random.default_rng(5), tracking=TRACKING, material=MATERIAL).tracks
        expected = track_efficiency(np.array([momentum]), np.array([radius]), TRACKING)[0]
        assert len(tracks.particle) / n == pytest.approx(expected, abs=4 * np.sqrt(0.25 / n))
    assert track_efficiency(np.array([2.0]), np.array([0.0]), TRACKING)[0] == pytest.approx(0.98, abs=1e-3)
    assert track_efficiency(np.array([0.069]), np.array([0.0]), TRACKING)[0] == 0.0
    radii = np.array([0.0, 20.0, 50.0, 100.0, 300.0])
    assert np.all(np.diff(track_efficiency(np.ones(5), radii, TRACKING)) <= 0.0)


def test_acceptance_in_polar_angle(particle_gun):
    theta = np.deg2rad([10.0, 16.9, 17.1, 90.0, 149.9, 150.1, 170.0])
    accepted = in_acceptance(particle_gun(7, 13, 1.0, theta), TRACKING)
    assert accepted.tolist() == [False, False, True, True, True, False, False]


def test_neutral_and_decayed_particles_leave_no_track(particle_gun):
    events = particle_gun(4, [22, 22, 13, 11], 1.0)
    events.status[3] = 2
    assert in_acceptance(events, TRACKING).tolist() == [False, False, True, False]
