"""What a muon and a photon recoil against, on events of exact kinematics."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.constants import MUON_MASS_GEV
from models.kinematics import boost_from_rest_frame, unit_vector, with_mass
from processors.recoil import find_recoils

N = 50
BEAM = np.array([0.0, 0.2, 4.5, 11.5])
SQRT_S = np.sqrt(BEAM[3] ** 2 - BEAM[:3] @ BEAM[:3])


def muon_pairs_with_a_photon(rng):
    """Return both muons and the photon of events without further radiation, shape (n, 4) each, in the laboratory."""
    fraction = rng.uniform(0.25, 0.7, N)
    pair_mass = SQRT_S * np.sqrt(1.0 - fraction)
    direction = unit_vector(rng.uniform(-1, 1, N), rng.uniform(-np.pi, np.pi, N))
    energy = 0.5 * SQRT_S * fraction
    photon = np.concatenate([energy[:, None] * direction, energy[:, None]], axis=-1)
    pair = np.concatenate([-photon[:, :3], (SQRT_S - energy)[:, None]], axis=-1)
    momentum = np.sqrt(0.25 * pair_mass**2 - MUON_MASS_GEV**2)
    along = momentum[:, None] * unit_vector(rng.uniform(-1, 1, N), rng.uniform(-np.pi, np.pi, N))
    muons = [boost_from_rest_frame(with_mass(sign * along, np.full(N, MUON_MASS_GEV)), pair) for sign in (1, -1)]
    return [boost_from_rest_frame(part, np.broadcast_to(BEAM, (N, 4))) for part in (*muons, photon)]


@given(st.integers(0, 1000), st.floats(0.9, 1.1))
def test_the_other_muon_is_where_it_is_expected_and_the_photon_has_its_energy(seed, scale):
    rng = np.random.default_rng(seed)
    first, second, photon = muon_pairs_with_a_photon(rng)
    seen = rng.random(N) < 0.7
    event = np.sort(np.concatenate([np.arange(N), np.flatnonzero(seen)]))
    is_first = np.r_[True, np.diff(event) > 0]
    momentum = np.where(is_first[:, None], first[event, :3], second[event, :3])
    charge = np.where(is_first, 1, -1).astype(np.int8)
    recoils = find_recoils(
        np.flatnonzero(is_first), event, momentum, charge, np.arange(N), scale * photon, np.tile(BEAM, (N, 1))
    )
    assert len(recoils.tag) > 0
    of = event[recoils.tag]
    np.testing.assert_allclose(recoils.energy_ratio, scale, rtol=1e-9)
    np.testing.assert_allclose(recoils.momentum_gev, second[of, :3], rtol=1e-8, atol=1e-8)
    assert np.all(recoils.charge == -1)
    np.testing.assert_array_equal(recoils.is_found, seen[of])


def test_the_most_energetic_photon_of_an_event_is_used_and_events_without_one_are_not():
    first, _, photon = muon_pairs_with_a_photon(np.random.default_rng(1))
    with_soft = np.concatenate([0.01 * photon[1:], photon[1:]])
    photon_event = np.concatenate([np.arange(1, N)] * 2)
    recoils = find_recoils(
        np.arange(N),
        np.arange(N),
        first[:, :3],
        np.ones(N, dtype=np.int8),
        photon_event,
        with_soft,
        np.tile(BEAM, (N, 1)),
    )
    assert 0 not in recoils.tag
    assert np.all(recoils.photon >= N - 1)
    assert not recoils.is_found.any()
