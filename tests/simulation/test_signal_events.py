"""Complete signal events and the decay of φ."""

import numpy as np
import pytest
from scipy import stats

from models.kinematics import boost_to_rest_frame, mass_of
from models.lifetime import LifetimeComponent, LifetimeMixture
from models.search import PHI_PDG, Channel
from simulation.configuration import SignalGeneratorSettings, SimulationConfig
from simulation.detector.species import PHOTON
from simulation.generated import FINAL_STATE, GeneratedEvents
from simulation.injection import injected_signal_events, signal_expectation
from simulation.signal import SignalGenerator
from simulation.signal_events import signal_events
from simulation.tau_library import TAU, TauDecayLibrary

SQRT_S = 10.58
N = 4000


def _signal(
    library: TauDecayLibrary, channel: Channel, mass: float, ctau_mm: float, seed: int = 1, isr: bool = True
) -> GeneratedEvents:
    generator = SignalGenerator.prepare(mass, SQRT_S, SignalGeneratorSettings(isr=isr))
    rng = np.random.default_rng(seed)
    return signal_events(N, generator, channel, LifetimeMixture.single(ctau_mm), library, rng)


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
    assert not np.any(np.isin(np.abs(events.pdg[events.status == FINAL_STATE]), (TAU, PHI_PDG)))
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


def test_taus_recoil_against_phi_and_photon(tau_library: TauDecayLibrary) -> None:
    events = _signal(tau_library, Channel.EE, 0.1, 0.0)
    photon = np.flatnonzero((events.pdg == PHOTON) & (events.mother < 0))
    pair_phi_photon = np.zeros((N, 4))
    np.add.at(pair_phi_photon, events.event_index[photon], events.momentum[photon])
    assert 0.4 < len(photon) / N < 0.65
    np.testing.assert_allclose(mass_of(events.momentum[photon]), 0.0, atol=1e-6)
    taus = events.offsets[:-1, None] + np.array([0, 1])
    pair = events.momentum[taus].sum(axis=1)
    phi, _ = _leptons(events, Channel.EE)
    pair_phi_photon += pair + events.momentum[phi]
    np.testing.assert_allclose(pair_phi_photon, np.tile([0.0, 0.0, 0.0, SQRT_S], (N, 1)), atol=1e-9)


def test_radiation_softens_and_can_be_switched_off(tau_library: TauDecayLibrary) -> None:
    without = _signal(tau_library, Channel.EE, 0.1, 0.0, isr=False)
    assert not np.any((without.pdg == PHOTON) & (without.mother < 0))
    visible = [
        events.E[events.pdg == PHI_PDG].mean() for events in (_signal(tau_library, Channel.EE, 0.1, 0.0), without)
    ]
    assert visible[0] < visible[1]


def test_boosted_events_keep_their_vertices_on_straight_flights(tau_library: TauDecayLibrary) -> None:
    """A τ decays where its c.m. momentum leads, also when the event recoils against a hard photon."""
    events = _signal(tau_library, Channel.EE, 0.05, 0.0)
    rows = np.flatnonzero(events.mother == 0)
    first = rows[np.unique(events.event_index[rows], return_index=True)[1]]
    tau = events.offsets[events.event_index[first]]
    vertex, momentum = events.vertex[first], events.momentum[tau]
    scale = vertex[:, 3:] / momentum[:, 3:]
    np.testing.assert_allclose(vertex, momentum * scale, atol=1e-9)


def test_flight_lengths_follow_the_mixture(tau_library: TauDecayLibrary) -> None:
    mixture = LifetimeMixture(components=(LifetimeComponent(ctau_mm=0.0), LifetimeComponent(ctau_mm=20.0)))
    events = signal_events(N, SignalGenerator.prepare(0.05), Channel.EE, mixture, tau_library, np.random.default_rng(3))
    _, lepton = _leptons(events, Channel.EE)
    assert np.mean(events.vt[lepton] == 0.0) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(N))


def test_injected_signal_has_the_rate_and_lifetime_of_its_coupling(tau_library: TauDecayLibrary) -> None:
    expectation = signal_expectation(Channel.EE, 0.05, 3.0, 600.0)
    doubled = signal_expectation(Channel.EE, 0.05, 6.0, 600.0)
    assert doubled.n_events == pytest.approx(4 * expectation.n_events)
    assert doubled.ctau_mm == pytest.approx(expectation.ctau_mm / 4)
    batches = list(injected_signal_events(expectation, tau_library, SimulationConfig(), np.random.default_rng(2)))
    events = GeneratedEvents.concatenate(batches)
    assert abs(events.n_events - expectation.n_events) < 4 * np.sqrt(expectation.n_events)
    phi, lepton = _leptons(events, Channel.EE)
    distance = np.linalg.norm(events.vertex[lepton, :3], axis=1)
    proper = distance * 0.05 / np.linalg.norm(events.momentum[phi, :3], axis=1)
    assert stats.kstest(proper / expectation.ctau_mm, "expon").pvalue > 1e-3


def test_a_coupling_too_small_for_any_event_injects_nothing(tau_library: TauDecayLibrary) -> None:
    expectation = signal_expectation(Channel.MUMU, 1.0, 1e-6, 1.0)
    assert not list(injected_signal_events(expectation, tau_library, SimulationConfig(), np.random.default_rng(2)))


def test_same_seed_same_events(tau_library: TauDecayLibrary) -> None:
    first, second = (_signal(tau_library, Channel.EE, 0.1, 10.0, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.px, second.px)
    np.testing.assert_array_equal(first.vx, second.vx)
