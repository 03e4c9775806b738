"""Pairs and choices against loops over events, which only tests may use."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from processors.combinatorics import (
    TrackPairs,
    opening_angle,
    opposite_charge_pairs,
    other_tracks,
    smallest_per_event,
)

track = st.tuples(st.sampled_from([-1, 1]), st.booleans())
events = st.integers(0, 6).flatmap(
    lambda n_tracks: st.lists(st.lists(track, min_size=n_tracks, max_size=n_tracks), min_size=1, max_size=8)
)


@given(events)
def test_pairs_are_all_pairs_of_identified_leptons_of_opposite_charge(events):
    expected = [
        (event, i, j)
        for event, tracks in enumerate(events)
        for i, (charge_i, lepton_i) in enumerate(tracks)
        for j, (charge_j, lepton_j) in enumerate(tracks)
        if charge_i > 0 > charge_j and lepton_i and lepton_j
    ]
    flat = np.array(events, dtype=np.int8).reshape(len(events), -1, 2)
    pairs = opposite_charge_pairs(flat[..., 0], flat[..., 1].astype(bool))
    assert list(zip(*(column.tolist() for column in pairs), strict=True)) == expected


def test_four_leptons_of_net_charge_zero_make_four_pairs():
    pairs = opposite_charge_pairs(np.array([[1, -1, 1, -1]], dtype=np.int8), np.ones((1, 4), dtype=bool))
    assert len(pairs.event) == 4
    together = np.concatenate([pairs.positive[:, None], pairs.negative[:, None], other_tracks(pairs, 4)], axis=1)
    assert np.sort(together, axis=1).tolist() == [[0, 1, 2, 3]] * 4


def test_no_events_make_no_pairs():
    nothing = np.zeros((0, 4), dtype=np.int8)
    pairs = opposite_charge_pairs(nothing, nothing.astype(bool))
    assert [len(column) for column in pairs] == [0, 0, 0]
    assert other_tracks(pairs, 4).shape == (0, 2)


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-1e6, 1e6)), max_size=30))
def test_smallest_per_event_is_the_minimum_of_each_event(entries):
    entries.sort(key=lambda entry: entry[0])
    event = np.array([entry[0] for entry in entries], dtype=np.int64)
    value = np.array([entry[1] for entry in entries], dtype=np.float64)
    index = smallest_per_event(value, event)
    assert event[index].tolist() == sorted(set(event.tolist()))
    for chosen in index:
        rivals = np.flatnonzero(event == event[chosen])
        assert chosen == rivals[np.argmin(value[rivals])]


def test_taking_pairs_keeps_columns_together():
    pairs = TrackPairs(np.array([0, 1, 2]), np.array([0, 1, 2]), np.array([3, 2, 1]))
    assert pairs.take(np.array([2, 0])).negative.tolist() == [1, 3]


def test_opening_angle_agrees_with_the_arccosine_and_stays_exact_for_small_angles():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 1000, 3))
    cosine = np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert_allclose(opening_angle(a, b), np.arccos(cosine), rtol=1e-9)
    small = np.logspace(-12, -1, 12)
    direction = np.stack([np.sin(small), np.zeros(12), np.cos(small)], axis=-1)
    assert_allclose(opening_angle(3.0 * direction, np.array([[0.0, 0.0, 7.0]])), small, rtol=1e-12)


def test_opening_angle_of_opposite_momenta_is_pi():
    assert opening_angle(np.array([1.0, 0.0, 0.0]), np.array([-2.0, 0.0, 0.0])) == np.pi
