"""Beams, boost and interaction point."""

import numpy as np
import pytest

from models.kinematics import boost_to_rest_frame, mass_of
from simulation.beams import beam_four_momentum, electron_beam, positron_beam, sqrt_s_gev, to_laboratory
from simulation.configuration import BeamConfig
from simulation.generated import GeneratedEvents

BEAMS = BeamConfig()


def test_energy_is_that_of_the_upsilon_4s() -> None:
    # s = 2 E₁E₂(1 + cos 22 mrad) for massless beams
    assert sqrt_s_gev(BEAMS) == pytest.approx(np.sqrt(2 * 8.0 * 3.5 * (1 + np.cos(0.022))), rel=1e-6)
    # βγ = 0.425 is Belle's boost (Nucl. Instrum. Meth. A 479 (2002) 117)
    total = beam_four_momentum(BEAMS)
    assert np.linalg.norm(total[:3]) / sqrt_s_gev(BEAMS) == pytest.approx(0.425, abs=0.001)


def test_a_beam_electron_of_the_cms_is_the_beam_electron_of_the_laboratory() -> None:
    energy = 0.5 * sqrt_s_gev(BEAMS)
    along = mass_of(electron_beam(BEAMS))
    momentum = np.sqrt(energy**2 - along**2)
    both = np.array([[[0.0, 0.0, momentum, energy], [0.0, 0.0, -momentum, energy]]])
    events = GeneratedEvents.from_table(np.array([[11, -11]], dtype=np.int32), both)
    laboratory = to_laboratory(events, BEAMS, np.random.default_rng(1)).events
    np.testing.assert_allclose(laboratory.momentum, [electron_beam(BEAMS), positron_beam(BEAMS)], atol=1e-9)


def test_vertices_are_boosted_and_moved_to_the_collision_point() -> None:
    rng = np.random.default_rng(2)
    n = 20_000
    momentum = np.column_stack([rng.normal(size=(n, 3)), np.full(n, 5.0)])
    flight = momentum * rng.exponential(size=n)[:, None]
    events = GeneratedEvents.from_table(np.full((n, 2), 22, dtype=np.int32), np.stack([momentum, momentum], axis=1))
    vertex = np.stack([np.zeros((n, 4)), flight], axis=1).reshape(-1, 4)
    laboratory, measured = to_laboratory(events.with_kinematics(events.momentum, vertex), BEAMS, rng)
    moved = laboratory.vertex.reshape(n, 2, 4)
    # What flew along its momentum from the origin does so in every frame.
    displacement = moved[:, 1] - moved[:, 0]
    direction = laboratory.momentum.reshape(n, 2, 4)[:, 1]
    np.testing.assert_allclose(displacement / displacement[:, 3:], direction / direction[:, 3:], atol=1e-9)
    np.testing.assert_allclose(mass_of(laboratory.momentum), mass_of(events.momentum), atol=1e-6)
    # Relative error of a standard deviation from 20 000 events: 0.5 %.
    np.testing.assert_allclose(moved[:, 0, :3].std(axis=0), BEAMS.ip_spread_mm, rtol=0.02)
    assert np.all(measured == 0.0)


def test_cms_total_is_at_rest() -> None:
    at_rest = boost_to_rest_frame(beam_four_momentum(BEAMS), beam_four_momentum(BEAMS))
    np.testing.assert_allclose(at_rest, [0.0, 0.0, 0.0, sqrt_s_gev(BEAMS)], atol=1e-12)
