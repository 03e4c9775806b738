import numpy as np
import pytest

from models.constants import JPSI_MASS_GEV
from simulation.detector.configuration import DetectorConfig, TrackingConfig
from simulation.validation.figures import draw_material_map
from simulation.validation.particle_guns import two_body_decays
from simulation.validation.resonances import (
    KAON_SHORT_CTAU_MM,
    KAON_SHORT_MASS_GEV,
    conversions,
    jpsi_to_muons,
    kaon_short_to_pions,
)
from simulation.validation.single_particles import (
    central_width,
    identification_rates,
    photon_resolution,
    published_resolutions,
    track_resolutions,
)

CONFIG = DetectorConfig()
MOMENTA_GEV = np.array([0.25, 0.7, 2.0])


def assert_compatible(comparison):
    # With at most four points a comparison, χ² > 25 has a probability below 1e-4.
    assert np.sum(comparison.pulls**2) < 25.0, (comparison.name, comparison.pulls)


def test_published_resolutions_at_one_gev():
    expected = published_resolutions(np.array([1.0]), np.pi / 2, TrackingConfig())
    beta = 1.0 / np.hypot(1.0, 0.1056583755)
    assert expected["σ(pt)/pt"] == pytest.approx(np.hypot(0.0019, 0.0030 / beta), rel=1e-9)
    assert expected["σ(d0)"] == pytest.approx(np.hypot(0.0219, 0.0355 / beta), rel=1e-9)
    assert expected["σ(z0)"] == pytest.approx(np.hypot(0.0278, 0.0319 / beta), rel=1e-9)


@pytest.mark.parametrize("polar_angle_rad", [0.6, 1.3, 2.2])
def test_tracks_respond_as_published(polar_angle_rad):
    for comparison in track_resolutions(MOMENTA_GEV, polar_angle_rad, 2000, np.random.default_rng(3), CONFIG):
        assert_compatible(comparison)


@pytest.mark.parametrize("pdg", [11, -13, 211, -321])
def test_species_are_identified_as_configured(pdg):
    for comparison in identification_rates(pdg, MOMENTA_GEV, 1.3, 2000, np.random.default_rng(4), CONFIG):
        assert_compatible(comparison)


def test_a_wrong_efficiency_is_noticed():
    """The comparison itself can fail: tracks made with another plateau do not fit the configuration."""
    worse = CONFIG.tracking.model_copy(update={"plateau_efficiency": 0.93})
    rng = np.random.default_rng(5)
    measured = track_resolutions(MOMENTA_GEV, 1.3, 2000, rng, CONFIG.model_copy(update={"tracking": worse}))[3]
    expected = track_resolutions(MOMENTA_GEV, 1.3, 10, rng, CONFIG)[3].expected
    assert np.all((measured.measured - expected) / measured.error < -5.0)


def test_photon_energy_resolution():
    assert_compatible(photon_resolution(np.array([0.1, 0.5, 2.0]), 1.3, 2000, np.random.default_rng(6), CONFIG))


def test_two_body_decays_conserve_four_momentum():
    mother = np.array([[0.3, -0.4, 1.0, np.sqrt(0.09 + 0.16 + 1.0 + KAON_SHORT_MASS_GEV**2)]] * 50)
    events = two_body_decays(mother, 310, (211, -211), KAON_SHORT_CTAU_MM, np.random.default_rng(7))
    momentum = events.momentum.reshape(50, 3, 4)
    assert np.allclose(momentum[:, 1] + momentum[:, 2], momentum[:, 0], rtol=1e-12)
    flight = events.vertex.reshape(50, 3, 4)[:, 1]
    assert np.allclose(np.cross(flight[:, :3], mother[:, :3]), 0.0, atol=1e-10)


def test_jpsi_is_where_it_should_be():
    jpsi = jpsi_to_muons(4000, np.random.default_rng(8), CONFIG)
    pulls = (jpsi.mass_gev - JPSI_MASS_GEV) / jpsi.mass_error_gev
    assert abs(np.median(pulls)) < 4 * 1.25 / np.sqrt(jpsi.n)
    assert central_width(pulls) == pytest.approx(1.0, abs=0.06)


def test_kaons_are_where_they_should_be():
    kaons = kaon_short_to_pions(6000, np.random.default_rng(9), CONFIG)
    pulls = (kaons.mass_gev - KAON_SHORT_MASS_GEV) / kaons.mass_error_gev
    assert abs(np.median(pulls)) < 4 * 1.25 / np.sqrt(kaons.n)
    assert central_width(pulls) == pytest.approx(1.0, abs=0.06)
    inside = kaons.true_radius_mm < 88.0
    # Behind the last silicon layer only the drift chamber measures, and single vertices can be far off.
    assert abs(np.median((kaons.radius_mm - kaons.true_radius_mm)[inside])) < 0.05
    assert central_width((kaons.radius_mm - kaons.true_radius_mm)[inside]) < 0.4


def test_photons_convert_in_the_layers():
    photons, expected = conversions(60_000, 1.0, np.random.default_rng(10), CONFIG)
    radii = np.array([layer.radius_mm for layer in CONFIG.material.layers])
    layer = np.argmin(np.abs(photons.true_radius_mm[:, None] - radii), axis=1)
    assert np.allclose(photons.true_radius_mm, radii[layer])
    # No more pairs are found than convert; further out, tracking loses more of them.
    found = np.bincount(layer, minlength=len(radii)) / expected
    assert np.all(found < 1.0)
    assert found[0] > found[2] > found[4] > 0.2
    medians = [np.median(photons.radius_mm[layer == number]) for number in range(len(radii))]
    # Bremsstrahlung pulls the vertices of nearly parallel tracks inwards by a few mm.
    assert np.all(np.abs(medians - radii) < 8.0)
    assert np.all(np.diff(medians) > 0.0)


def test_material_map_is_drawn():
    figure = draw_material_map(CONFIG.material)
    assert [text.get_text().split(",")[0] for text in figure.axes[0].get_legend().get_texts()] == [
        layer.name for layer in CONFIG.material.layers
    ]
