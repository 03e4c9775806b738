"""Shifted kinematics: what moves, by how much, and that masses follow."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from models.kinematics import mass_of
from models.search import Channel
from processors.candidate_table import lepton_flags, select_candidates
from processors.configuration import CandidateSettings
from processors.correction_sets import CorrectionError, CorrectionName, load_corrections
from processors.correction_tables import Table, as_correction, write_correction_set
from processors.four_track_events import NeutralPions, read_four_track_events
from processors.phi_candidates import find_phi_candidates
from processors.variations import Kinematics, shift_photons, shift_tracks

SETTINGS = CandidateSettings()
DEFAULT = load_corrections(["default"])


@pytest.fixture(scope="module")
def events(tmp_path_factory, toys):
    """Four-track events; the true momenta of all but the first event are 1 % above the measured ones."""
    toys = toys(tmp_path_factory.mktemp("toys"))
    rng = np.random.default_rng(8)
    random = [event for event in (toys.random_event(rng) for _ in range(100)) if len(event.tracks) == 4]
    chunk = toys.chunk(toys.write([toys.good_event("e"), *random]))
    read = read_four_track_events(chunk, np.arange(4 * chunk.n_events).reshape(-1, 4), is_data=False)
    true = 1.01 * np.linalg.norm(read.momentum_gev, axis=-1)
    true[0] = 0.0
    return replace(read, truth=replace(read.truth, momentum_gev=true))


def corrections_with(tmp_path, **tables):
    """Return the default corrections with some in place of theirs."""
    path = tmp_path / "own.json"
    made = [as_correction(CorrectionName(name), table, "test") for name, table in tables.items()]
    write_correction_set(made, "test", path)
    return load_corrections(["default", str(path)])


def candidate_mass(events):
    found = find_phi_candidates(events, lepton_flags(events, SETTINGS).electron, Channel.EE, 1.5, SETTINGS.vertex_fit)
    return select_candidates(events, found, Channel.EE, SETTINGS, DEFAULT).columns["m_ll_gev"]


@pytest.mark.parametrize(
    ("kinematics", "sign"), [(Kinematics.MOMENTUM_SCALE_UP, 1), (Kinematics.MOMENTUM_SCALE_DOWN, -1)]
)
def test_momentum_scale_moves_momenta_helices_and_masses_together(events, kinematics, sign):
    scale = 1.0 + sign * 0.001
    shifted = shift_tracks(events, kinematics, DEFAULT)
    assert_allclose(shifted.momentum_gev, scale * events.momentum_gev, rtol=1e-14)
    pt = np.hypot(shifted.momentum_gev[..., 0], shifted.momentum_gev[..., 1])
    assert_allclose(1.5 * 0.000299792458 / np.abs(shifted.helix[..., 2]), pt, rtol=1e-6)  # float32 momenta
    good = events.select(np.arange(events.n_events) == 0)
    masses = [candidate_mass(which)[0] for which in (good, shift_tracks(good, kinematics, DEFAULT))]
    # The electron mass does not scale: (2 m_e / m)² = 1.4e-4 of the shift.
    assert masses[1] / masses[0] == pytest.approx(scale, rel=5e-7)


def test_a_better_resolution_moves_momenta_towards_the_truth(events):
    # Five standard deviations allow for more than 1 % in these tracks.
    wide = events.packed_covariance.copy()
    wide[...] = 1.0
    loose = replace(events, packed_covariance=wide)
    up, down = (shift_tracks(loose, k, DEFAULT) for k in list(Kinematics)[3:5])
    residual = 1.0 - 1.01
    assert_allclose(up.momentum_gev[1:] / events.momentum_gev[1:], 1.0 + 0.05 * residual, rtol=1e-12)
    assert_allclose(down.momentum_gev[1:] / events.momentum_gev[1:], 1.0 - 0.05 * residual, rtol=1e-12)
    # Without a match nothing is known, so nothing moves.
    assert_array_equal(up.momentum_gev[0], events.momentum_gev[0])


def test_radiation_is_not_taken_for_resolution(events):
    tight = replace(events, packed_covariance=np.full_like(events.packed_covariance, 1e-20))
    moved = shift_tracks(tight, Kinematics.MOMENTUM_RESOLUTION_UP, DEFAULT).momentum_gev / events.momentum_gev - 1.0
    error = 1e-10 / np.abs(events.helix[1:, :, 2])
    assert_allclose(moved[1:, :, 0], -0.05 * 5.0 * error, rtol=1e-4, atol=1e-12)


def test_photon_energies_move_photons_and_the_pions_made_of_them_but_no_track(events):
    two = events.select(events.photons.counts >= 2)
    n = two.n_events
    pions = NeutralPions(np.ones(n, int), np.zeros(n), np.zeros(n), np.tile([1, 0], (n, 1)))
    two = replace(two, neutral_pions=pions.made_of(two.photons))
    first = np.cumsum(two.photons.counts) - two.photons.counts
    pair = two.photons.four_momentum[first] + two.photons.four_momentum[first + 1]
    assert_allclose(two.neutral_pions.two_photon_mass_gev, mass_of(pair), rtol=1e-12)
    shifted = shift_photons(two, Kinematics.PHOTON_ENERGY_UP, DEFAULT)
    assert_allclose(shifted.photons.four_momentum, 1.01 * two.photons.four_momentum, rtol=1e-14)
    assert_allclose(shifted.neutral_pions.two_photon_mass_gev, 1.01 * two.neutral_pions.two_photon_mass_gev, rtol=1e-10)
    assert shifted.helix is two.helix
    assert not Kinematics.PHOTON_ENERGY_UP.moves_tracks


def test_nominal_kinematics_take_the_nominal_corrections(events, tmp_path):
    assert shift_tracks(events, Kinematics.NOMINAL, DEFAULT) is events
    assert shift_photons(events, Kinematics.NOMINAL, DEFAULT) is events
    scaled = corrections_with(
        tmp_path, momentum_scale=Table.symmetric({"charge": (-2, 0, 2)}, [1.0, 1.002], [0.0, 0.0])
    )
    ratio = shift_tracks(events, Kinematics.PHOTON_ENERGY_UP, scaled).momentum_gev / events.momentum_gev
    assert_allclose(ratio[events.charge > 0], 1.002, rtol=1e-12)
    assert_allclose(ratio[events.charge < 0], 1.0, rtol=1e-12)


def test_a_momentum_that_would_vanish_is_refused(events, tmp_path):
    wild = corrections_with(tmp_path, momentum_scale=Table.symmetric({}, 1.0, 2.0))
    with pytest.raises(CorrectionError, match="momentum_scale_down' multiply a momentum by 0"):
        shift_tracks(events, Kinematics.MOMENTUM_SCALE_DOWN, wild)
