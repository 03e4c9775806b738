"""Azimuths and axes of correlated spins, against the density they are drawn from and against composed boosts."""

import numpy as np
import pytest

from models.constants import TAU_MASS_GEV
from models.kinematics import boost_from_rest_frame, boost_to_rest_frame, unit_vector
from models.theory.spin_correlation import tau_pair_spin_correlation
from simulation.tau_spin import correlated_azimuths, draw_helicities, helicity_axes, pair_axes

N = 200_000


def _turned(h: np.ndarray, angle: np.ndarray) -> np.ndarray:
    x, y, z = h.T
    return np.stack([x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle), z], axis=1)


def test_azimuths_follow_the_density() -> None:
    """Moments of cos and sin of both angles, for a matrix with every element and polarimeters at fixed angles."""
    # A mixture of a pure product state and a little of everything else is positive.
    s_minus, s_plus = np.array([1.0, 0.4, -0.3, 0.5]), np.array([1.0, -0.2, 0.5, 0.4])
    correlation = np.outer(s_minus, s_plus) * 0.6
    correlation += 0.4 * tau_pair_spin_correlation([0.4], 4.5**2)[0]
    h_minus, h_plus = np.array([0.6, 0.5, 0.62]), np.array([-0.3, 0.8, -0.5])
    angles = np.linspace(-np.pi, np.pi, 64, endpoint=False)
    first, second = (grid.ravel() for grid in np.meshgrid(angles, angles))
    on_grid = [
        np.column_stack([np.ones(len(angle)), _turned(np.broadcast_to(h, (len(angle), 3)), angle)])
        for h, angle in ((h_minus, first), (h_plus, second))
    ]
    density = np.einsum("na,ab,nb->n", on_grid[0], correlation, on_grid[1])
    assert density.min() > 0.0
    drawn = correlated_azimuths(
        np.broadcast_to(correlation, (N, 4, 4)).copy(),
        np.tile(h_minus, (N, 1)),
        np.tile(h_plus, (N, 1)),
        np.random.default_rng(1),
    )
    for j, k in ((1, 0), (0, 1), (1, 1), (1, -1)):
        for wave in (np.cos, np.sin):
            expected = np.average(wave(j * first + k * second), weights=density)
            assert np.mean(wave(j * drawn[0] + k * drawn[1])) == pytest.approx(expected, abs=4.5 * 0.72 / np.sqrt(N))


def test_helicities_follow_their_probabilities() -> None:
    correlation = np.zeros((N, 4, 4))
    correlation[:] = np.diag([1.0, 0.0, 0.0, -0.5])
    correlation[:, 3, 0], correlation[:, 0, 3] = 0.3, -0.2
    helicity = draw_helicities(correlation, np.random.default_rng(2))
    tolerance = 4.5 / np.sqrt(N)
    assert helicity[:, 0].mean() == pytest.approx(0.3, abs=tolerance)
    assert helicity[:, 1].mean() == pytest.approx(-0.2, abs=tolerance)
    assert helicity.prod(axis=1).mean() == pytest.approx(-0.5, abs=tolerance)


def _pairs(n: int, recoil: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """τ⁻ and τ⁺ in the c.m. frame, the pair, and the τ⁻ as seen in the pair's rest frame."""
    rng = np.random.default_rng(3)
    direction = unit_vector(rng.uniform(-1, 1, n), rng.uniform(-np.pi, np.pi, n))
    momentum = np.sqrt(4.0**2 - TAU_MASS_GEV**2) * direction
    minus, plus = (np.column_stack([sign * momentum, np.full(n, 4.0)]) for sign in (1.0, -1.0))
    kick = recoil * unit_vector(rng.uniform(-1, 1, n), rng.uniform(-np.pi, np.pi, n))
    pair = np.column_stack([kick, np.sqrt(64.0 + recoil**2) * np.ones(n)])
    return boost_from_rest_frame(minus, pair), boost_from_rest_frame(plus, pair), pair, minus


def test_axes_of_a_pair_at_rest_are_those_of_its_helicities() -> None:
    minus, plus, _, _ = _pairs(100, 0.0)
    axes = pair_axes(minus, plus)
    np.testing.assert_allclose(axes[:, 0], helicity_axes(minus), atol=1e-9)
    np.testing.assert_allclose(axes[:, 1], helicity_axes(plus), atol=1e-9)


def test_axes_of_a_recoiling_pair() -> None:
    """Right-handed, orthonormal, and z is where the τ comes from: minus the momentum of its pair's rest frame."""
    minus, plus, pair, in_pair = _pairs(100, 3.0)
    axes = pair_axes(minus, plus)[:, 0]
    np.testing.assert_allclose(axes @ axes.transpose(0, 2, 1), np.tile(np.eye(3), (100, 1, 1)), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(axes), 1.0, atol=1e-9)
    # The pair's rest frame, seen from the τ, recedes along −z, whichever way one looks.
    seen = boost_to_rest_frame(pair, minus)[:, :3]
    np.testing.assert_allclose(-seen / np.linalg.norm(seen, axis=1)[:, None], axes[:, 2], atol=1e-9)
    assert np.abs(axes[:, 2] - helicity_axes(minus)[:, 2]).max() > 0.01
    assert np.all(np.abs(in_pair[:, 3] - 4.0) < 1e-9)


def test_helicity_axes_along_the_polar_axis() -> None:
    np.testing.assert_allclose(helicity_axes(np.array([[0.0, 0.0, 2.0]]))[0], np.eye(3))
    np.testing.assert_allclose(helicity_axes(np.array([[0.0, 0.0, -2.0]]))[0], np.diag([-1.0, 1.0, -1.0]))
