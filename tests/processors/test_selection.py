"""Cuts on arrays: working points, edges, and the missing momentum against relativistic invariants."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import special_ortho_group

from models.constants import ELECTRON_MASS_GEV, MUON_MASS_GEV, PION_MASS_GEV
from models.kinematics import boost_from_rest_frame, mass_of, with_mass
from models.search import Channel, Search
from processors.configuration import IdentificationSettings, MissingMomentumSettings, TrackSettings
from processors.selection import (
    LeptonFlags,
    MissingMomentum,
    four_good_tracks,
    good_tracks,
    has_lepton_pair,
    identify_leptons,
    missing_momentum,
    track_four_momenta,
)

TRACKS = TrackSettings()
TO_POSITRON = (0.0, 0.0, -1.0)


def _visible(n_events, seed=1):
    rng = np.random.default_rng(seed)
    tracks = with_mass(rng.normal(0.0, 0.8, (n_events, 4, 3)), np.full((n_events, 4), PION_MASS_GEV))
    neutrals = with_mass(rng.normal(0.0, 0.3, (n_events, 3)), np.zeros(n_events))
    return tracks, neutrals


@pytest.mark.parametrize(
    ("dr", "dz", "theta_deg", "is_good"),
    [
        (9.9, 0.0, 90.0, True),
        (10.1, 0.0, 90.0, False),
        (0.0, 49.9, 90.0, True),
        (0.0, -49.9, 90.0, True),
        (0.0, -50.1, 90.0, False),
        (0.0, 50.1, 90.0, False),
        (0.0, 0.0, 17.1, True),
        (0.0, 0.0, 16.9, False),
        (0.0, 0.0, 149.9, True),
        (0.0, 0.0, 150.1, False),
    ],
)
def test_a_good_track_is_near_the_interaction_point_and_in_the_acceptance(dr, dz, theta_deg, is_good):
    tan_lambda = 1.0 / np.tan(np.deg2rad([theta_deg]))
    good = good_tracks(np.array([dr]), np.array([dz]), tan_lambda, TRACKS.max_dr_of(Search.EE), TRACKS)
    assert good.tolist() == [is_good]


def test_only_the_displaced_search_takes_displaced_tracks():
    assert [TRACKS.max_dr_of(search) for search in (Search.EE_DISPLACED, Search.EE, Search.MUMU)] == [50.0, 10.0, 10.0]


def test_four_good_tracks_means_exactly_four():
    counts = np.array([5, 0, 4, 3, 6])
    good = np.array([flag == "1" for flag in "110111111111111110"])
    selected = four_good_tracks(good, np.repeat(np.arange(5), counts), 5)
    assert selected.tolist() == [[0, 1, 3, 4], [5, 6, 7, 8]]


def test_no_tracks_at_all_select_nothing():
    nothing = np.zeros(0, dtype=np.int64)
    assert four_good_tracks(nothing.astype(bool), nothing, 3).shape == (0, 4)


def test_muons_need_a_usable_likelihood_and_tracks_get_the_mass_of_what_they_are():
    flags = identify_leptons(
        [0.95, 0.0, 0.0, 0.95, 0.89], [0.0, 0.95, 0.95, 0.95, 0.89], [1, 1, 0, 1, 1], IdentificationSettings()
    )
    assert flags.of(Channel.EE).tolist() == [True, False, False, True, False]
    assert flags.of(Channel.MUMU).tolist() == [False, True, False, True, False]
    assert_array_equal(
        flags.mass_gev(), [ELECTRON_MASS_GEV, MUON_MASS_GEV, PION_MASS_GEV, ELECTRON_MASS_GEV, PION_MASS_GEV]
    )


def test_a_lepton_pair_has_both_charges():
    charge = np.array([[1, 1, -1, -1]] * 3, dtype=np.int8)
    is_lepton = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]], dtype=bool)
    assert has_lepton_pair(charge, is_lepton).tolist() == [False, True, False]


def test_missing_mass_does_not_depend_on_the_frame():
    tracks, neutrals = _visible(50)
    beam_cm = np.tile([0.0, 0.0, 0.0, 10.58], (50, 1))
    laboratory = np.array([0.176, 0.0, 4.498, 11.5])
    at_rest = missing_momentum(beam_cm, tracks, neutrals, TO_POSITRON)
    moving = missing_momentum(
        boost_from_rest_frame(beam_cm, laboratory),
        boost_from_rest_frame(tracks, laboratory),
        boost_from_rest_frame(neutrals, laboratory),
        TO_POSITRON,
    )
    # The beams' mass, and with it the missing mass, keeps 1e-12 through a boost of γ ≈ 1.1.
    assert_allclose(moving.mass_gev, at_rest.mass_gev, rtol=1e-10)


def test_missing_momentum_is_that_of_what_was_left_out():
    tracks, neutrals = _visible(20)
    beam = np.tile([0.0, 0.0, 0.0, 10.58], (20, 1))
    unseen = beam - tracks.sum(axis=1) - neutrals
    missing = missing_momentum(beam, tracks, neutrals, TO_POSITRON)
    positive = unseen[:, 3] ** 2 > np.sum(unseen[:, :3] ** 2, axis=1)
    assert_allclose(missing.mass_gev[positive], mass_of(unseen)[positive], rtol=1e-12)
    assert np.all(missing.mass_gev[~positive] <= 0.0)
    assert_allclose(missing.cos_theta_cm, unseen[:, 2] / np.linalg.norm(unseen[:, :3], axis=1), rtol=1e-12)


def test_polar_angle_counts_from_the_electron_beam_in_the_cm_frame():
    """A neutrino along either beam, in the laboratory, is at 0° or 180° in the c.m. frame, crossing angle or not."""
    angle = 0.022
    electron = with_mass([8.0 * np.sin(angle), 0.0, 8.0 * np.cos(angle)], 0.0)
    positron = with_mass([0.0, 0.0, -3.5], 0.0)
    beam = electron + positron
    unseen = np.stack([0.3 * electron, 0.5 * positron])
    seen = beam - unseen
    missing = missing_momentum(np.stack([beam, beam]), seen[:, np.newaxis], np.zeros((2, 4)), TO_POSITRON)
    assert_allclose(missing.cos_theta_cm, [1.0, -1.0], atol=1e-12)
    rotation = special_ortho_group.rvs(3, random_state=4)
    turned = [np.concatenate([p[..., :3] @ rotation, p[..., 3:]], axis=-1) for p in (np.stack([beam, beam]), seen)]
    direction = tuple(np.array(TO_POSITRON) @ rotation)
    rotated = missing_momentum(turned[0], turned[1][:, np.newaxis], np.zeros((2, 4)), direction)
    assert_allclose(rotated.cos_theta_cm, [1.0, -1.0], atol=1e-12)


def test_nothing_missing_has_no_direction_and_no_mass():
    beam = np.array([[0.0, 0.0, 0.0, 10.58]])
    missing = missing_momentum(beam, beam[:, np.newaxis], np.zeros((1, 4)), TO_POSITRON)
    assert (missing.mass_gev.tolist(), missing.cos_theta_cm.tolist()) == ([0.0], [0.0])


def test_windows_are_open_at_their_edges():
    settings = MissingMomentumSettings()
    mass = MissingMomentum(np.array([1.99, 2.01, 5.99, 6.01, -3.0]), np.zeros(5)).mass_passes(settings)
    assert mass.tolist() == [False, True, True, False, False]
    cosine = np.cos(np.deg2rad([29.9, 30.1, 149.9, 150.1]))
    assert MissingMomentum(np.zeros(4), cosine).angle_passes(settings).tolist() == [False, True, True, False]


def test_track_four_momenta_are_on_their_mass_shell():
    momentum = np.random.default_rng(1).normal(size=(3, 4, 3))
    flags = LeptonFlags(np.eye(3, 4, dtype=bool), np.zeros((3, 4), dtype=bool))
    # √(E² − p²) of an electron loses digits: 1e-16·E²/m² ≈ 1e-9.
    assert_allclose(mass_of(track_four_momenta(momentum, flags)), flags.mass_gev(), rtol=1e-7)
