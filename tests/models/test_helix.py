"""Helices against the equation of motion, and round trips through the perigee."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp

from models.constants import CURVATURE_PER_TESLA_GEV_PER_MM
from models.helix import Helix, distance_to, helix_from_vertex, momentum_at, move_pivot, position_at, pt_gev

FIELD_TESLA = 1.5
COORDINATE = st.floats(-60.0, 60.0)
ANGLE = st.floats(-3.14, 3.14)
PT = st.floats(0.07, 6.0)
TAN_LAMBDA = st.floats(-2.0, 3.5)
CHARGE = st.sampled_from([-1, 1])


def momentum_of(pt: float, phi: float, tan_lambda: float) -> np.ndarray:
    return pt * np.array([np.cos(phi), np.sin(phi), tan_lambda])


@given(st.tuples(COORDINATE, COORDINATE, COORDINATE), PT, ANGLE, TAN_LAMBDA, CHARGE)
def test_vertex_and_momentum_survive_the_round_trip(vertex, pt, phi, tan_lambda, charge):
    momentum = momentum_of(pt, phi, tan_lambda)
    helix = helix_from_vertex(vertex, momentum, charge, FIELD_TESLA)
    # The vertex is where the direction has turned from φ0 to φ; a track of 70 MeV has a radius of 156 mm, more than
    # the 85 mm a vertex can be off the axis here, so the nearest half turn is the right one.
    turn = (helix.phi0 - phi + np.pi) % (2.0 * np.pi) - np.pi
    arc_length = turn / helix.omega
    # Angles carry 1e-15 rad and radii reach 13 m.
    assert_allclose(position_at(helix, arc_length), vertex, atol=1e-8)
    assert_allclose(momentum_at(helix, arc_length, FIELD_TESLA), momentum, rtol=1e-10, atol=1e-10)
    assert helix.charge == charge


@pytest.mark.parametrize("charge", [-1, 1])
def test_signs_follow_the_lorentz_force(charge):
    """Integrate dp/dt = q v × B numerically from the vertex and compare points and momenta along the track."""
    vertex = np.array([3.0, -7.0, 11.0])
    momentum = np.array([0.4, -0.9, 0.6])
    # In mm and GeV, per path length l: dx/dl = p/|p|, dp/dl = q B k (p/|p|) × ẑ.
    strength = charge * FIELD_TESLA * CURVATURE_PER_TESLA_GEV_PER_MM

    def motion(_, state):
        direction = state[3:] / np.linalg.norm(state[3:])
        return np.concatenate([direction, strength * np.cross(direction, [0.0, 0.0, 1.0])])

    path = np.linspace(0.0, 900.0, 7)
    solution = solve_ivp(motion, (0.0, 900.0), np.concatenate([vertex, momentum]), t_eval=path, rtol=1e-11, atol=1e-11)

    helix = helix_from_vertex(vertex, momentum, charge, FIELD_TESLA)
    transverse_path = path * np.hypot(*momentum[:2]) / np.linalg.norm(momentum)
    turn = helix.phi0 - np.arctan2(momentum[1], momentum[0])
    arc_length = turn / helix.omega + transverse_path
    assert_allclose(position_at(helix, arc_length), solution.y[:3].T, atol=1e-6)
    assert_allclose(momentum_at(helix, arc_length, FIELD_TESLA), solution.y[3:].T, atol=1e-9)


@given(st.tuples(COORDINATE, COORDINATE, COORDINATE), PT, ANGLE, TAN_LAMBDA, CHARGE)
def test_perigee_is_the_closest_point_to_the_axis(vertex, pt, phi, tan_lambda, charge):
    helix = helix_from_vertex(vertex, momentum_of(pt, phi, tan_lambda), charge, FIELD_TESLA)
    perigee = position_at(helix, 0.0)
    assert_allclose(np.hypot(perigee[0], perigee[1]), np.abs(helix.d0), rtol=1e-12)
    whole_turn = np.linspace(-np.pi, np.pi, 101) / helix.omega
    around = position_at(Helix(*(np.broadcast_to(value, (101,)) for value in helix)), whole_turn)
    assert np.all(np.hypot(around[:, 0], around[:, 1]) >= np.abs(helix.d0) - 1e-9)


@given(st.tuples(COORDINATE, COORDINATE, COORDINATE), st.tuples(COORDINATE, COORDINATE, COORDINATE), PT, ANGLE, CHARGE)
def test_distance_to_a_point_is_the_smallest_distance_on_the_track(vertex, ip, pt, phi, charge):
    helix = helix_from_vertex(vertex, momentum_of(pt, phi, 0.7), charge, FIELD_TESLA)
    dr, dz = distance_to(helix, ip)
    about_ip, arc_length = move_pivot(helix, ip)
    closest = position_at(helix, arc_length)
    assert_allclose(np.hypot(*(closest - ip)[:2]), dr, atol=1e-8)
    assert_allclose(closest[2] - ip[2], dz, atol=1e-8)
    # About the point itself the line of sight is at right angles to the direction of flight.
    flight = momentum_at(helix, arc_length, FIELD_TESLA)
    assert_allclose(np.dot((closest - ip)[:2], flight[:2]) / pt, 0.0, atol=1e-7)
    assert_allclose(flight[:2] / pt, [np.cos(about_ip.phi0), np.sin(about_ip.phi0)], atol=1e-12)


@given(st.tuples(COORDINATE, COORDINATE, COORDINATE), PT, ANGLE, CHARGE)
def test_moving_the_pivot_there_and_back_changes_nothing(pivot, pt, phi, charge):
    helix = helix_from_vertex([1.0, 2.0, 3.0], momentum_of(pt, phi, -0.4), charge, FIELD_TESLA)
    away, _ = move_pivot(helix, pivot)
    back, _ = move_pivot(away, -np.array(pivot))
    assert_allclose(np.array(back)[[0, 2, 3, 4]], np.array(helix)[[0, 2, 3, 4]], rtol=1e-9, atol=1e-9)
    assert_allclose(np.cos(back.phi0 - helix.phi0), 1.0, atol=1e-12)


def test_tracks_from_the_origin_have_no_impact_parameter():
    helix = helix_from_vertex(np.zeros((4, 3)), np.eye(4, 3) + 0.1, np.array([1, -1, 1, -1]), FIELD_TESLA)
    assert_allclose(helix.d0, 0.0)
    assert_allclose(helix.z0, 0.0)
    assert_allclose(pt_gev(helix, FIELD_TESLA), np.hypot(*(np.eye(4, 3) + 0.1).T[:2]))


def test_parameters_round_trip_through_one_array():
    helix = helix_from_vertex(np.ones((3, 3)), np.ones((3, 3)), np.array([1, -1, 1]), FIELD_TESLA)
    again = Helix.from_parameters(helix.parameters())
    assert all(np.array_equal(a, b) for a, b in zip(helix, again, strict=True))


@pytest.mark.parametrize(("momentum", "charge"), [([1.0, 0.0, 0.0], 0), ([0.0, 0.0, 1.0], 1)])
def test_straight_tracks_are_refused(momentum, charge):
    with pytest.raises(ValueError, match="helix"):
        helix_from_vertex([0.0, 0.0, 0.0], momentum, charge, FIELD_TESLA)
