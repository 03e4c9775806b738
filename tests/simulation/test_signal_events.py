"""Complete signal events and the decay of φ."""

import numpy as np
import pytest
from scipy import stats

from models.kinematics import boost_to_rest_frame, mass_of
from models.search import PHI_PDG, Channel
from simulation.configuration import NeutralPionDecayConfig
from simulation.generated import FINAL_STATE, GeneratedEvents
from simulation.signal import SignalGenerator, SignalGeneratorSettings
from simulation.signal_events import signal_events
from simulation.tau_library import TAU, TauDecayLibrary

SQRT_S = 10.58
N = 4000


def _signal(library: TauDecayLibrary, channel: Channel, mass: float, ctau_mm: float, seed: int = 1) -> GeneratedEvents:
    generator = SignalGenerator.prepare(mass, SignalGeneratorSettings(sqrt_s_gev=SQRT_S))
    rng = np.random.default_rng(seed)
    return signal_events(N, generator, channel, ctau_mm, library, rng, NeutralPionDecayConfig())


def _leptons(events: GeneratedEvents, channel: Channel) -> tuple[np.ndarray, np.ndarray]:
    """Rows of φ and of its negative daughter in each event."""
    phi = np.flatnonzero(events.pdg == PHI_PDG)
    rows = events.mother + events.offsets[events.event_index]
    from_phi = (events.mother >= 0) & (events.pdg[rows] == PHI_PDG)
    return phi, np.flatnonzero(from_phi & (events.pdg == channel.lepton_pdg))


@pytest.mark.parametrize(("channel", "mass"), [(Channel.EE, 0.05), (Channel.MUMU, 2.0), (Channel.MUMU, 6.5)])
def test_conservation_and_mass(tau_library: TauDecayLibrary, channel: Channel, mass: float, final_state_sums) -> None:
    events = _signal(tau_library, channel, mass, 0.0)
    total, charge = final_state_sums(events)
    np.testing.assert_allclose(total, np.tile([0.0, 0.0, 0.0, SQRT_S], (N, 1)), atol=1e-9 * SQRT_S)
    assert np.all(charge == 0)
    phi, lepton = _leptons(events, channel)
    antilepton = lepton + 1
    assert np.all(events.pdg[antilepton] == -channel.lepton_pdg)
    assert mass_of(events.momentum[lepton] + events.momentum[antilepton]) == pytest.approx(mass, rel=1e-6)
    assert np.all(events.vertex[lepton] == 0.0)
    assert not np.any(np.isin(np.abs(events.pdg[events.status == FINAL_STATE]), (TAU, PHI_PDG, 111)))
    assert len(phi) == N


def test_phi_decays_isotropically(tau_library: TauDecayLibrary) -> None:
    events = _signal(tau_library, Channel.MUMU, 2.0, 0.0)
    phi, lepton = _leptons(events, Channel.MUMU)
    at_rest = boost_to_rest_frame(events.momentum[lepton], events.momentum[phi])[:, :3]
    along = np.sum(at_rest * events.momentum[phi, :3], axis=1)
    cosine = along / np.linalg.norm(at_rest, axis=1) / np.linalg.norm(events.momentum[phi, :3], axis=1)
    assert stats.kstest(cosine, stats.uniform(-1.0, 2.0).cdf).pvalue > 1e-3


def test_flight_is_exponential_in_proper_time(tau_library: TauDecayLibrary) -> None:
    events = _signal(tau_library, Channel.EE, 0.05, 10.0)
    phi, lepton = _leptons(events, Channel.EE)
    distance = np.linalg.norm(events.vertex[lepton, :3], axis=1)
    momentum = np.linalg.norm(events.momentum[phi, :3], axis=1)
    assert stats.kstest(distance * 0.05 / momentum / 10.0, "expon").pvalue > 1e-3
    direction = events.vertex[lepton, :3] / distance[:, None]
    np.testing.assert_allclose(direction, events.momentum[phi, :3] / momentum[:, None], atol=1e-9)


def test_taus_recoil_against_phi(tau_library: TauDecayLibrary) -> None:
    events = _signal(tau_library, Channel.EE, 0.1, 0.0)
    taus = events.offsets[:-1, None] + np.array([0, 1])
    pair = events.momentum[taus].sum(axis=1)
    phi, _ = _leptons(events, Channel.EE)
    np.testing.assert_allclose(pair + events.momentum[phi], np.tile([0.0, 0.0, 0.0, SQRT_S], (N, 1)), atol=1e-9)


def test_same_seed_same_events(tau_library: TauDecayLibrary) -> None:
    first, second = (_signal(tau_library, Channel.EE, 0.1, 10.0, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.px, second.px)
    np.testing.assert_array_equal(first.vx, second.vx)
