"""Thrust and Fox–Wolfram moments against brute force, the definition, and their invariances."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import eval_legendre
from scipy.stats import special_ortho_group

from processors.event_shapes import fox_wolfram_ratios, thrust


def _brute_force_thrust(p):
    """All 2^(N−1) sign choices: no plane argument involved."""
    signs = np.array(list(itertools.product([1.0], *[[-1.0, 1.0]] * (len(p) - 1))))
    return np.linalg.norm(signs @ p, axis=1).max() / np.linalg.norm(p, axis=1).sum()


def _fox_wolfram_by_definition(p, order):
    length = np.linalg.norm(p, axis=1)
    cosine = np.clip(p @ p.T / np.outer(length, length), -1.0, 1.0)
    return np.sum(np.outer(length, length) * eval_legendre(order, cosine)) / length.sum() ** 2


def _event(seed, n_particles):
    return np.random.default_rng(seed).normal(size=(n_particles, 3)) * [0.5, 1.0, 2.0]


def _shapes(p):
    offsets = np.array([0, len(p)])
    return np.concatenate([thrust(p, offsets), fox_wolfram_ratios(p, offsets, 4)[0]])


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), n_particles=st.integers(1, 11))
def test_thrust_is_the_best_of_all_sign_choices(seed, n_particles):
    p = _event(seed, n_particles)
    assert thrust(p, np.array([0, n_particles]))[0] == pytest.approx(_brute_force_thrust(p), rel=1e-12)


@pytest.mark.parametrize("n_particles", [2, 3, 4, 5, 7])
@pytest.mark.parametrize("seed", range(5))
def test_thrust_of_a_planar_event_is_exact(seed, n_particles):
    p = _event(seed, n_particles)
    p[:, 2] = p[:, 0] - 0.5 * p[:, 1]
    assert thrust(p, np.array([0, n_particles]))[0] == pytest.approx(_brute_force_thrust(p), rel=1e-12)


def test_thrust_of_doubled_and_opposite_momenta_is_exact():
    p = _event(1, 4)
    p = np.concatenate([p, 2.0 * p[:2], -p[2:3]])
    assert thrust(p, np.array([0, len(p)]))[0] == pytest.approx(_brute_force_thrust(p), rel=1e-12)


def test_thrust_of_collinear_momenta_is_one():
    p = np.outer([1.0, -2.0, 3.0, 0.5], [0.2, -0.3, 0.9])
    assert thrust(p, np.array([0, 4]))[0] == pytest.approx(1.0, rel=1e-14)


def test_thrust_of_three_symmetric_momenta_is_two_thirds():
    angle = np.array([0.0, 2.0, 4.0]) * np.pi / 3.0
    p = np.stack([np.cos(angle), np.sin(angle), np.zeros(3)], axis=-1)
    assert thrust(p, np.array([0, 3]))[0] == pytest.approx(2.0 / 3.0, rel=1e-14)


def test_thrust_of_an_isotropic_event_tends_to_one_half():
    """With Fibonacci points on the sphere the mean of |cos θ| is ½ up to the spacing, about 1/N."""
    n = 60
    z = 1.0 - 2.0 * (np.arange(n) + 0.5) / n
    phi = np.arange(n) * np.pi * (3.0 - np.sqrt(5.0))
    p = np.stack([np.sqrt(1 - z**2) * np.cos(phi), np.sqrt(1 - z**2) * np.sin(phi), z], axis=-1)
    assert thrust(p, np.array([0, n]))[0] == pytest.approx(0.5, abs=1.0 / n)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), n_particles=st.integers(1, 12))
def test_fox_wolfram_moments_follow_their_definition(seed, n_particles):
    p = _event(seed, n_particles)
    expected = [_fox_wolfram_by_definition(p, order) for order in range(1, 6)]
    # 1e-12 of the largest possible value: the moments themselves may cancel to zero.
    assert fox_wolfram_ratios(p, np.array([0, n_particles]), 5)[0] == pytest.approx(expected, abs=1e-12)


def test_zeroth_moment_normalises_so_that_collinear_even_moments_are_one():
    p = np.outer([1.0, -1.0, 2.0, -2.0], [0.0, 0.6, 0.8])
    assert fox_wolfram_ratios(p, np.array([0, 4]), 4)[0] == pytest.approx([0.0, 1.0, 0.0, 1.0], abs=1e-14)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), n_particles=st.integers(2, 12), scale=st.floats(1e-3, 1e3))
def test_shapes_do_not_change_under_rotation_reflection_scale_and_order(seed, n_particles, scale):
    p = _event(seed, n_particles)
    rng = np.random.default_rng(seed)
    rotation = special_ortho_group.rvs(3, random_state=rng)
    reference = _shapes(p)
    for changed in (p @ rotation, -p, scale * p, rng.permutation(p)):
        assert _shapes(np.ascontiguousarray(changed)) == pytest.approx(reference, rel=1e-9, abs=1e-11)


def test_each_event_sees_its_own_particles_only():
    sizes = [3, 0, 1, 6]
    events = [_event(seed, size) for seed, size in enumerate(sizes)]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    p = np.concatenate(events)
    together = thrust(p, offsets), fox_wolfram_ratios(p, offsets, 3)
    for index, event in enumerate(events):
        alone = thrust(event, np.array([0, len(event)])), fox_wolfram_ratios(event, np.array([0, len(event)]), 3)
        assert together[0][index] == alone[0][0]
        assert np.array_equal(together[1][index], alone[1][0])


def test_an_event_without_particles_or_momentum_has_zero_shapes():
    p = np.zeros((2, 3))
    offsets = np.array([0, 0, 2])
    assert thrust(p, offsets).tolist() == [0.0, 0.0]
    assert fox_wolfram_ratios(p, offsets, 2).tolist() == [[0.0, 0.0], [0.0, 0.0]]
