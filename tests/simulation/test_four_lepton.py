"""τ⁺τ⁻ℓ⁺ℓ⁻ events: conservation, flavours, distributions against weighted integration, spins, seeds."""

import numpy as np
import pytest

from models.constants import ELECTRON_MASS_GEV, MUON_MASS_GEV, TAU_MASS_GEV
from models.kinematics import mass_of
from models.search import Channel, Process
from models.theory.four_lepton import FourLeptons
from models.theory.four_lepton_cross_section import four_lepton_cross_section, polarised_weights_fb, radiative_trials
from models.theory.four_lepton_phase_space import sample_four_leptons
from models.theory.spin_correlation import tau_pair_spin_correlation
from simulation.backgrounds import background_cross_section
from simulation.configuration import (
    ElectronExchangeConfig,
    EquivalentPhotonSettings,
    RadiationSettings,
    SimulationConfig,
)
from simulation.detector.species import PHOTON
from simulation.electron_exchange import ElectronExchange
from simulation.four_lepton import (
    _spin_axes,
    _to_collision,
    accepted_leptons,
    four_lepton_cross_section_fb,
    four_lepton_events,
    four_lepton_spin_correlation,
)
from simulation.generated import DECAYED
from simulation.radiative_pairs import annihilation_axis
from simulation.tau_library import TAU
from simulation.tau_spin import helicity_axes

SQRT_S = 10.58
RADIATION = RadiationSettings()


def test_events_conserve_momentum_and_charge_and_have_both_flavours(tau_library, final_state_sums) -> None:
    n = 6000
    events = four_lepton_events(n, SQRT_S, tau_library, np.random.default_rng(1), RADIATION)
    total, charge = final_state_sums(events)
    # the masses that Pythia gives the products of its decays are rounded at 10⁻⁸
    np.testing.assert_allclose(total, np.tile([0.0, 0.0, 0.0, SQRT_S], (n, 1)), atol=1e-7)
    assert np.all(charge == 0)
    primary = events.mother < 0
    negative = primary & (events.pdg == 13)
    fraction = four_lepton_cross_section(Channel.MUMU, SQRT_S).sigma_vp_fb / four_lepton_cross_section_fb(SQRT_S)
    assert np.count_nonzero(negative) == pytest.approx(n * fraction, abs=4.0 * np.sqrt(n * fraction))
    taus = np.abs(events.pdg) == TAU
    assert np.count_nonzero(taus) == 2 * n
    assert np.all(events.status[taus] == DECAYED)
    np.testing.assert_allclose(mass_of(events.momentum[taus]), TAU_MASS_GEV, rtol=1e-9)
    np.testing.assert_allclose(mass_of(events.momentum[negative]), MUON_MASS_GEV, rtol=1e-9)
    assert np.count_nonzero(primary & (events.pdg == PHOTON)) > 0.3 * n
    assert np.all(events.weight >= 1.0)
    assert np.mean(events.weight > 1.0) < 1e-3


@pytest.mark.parametrize("channel", Channel)
def test_accepted_events_are_distributed_as_the_weighted_ones(channel: Channel) -> None:
    accepted = accepted_leptons(8000, SQRT_S, channel, np.random.default_rng(2), RADIATION)
    trials = radiative_trials(80_000, SQRT_S, channel, np.random.default_rng(3), fraction_min=RADIATION.fraction_min)
    weight = polarised_weights_fb(trials, SQRT_S)

    def observables(leptons, fraction):
        pair = leptons.lepton_minus + leptons.lepton_plus
        momentum = np.linalg.norm(pair[:, 1:], axis=1)
        mass = np.sqrt(np.maximum(pair[:, 0] ** 2 - momentum**2, 1e-12))
        return np.log(mass), pair[:, 0], np.abs(pair[:, 3]) / momentum, fraction**0.05

    sampled = observables(accepted.leptons, accepted.fraction)
    for value, expected in zip(sampled, observables(trials.points.events, trials.fraction), strict=True):
        order = np.argsort(expected)
        cumulative = np.cumsum(weight[order]) / weight.sum()
        edges = np.unique(np.interp(np.linspace(0.05, 0.95, 13), cumulative, expected[order]))
        edges = edges[edges > expected.min()]
        seen, _ = np.histogram(value, [-np.inf, *edges, np.inf], weights=accepted.weight)
        content, _ = np.histogram(expected, [-np.inf, *edges, np.inf], weights=weight)
        content2, _ = np.histogram(expected, [-np.inf, *edges, np.inf], weights=weight**2)
        share = content / content.sum()
        variance = len(value) * share + len(value) ** 2 * content2 / content.sum() ** 2
        chi2 = np.sum((seen - len(value) * share) ** 2 / variance)
        # 13 degrees of freedom: probability 10⁻⁴
        assert chi2 < 40.0


