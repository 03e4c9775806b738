"""Four-vector algebra against Lorentz invariance and an independent library."""

import numpy as np
import vector
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from models.kinematics import (
    boost_from_rest_frame,
    boost_to_rest_frame,
    invariant_mass,
    mass_of,
    rotate_z_to,
    two_body_momentum,
    unit_vector,
    with_mass,
)

COMPONENT = st.floats(-10.0, 10.0)
MOMENTUM = st.tuples(COMPONENT, COMPONENT, COMPONENT)
MASS = st.floats(0.01, 10.0)


@given(MOMENTUM, MASS, MOMENTUM, MASS)
def test_boost_keeps_masses_and_is_undone_by_its_inverse(p, mass, frame, frame_mass):
    four_momentum, parent = with_mass(p, mass), with_mass(frame, frame_mass)
    boosted = boost_from_rest_frame(four_momentum, parent)
    # Rounding of E² − p² is relative to E², hence the absolute term.
    assert_allclose(mass_of(boosted) ** 2, mass**2, atol=1e-12 * boosted[3] ** 2)
    # γ can reach 1700: each boost multiplies rounding by γ.
    assert_allclose(boost_to_rest_frame(boosted, parent), four_momentum, rtol=1e-9, atol=1e-9 * boosted[3])


@given(MOMENTUM, MASS)
def test_own_rest_frame_has_no_momentum(p, mass):
    four_momentum = with_mass(p, mass)
    at_rest = boost_to_rest_frame(four_momentum, four_momentum)
    assert_allclose(at_rest, [0.0, 0.0, 0.0, mass], atol=1e-9 * four_momentum[3] ** 2 / mass)


def test_boost_agrees_with_vector_library():
    rng = np.random.default_rng(1)
    four_momentum = with_mass(rng.normal(size=(50, 3)), 0.14)
    parent = with_mass(rng.normal(size=(50, 3)), 1.0)
    expected = vector.array(dict(zip(("px", "py", "pz", "E"), four_momentum.T, strict=True))).boost_p4(
        vector.array(dict(zip(("px", "py", "pz", "E"), parent.T, strict=True)))
    )
    boosted = boost_from_rest_frame(four_momentum, parent)
    assert_allclose(boosted, np.stack([expected.px, expected.py, expected.pz, expected.E], axis=-1), rtol=1e-10)


def test_mass_of_fast_electron_keeps_its_digits_and_rounding_gives_no_nan():
    assert_allclose(invariant_mass(np.sqrt(0.000511**2 + 25.0), 0.0, 3.0, 4.0), 0.000511, rtol=1e-6)
    assert invariant_mass(1.0, 1.0 + 1e-15, 0.0, 0.0) == 0.0


@given(MOMENTUM, st.floats(-0.999, 0.999), st.floats(-3.1, 3.1))
def test_rotation_takes_z_to_direction_and_keeps_lengths(p, cos_theta, phi):
    direction = unit_vector(cos_theta, phi)
    assert_allclose(rotate_z_to(np.array([0.0, 0.0, 1.0]), direction), direction, atol=1e-12)
    momentum = np.array(p)
    assert_allclose(np.linalg.norm(rotate_z_to(momentum, direction)), np.linalg.norm(momentum), rtol=1e-12, atol=1e-12)


@given(st.floats(0.1, 3.0), st.floats(0.1, 3.0), st.floats(0.001, 5.0))
def test_two_body_momentum_conserves_energy(mass_a, mass_b, released):
    mass = mass_a + mass_b + released
    p = two_body_momentum(mass, mass_a, mass_b)
    assert_allclose(np.hypot(p, mass_a) + np.hypot(p, mass_b), mass, rtol=1e-12)


def test_decay_below_threshold_has_no_momentum():
    assert two_body_momentum(1.0, 0.6, 0.6) == 0.0
