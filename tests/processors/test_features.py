"""The classifier's inputs, event by event against their definitions, and their invariances."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from models.constants import ELECTRON_MASS_GEV, NEUTRAL_PION_MASS_GEV
from models.kinematics import boost_to_rest_frame, invariant_mass, mass_of, with_mass
from models.search import PHI_PDG, Channel, Search
from processors.candidate_table import lepton_flags, select_candidates
from processors.configuration import CandidateSettings, FeatureSettings, TrackSettings
from processors.correction_sets import load_corrections
from processors.event_shapes import fox_wolfram_ratios, thrust
from processors.features import FEATURES, candidate_features
from processors.four_track_events import NeutralPions, read_four_track_events
from processors.phi_candidates import find_phi_candidates, true_candidates
from processors.selection import has_lepton_pair, missing_momentum, track_four_momenta
from processors.topology_features import TOPOLOGY_FEATURES, topology_features

SETTINGS = CandidateSettings()


@pytest.fixture(scope="module")
def four_track_events(tmp_path_factory, toys):
    """Events with four tracks near the edges of all other cuts."""
    toys = toys(tmp_path_factory.mktemp("toys"))
    rng = np.random.default_rng(8)
    events = [event for event in (toys.random_event(rng) for _ in range(400)) if len(event.tracks) == 4]
    chunk = toys.chunk(toys.write([toys.good_event("e"), toys.good_event("mu"), *events]))
    tracks = np.arange(4 * chunk.n_events).reshape(-1, 4)
    return read_four_track_events(chunk, tracks, is_data=False)


def with_lepton_pair(events, search):
    is_lepton = lepton_flags(events, SETTINGS).of(search.channel)
    return events.select(has_lepton_pair(events.charge, is_lepton))


def selected(events, search, settings=SETTINGS):
    is_lepton = lepton_flags(events, settings).of(search.channel)
    found = find_phi_candidates(events, is_lepton, search.channel, 1.5, settings.vertex_fit)
    return select_candidates(events, found, search.channel, settings, load_corrections(settings.corrections))


@pytest.fixture(scope="module")
def candidates(four_track_events):
    """Events with an electron pair, their candidates and inputs."""
    events = with_lepton_pair(four_track_events, Search.EE)
    leptons = lepton_flags(events, SETTINGS)
    found = find_phi_candidates(events, leptons.electron, Channel.EE, 1.5, SETTINGS.vertex_fit)
    assert len(found.event) == events.n_events > 30
    tracks = track_four_momenta(events.momentum_gev, leptons)
    missing = missing_momentum(events.beam, tracks, events.photons.sum_per_event, SETTINGS.positron_direction)
    features = candidate_features(events, leptons, missing, found, Channel.EE, SETTINGS.features)
    return events, found, features


def test_names_are_ordered_unique_and_the_mass_is_not_among_them(candidates):
    _, _, features = candidates
    assert tuple(features) == FEATURES[Channel.EE] == FEATURES[Channel.MUMU]
    assert len(set(FEATURES[Channel.EE])) == 20
    assert "m_ll_gev" not in FEATURES[Channel.EE]
    assert all(values.dtype == np.float32 and np.isfinite(values).all() for values in features.values())


def test_inputs_follow_their_definitions_event_by_event(candidates):
    events, found, features = candidates
    photon_offsets = np.concatenate([[0], np.cumsum(events.photons.counts)])
    leptons = lepton_flags(events, SETTINGS)
    for index in range(events.n_events):
        tracks = with_mass(events.momentum_gev[index], leptons.mass_gev()[index])
        photons = events.photons.four_momentum[photon_offsets[index] : photon_offsets[index + 1]]
        in_cm = boost_to_rest_frame(np.concatenate([tracks, photons]), events.beam[index])
        one_event = np.array([0, len(in_cm)])
        daughters = with_mass(found.momentum_gev[index], ELECTRON_MASS_GEV)
        phi = daughters.sum(axis=0)
        unseen = boost_to_rest_frame(events.beam[index] - tracks.sum(axis=0) - photons.sum(axis=0), events.beam[index])
        axis = -boost_to_rest_frame(np.array([0.0, 0.0, -1.0, 1.0]), events.beam[index])[:3]
        transverse = sorted(np.hypot(*found.momentum_gev[index, :, :2].T))
        direction = photons[:, :3] / np.linalg.norm(photons[:, :3], axis=1, keepdims=True)
        expected = {
            "thrust_cm": thrust(in_cm[:, :3], one_event)[0],
            "visible_energy_cm_gev": in_cm[:, 3].sum(),
            "fox_wolfram_r2_cm": fox_wolfram_ratios(in_cm[:, :3], one_event, 2)[0, 1],
            "missing_cos_theta_cm": unseen[:3] @ axis / np.linalg.norm(unseen[:3]) / np.linalg.norm(axis),
            "phi_energy_gev": phi[3],
            "leading_pt_gev": transverse[1],
            "subleading_pt_gev": transverse[0],
            "tau_tracks_mass_gev": mass_of(tracks[found.tau_tracks[index]].sum(axis=0)),
            "n_leptons": leptons.any[index].sum(),
            "neutral_energy_gev": photons[:, 3].sum(),
            "vertex_dr_mm": np.hypot(*found.vertex_mm[index, :2]),
            "phi_photon_mass_gev": mass_of(phi + photons[np.argmax(direction @ phi[:3])]) if len(photons) else -1.0,
        }
        for name, value in expected.items():
            assert features[name][index] == pytest.approx(value, rel=2e-6, abs=1e-6), name


def topology(events, found, direction=SETTINGS.positron_direction):
    tracks = track_four_momenta(events.momentum_gev, lepton_flags(events, SETTINGS))
    return topology_features(events, found, tracks, Channel.EE, direction, -1.0)


def test_topology_follows_its_definitions_event_by_event(candidates):
    """By explicit boosts and sums over particles, in the frames of each event."""
    events, found, _ = candidates
    features = topology(events, found)
    assert tuple(features) == TOPOLOGY_FEATURES
    assert not set(TOPOLOGY_FEATURES) & {*FEATURES[Channel.EE], "m_ll_gev"}
    assert all(values.dtype == np.float32 and np.isfinite(values).all() for values in features.values())
    photon_offsets = np.concatenate([[0], np.cumsum(events.photons.counts)])
    leptons = lepton_flags(events, SETTINGS)

    def angle(a, b):
        return np.arccos(np.clip(a[:3] @ b[:3] / np.linalg.norm(a[:3]) / np.linalg.norm(b[:3]), -1.0, 1.0))

    for index in range(events.n_events):
        beam = events.beam[index]
        tracks = with_mass(events.momentum_gev[index], leptons.mass_gev()[index])
        photons = events.photons.four_momentum[photon_offsets[index] : photon_offsets[index + 1]]
        daughters = with_mass(found.momentum_gev[index], ELECTRON_MASS_GEV)
        phi = daughters.sum(axis=0)
        taus = tracks[found.tau_tracks[index]]
        phi_cm, *taus_cm = boost_to_rest_frame(np.stack([phi, *taus]), beam)
        in_recoil = boost_to_rest_frame(taus, beam - phi)
        order = np.argsort(-np.linalg.norm(in_recoil[:, :3], axis=1))
        axis = -boost_to_rest_frame(np.array([0.0, 0.0, -1.0, 1.0]), beam)
        positive_at_rest = boost_to_rest_frame(boost_to_rest_frame(daughters[0], beam), phi_cm)
        missing = boost_to_rest_frame(beam - tracks.sum(axis=0) - photons.sum(axis=0), beam)
        charges = events.charge[index, found.tau_tracks[index]]
        cross = sorted(
            mass_of(daughters[0 if charge < 0 else 1] + tau) for charge, tau in zip(charges, taus, strict=True)
        )
        systems = [taus_cm[0].copy(), taus_cm[1].copy()]
        with_phi = 0.0
        for photon in boost_to_rest_frame(photons, beam):
            nearest = np.argmin([angle(photon, taus_cm[0]), angle(photon, taus_cm[1]), angle(photon, phi_cm)])
            if nearest == 2:
                with_phi += photon[3]
            else:
                systems[nearest] += photon
        masses = mass_of(phi + photons)
        expected = {
            "vertex_chi2": found.chi2[index],
            "phi_cos_theta_cm": np.cos(angle(phi_cm, axis)),
            "phi_helicity_cos": abs(np.cos(angle(positive_at_rest, phi_cm))),
            "phi_nearest_track_angle_cm_rad": min(angle(phi_cm, tau) for tau in taus_cm),
            "tau_tracks_angle_rad": angle(*in_recoil),
            "leading_tau_track_momentum_gev": np.linalg.norm(in_recoil[order[0], :3]),
            "subleading_tau_track_momentum_gev": np.linalg.norm(in_recoil[order[1], :3]),
            "leading_tau_kaon_likelihood": events.kaon_likelihood[index, found.tau_tracks[index][order[0]]],
            "subleading_tau_kaon_likelihood": events.kaon_likelihood[index, found.tau_tracks[index][order[1]]],
            "larger_tau_mass_gev": max(mass_of(system) for system in systems),
            "smaller_tau_mass_gev": min(mass_of(system) for system in systems),
            "phi_photon_energy_gev": with_phi,
            "phi_pion_mass_gev": masses[np.argmin(np.abs(masses - NEUTRAL_PION_MASS_GEV))] if len(photons) else -1.0,
            "smaller_cross_pair_mass_gev": cross[0],
            "larger_cross_pair_mass_gev": cross[1],
            "missing_pt_cm_gev": np.linalg.norm(missing[:3]) * np.sin(angle(missing, axis)),
            "missing_nearest_track_angle_rad": min(angle(missing, tau) for tau in taus_cm),
        }
        assert set(expected) == set(TOPOLOGY_FEATURES)
        for name, value in expected.items():
            assert features[name][index] == pytest.approx(value, rel=2e-5, abs=2e-6), name


def test_a_candidate_with_more_energy_than_the_beams_has_a_topology_too(candidates):
    events, found, _ = candidates
    impossible = replace(found, momentum_gev=50.0 * found.momentum_gev)
    assert all(np.isfinite(values).all() for values in topology(events, impossible).values())


def test_the_kept_candidate_has_the_smallest_opening_angle(candidates):
    events, found, _ = candidates
    is_electron = lepton_flags(events, SETTINGS).electron
    for index in np.flatnonzero(found.n_in_event > 1):
        others = [
            (int(i), int(j))
            for i in np.flatnonzero(is_electron[index] & (events.charge[index] > 0))
            for j in np.flatnonzero(is_electron[index] & (events.charge[index] < 0))
            if (i, j) != tuple(found.daughters[index])
        ]
        assert len(others) == found.n_in_event[index] - 1
        for pair in others:
            hidden = np.zeros_like(is_electron)
            hidden[index, list(pair)] = True
            rival = find_phi_candidates(events, hidden, Channel.EE, 1.5, SETTINGS.vertex_fit)
            assert rival.opening_angle_rad[0] >= found.opening_angle_rad[index]


def test_the_true_candidate_needs_both_daughters_from_phi(candidates):
    events, found, _ = candidates
    mother = np.take_along_axis(events.truth.mother_pdg, found.daughters, axis=1)
    is_true = true_candidates(events.truth, found, Channel.EE)
    assert_array_equal(is_true, (mother == PHI_PDG).all(axis=1))
    assert is_true.any()
    assert not is_true.all()
    assert not true_candidates(events.truth, found, Channel.MUMU).any()


def test_rotation_about_the_solenoid_axis_changes_nothing(four_track_events):
    """Beams, momenta, helices, photons and interaction point turn together; float32 columns leave 1e-5."""
    angle = 1.1
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def turn(vectors):
        turned = vectors.copy()
        turned[..., :2] = vectors[..., :2] @ rotation.T
        return turned

    events = with_lepton_pair(four_track_events, Search.MUMU)
    helix = events.helix.copy()
    helix[..., 1] += angle
    rotated = replace(
        events,
        beam=turn(events.beam),
        ip_mm=turn(events.ip_mm),
        momentum_gev=turn(events.momentum_gev),
        helix=helix,
        photons=replace(events.photons, four_momentum=turn(events.photons.four_momentum)),
    )
    reference, turned = (selected(which, Search.MUMU) for which in (events, rotated))
    assert {cut: mask.tolist() for cut, mask in reference.passed.items()} == {
        cut: mask.tolist() for cut, mask in turned.passed.items()
    }
    for name in (*FEATURES[Channel.MUMU], *TOPOLOGY_FEATURES, "m_ll_gev"):
        assert_allclose(turned.columns[name], reference.columns[name], rtol=1e-5, atol=1e-5, err_msg=name)


def test_pions_are_counted_in_the_window_above_the_photon_threshold(candidates):
    events, found, _ = candidates
    pions = NeutralPions(
        counts=np.array([3, 0, 2]),
        two_photon_mass_gev=np.array([0.135, 0.100, 0.160, 0.120, NEUTRAL_PION_MASS_GEV]),
        min_photon_energy_gev=np.array([0.2, 0.2, 0.2, 0.04, np.inf]),
        photon=np.full((5, 2), -1),
    )
    three = np.arange(events.n_events) < 3
    kept = replace(found, **{name: getattr(found, name)[three] for name in vars(found)})
    first = replace(events.select(three), neutral_pions=pions)
    leptons = lepton_flags(first, SETTINGS)
    tracks = track_four_momenta(first.momentum_gev, leptons)
    missing = missing_momentum(first.beam, tracks, first.photons.sum_per_event, SETTINGS.positron_direction)
    features = candidate_features(first, leptons, missing, kept, Channel.EE, FeatureSettings())
    assert features["n_pi0"].tolist() == [1, 0, 1]


def test_soft_photons_are_left_out_everywhere(four_track_events):
    features = FeatureSettings(min_photon_energy_gev=100.0)
    settings = CandidateSettings(features=features, tracks=TrackSettings())
    rows = selected(with_lepton_pair(four_track_events, Search.EE), Search.EE, settings)
    assert set(rows.columns["phi_photon_mass_gev"]) == {-1.0}
    assert not rows.columns["neutral_energy_gev"].any()


def test_two_photon_mass_of_a_pion_candidate_is_that_of_its_photons(toy_ntuples):
    columns = toy_ntuples.columns(
        [
            toy_ntuples.good_event("e"),
            replace(toy_ntuples.good_event("mu"), photons_cm_gev=((0.5, 0.0, 0.1), (0.45, 0.2, 0.1), (0.0, 0.0, 0.3))),
        ]
    )
    columns["nPi0"] = np.array([0, 2])
    columns |= {f"Pi0_{name}": np.ones(2) for name in ("px", "py", "pz", "E")}
    columns |= {"Pi0_photon0": np.array([1, -1], dtype=np.int32), "Pi0_photon1": np.array([0, -1], dtype=np.int32)}
    chunk = toy_ntuples.chunk(toy_ntuples.write_spoiled(columns))
    events = read_four_track_events(chunk, np.array([[4, 5, 6, 7]]), is_data=False)
    assert events.neutral_pions.counts.tolist() == [2]
    pair = invariant_mass(
        *(columns[f"Photon_{name}"][1] + columns[f"Photon_{name}"][2] for name in ("E", "px", "py", "pz"))
    )
    assert_allclose(events.neutral_pions.two_photon_mass_gev, [pair, NEUTRAL_PION_MASS_GEV], rtol=1e-6)
    assert events.neutral_pions.min_photon_energy_gev[1] == np.inf
