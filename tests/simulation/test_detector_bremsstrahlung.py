import numpy as np
import pytest

from models.constants import ELECTRON_MASS_GEV
from models.helix import distance_to, helix_from_vertex
from simulation.detector.bremsstrahlung import energy_fraction_kept, radiate
from simulation.detector.configuration import MaterialConfig

MATERIAL = MaterialConfig()
FIELD = 1.5


def electrons(n, momentum, theta):
    return np.zeros((n, 3)), np.tile(momentum * np.array([np.sin(theta), 0.0, np.cos(theta)]), (n, 1))


def energy(momentum):
    return np.sqrt(np.sum(momentum**2, axis=1) + ELECTRON_MASS_GEV**2)


def test_mean_energy_kept_is_the_exponential_of_the_thickness():
    n = 200_000
    for thickness in (0.01, 0.1, 1.0):
        kept = energy_fraction_kept(np.full(n, thickness), np.random.default_rng(1))
        assert kept.mean() == pytest.approx(np.exp(-thickness), abs=4 * kept.std() / np.sqrt(n))


@pytest.mark.parametrize("theta", [0.5, 1.5])
def test_mean_loss_in_all_layers(theta):
    n = 100_000
    position, momentum = electrons(n, 2.0, theta)
    result = radiate(
        position,
        momentum,
        np.full(n, -1),
        np.random.default_rng(2),
        material=MATERIAL,
        field_tesla=FIELD,
    )
    kinetic = (energy(result.momentum_gev) - ELECTRON_MASS_GEV) / (energy(momentum) - ELECTRON_MASS_GEV)
    # Bending makes the path in the outer layers longer by 1e-4 of the thickness.
    expected = np.exp(-0.029 / np.sin(theta))
    assert kinetic.mean() == pytest.approx(expected, abs=4 * kinetic.std() / np.sqrt(n) + 1e-4)


def test_energy_is_conserved_and_photons_start_on_layers():
    n = 5_000
    position, momentum = electrons(n, 1.0, 1.2)
    everything = MATERIAL.model_copy(update={"radiated_photon_threshold_gev": 1e-15})
    result = radiate(
        position, momentum, np.full(n, 1), np.random.default_rng(3), material=everything, field_tesla=FIELD
    )
    radiated = np.bincount(result.photon_electron, np.linalg.norm(result.photon_momentum_gev, axis=1), minlength=n)
    np.testing.assert_allclose(energy(result.momentum_gev) + radiated, energy(momentum), rtol=1e-12)
    radius = np.hypot(result.photon_position_mm[:, 0], result.photon_position_mm[:, 1])
    assert set(radius.round(6)) <= {layer.radius_mm for layer in MATERIAL.layers}


def test_without_loss_the_helix_is_that_of_the_production():
    n = 100
    rng = np.random.default_rng(4)
    position = rng.normal(0.0, 5.0, (n, 3))
    momentum = rng.normal(0.0, 0.5, (n, 3)) + np.array([0.3, 0.0, 0.0])
    charge = rng.choice([-1, 1], n)
    vacuum = MaterialConfig(layers=tuple(layer.model_copy(update={"x_over_x0": 0.0}) for layer in MATERIAL.layers))
    result = radiate(position, momentum, charge, rng, material=vacuum, field_tesla=FIELD)
    before = helix_from_vertex(position, momentum, charge, FIELD)
    after = helix_from_vertex(result.position_mm, result.momentum_gev, charge, FIELD)
    np.testing.assert_allclose(after.parameters(), before.parameters(), rtol=1e-9, atol=1e-9)
    assert len(result.photon_electron) == 0


def test_losses_move_the_perigee_by_the_change_of_sagitta():
    n = 20_000
    position, momentum = electrons(n, 0.5, np.pi / 2)
    result = radiate(position, momentum, np.full(n, 1), np.random.default_rng(5), material=MATERIAL, field_tesla=FIELD)
    helix = helix_from_vertex(result.position_mm, result.momentum_gev, 1, FIELD)
    dr, _ = distance_to(helix, np.zeros(3))
    omega_before = helix_from_vertex(position[:1], momentum[:1], 1, FIELD).omega[0]
    largest = 0.5 * (helix.omega - omega_before) * 88.0**2
    # The sagitta is that of an emission in the outermost layer at most, up to higher orders of ωr.
    gentle = helix.omega < 2.0 * omega_before
    assert np.all(dr[gentle] <= 1.05 * largest[gentle] + 1e-9)
    assert np.all(helix.omega >= omega_before * (1 - 1e-12))


def test_an_electron_that_loses_everything_stays_finite():
    thick = MaterialConfig(layers=tuple(layer.model_copy(update={"x_over_x0": 0.49}) for layer in MATERIAL.layers))
    position, momentum = electrons(5_000, 0.2, 0.4)
    result = radiate(
        position,
        momentum,
        np.full(5_000, -1),
        np.random.default_rng(6),
        material=thick,
        field_tesla=FIELD,
    )
    for array in result:
        assert np.all(np.isfinite(array))