def test_spin_axes_are_those_of_helicity_where_nothing_is_radiated() -> None:
    leptons = accepted_leptons(50, SQRT_S, Channel.MUMU, np.random.default_rng(4), RADIATION).leptons
    tau = np.roll(leptons.tau_minus, -1, axis=1)
    beam = np.tile([0.0, 0.0, 2.0], (len(tau), 1))
    at_rest = np.tile([0.0, 0.0, 0.0, SQRT_S], (len(tau), 1))
    np.testing.assert_allclose(_spin_axes(tau, beam, at_rest, tau), helicity_axes(tau), atol=1e-9)


def test_spin_axes_stay_axes_when_a_photon_recoils() -> None:
    leptons = accepted_leptons(50, SQRT_S, Channel.MUMU, np.random.default_rng(4), RADIATION).leptons
    tau = np.roll(leptons.tau_minus, -1, axis=1)
    photon = np.array([0.3, 0.4, -1.2, 1.3])
    system = np.tile(np.array([0.0, 0.0, 0.0, SQRT_S]) - photon, (len(tau), 1))
    beam = annihilation_axis(system)
    seen = _to_collision(tau, beam, system)
    np.testing.assert_allclose(mass_of(seen), TAU_MASS_GEV, rtol=1e-12)
    axes = _spin_axes(tau, beam, system, seen)
    np.testing.assert_allclose(axes @ axes.transpose(0, 2, 1), np.tile(np.eye(3), (len(tau), 1, 1)), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(axes), 1.0, rtol=1e-9)
    # a spin along the momentum is seen nearly along it: the rotation is of the order of the recoil over the energies
    z_axis = seen[:, :3] / np.linalg.norm(seen[:, :3], axis=1)[:, None]
    assert np.all(np.sum(axes[:, 2] * z_axis, axis=1) > 0.9)


def test_soft_pairs_leave_the_spins_as_they_are_without() -> None:
    """Up to terms of the order of the pair's energy over the beam's."""
    points = sample_four_leptons(np.full(9000, SQRT_S), ELECTRON_MASS_GEV, np.random.default_rng(8))
    soft = (points.events.lepton_minus + points.events.lepton_plus)[:, 0] < 0.02
    leptons = FourLeptons(*(momentum[soft] for momentum in points.events))
    difference = leptons.tau_minus - leptons.tau_plus
    cosine = difference[:, 3] / np.linalg.norm(difference[:, 1:], axis=1)
    expected = tau_pair_spin_correlation(cosine, SQRT_S**2)
    assert len(cosine) > 500
    assert np.abs(expected[:, 1, 3]).max() > 0.2
    np.testing.assert_allclose(four_lepton_spin_correlation(leptons, Channel.EE), expected, atol=0.02)


def test_a_seed_reproduces_events_and_the_next_differs(tau_library) -> None:
    one, same, other = (
        four_lepton_events(100, SQRT_S, tau_library, np.random.default_rng(seed), RADIATION) for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(one.momentum, same.momentum)
    assert not np.array_equal(one.momentum[:100], other.momentum[:100])


def test_no_events_are_no_events(tau_library) -> None:
    assert four_lepton_events(0, SQRT_S, tau_library, np.random.default_rng(7), RADIATION).n_events == 0


def test_the_sample_is_normalised_to_both_flavours_and_exchanged_electrons_together() -> None:
    config = SimulationConfig(electron_exchange=ElectronExchangeConfig(enabled=False))
    cross_section = background_cross_section(Process.TAUTAULL, config)
    assert cross_section.value_fb == pytest.approx(four_lepton_cross_section_fb(SQRT_S), rel=1e-3)
    more = background_cross_section(Process.TAUTAULL, SimulationConfig()).value_fb - cross_section.value_fb
    assert more == pytest.approx(191.0, rel=0.03)


def test_exchanged_electrons_come_in_their_proportion(tau_library) -> None:
    photons = EquivalentPhotonSettings(log2_integration_points=13)
    exchange = ElectronExchange(SQRT_S, np.deg2rad(20.0), photons)
    n = 4000
    events = four_lepton_events(n, SQRT_S, tau_library, np.random.default_rng(8), RADIATION, exchange=exchange)
    first = events.offsets[:-1]
    # behind the τ's, ahead of their decays
    pairs = events.momentum[first + 2] + events.momentum[first + 3]
    heavy = (events.pdg[first + 2] == 11) & (mass_of(pairs) > 4.0)
    expected = exchange.cross_section_fb() / four_lepton_cross_section_fb(SQRT_S, exchange)
    # a quarter of the exchanged pairs is that heavy, and one in a thousand of the others
    assert np.mean(heavy) == pytest.approx(0.25 * expected + 0.001, abs=4 * np.sqrt(0.02 / n))
