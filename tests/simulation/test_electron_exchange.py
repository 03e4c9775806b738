"""e⁺e⁻τ⁺τ⁻ by exchanged electrons: amplitudes, cross-section by another phase space, events."""

import numpy as np
import pytest

from models.constants import ELECTRON_MASS_GEV, GEV_M2_TO_FB, TAU_MASS_GEV
from models.kinematics import mass_of
from models.theory.four_lepton import exchange_amplitudes, fermion_lines
from models.theory.four_lepton_phase_space import sample_four_leptons
from models.theory.four_lepton_traces import summed_squares_of_lines
from simulation.configuration import EquivalentPhotonSettings, SimulationConfig
from simulation.electron_exchange import ElectronExchange
from simulation.two_photon import tau_process

SQRT_S = 10.58
ANGLE = np.deg2rad(20.0)
EXCHANGE = ElectronExchange(SQRT_S, ANGLE, EquivalentPhotonSettings(log2_integration_points=14))


def _summed(amplitudes):
    return 0.25 * np.sum(np.abs(amplitudes) ** 2, axis=tuple(range(1, amplitudes.ndim)))


def test_amplitudes_agree_with_traces() -> None:
    trials = EXCHANGE.trials(np.random.default_rng(1).random((80, 7)))
    events = type(trials.leptons)(*(momentum[:25] for momentum in trials.leptons))
    lines = fermion_lines(events, ELECTRON_MASS_GEV).exchanged()
    np.testing.assert_allclose(
        _summed(exchange_amplitudes(events, ELECTRON_MASS_GEV)), summed_squares_of_lines(lines), rtol=1e-6
    )


def test_cross_section_agrees_with_another_phase_space() -> None:
    """The chain of pairs in which the other six diagrams are integrated knows nothing of exchanged photons."""
    n = 30_000
    points = sample_four_leptons(np.full(n, SQRT_S), ELECTRON_MASS_GEV, np.random.default_rng(2), pair_mass_min_gev=1.0)
    events = points.events
    cosines = [
        direction * momentum[:, 3] / np.linalg.norm(momentum[:, 1:], axis=1)
        for momentum, direction in ((events.lepton_minus, 1.0), (events.lepton_plus, -1.0))
    ]
    seen = np.maximum(*cosines) < np.cos(ANGLE)
    squared = _summed(exchange_amplitudes(type(events)(*(p[seen] for p in events)), ELECTRON_MASS_GEV))
    weight = np.zeros(n)
    weight[seen] = GEV_M2_TO_FB * squared * points.measure[seen] / (2 * SQRT_S**2)

    trials = EXCHANGE.trials(np.random.default_rng(3).random((n, 7)))
    pair = trials.leptons.lepton_minus + trials.leptons.lepton_plus
    above = pair[:, 0] ** 2 - np.sum(pair[:, 1:] ** 2, axis=1) > 1.0
    own = np.concatenate([trials.weight_fb[above], np.zeros(n - np.count_nonzero(above))])
    error = np.hypot(*(w.std() / np.sqrt(n) for w in (weight, own)))
    assert error < 0.06 * own.mean()
    assert own.mean() == pytest.approx(weight.mean(), abs=3 * error)


def test_equivalent_photons_are_good_to_a_factor_of_three_here() -> None:
    """At such angles nothing better is expected of them, which is why this process is made from its amplitudes."""
    ratio = tau_process(SQRT_S, EXCHANGE.photons, ANGLE).integrated_cross_section_fb() / EXCHANGE.cross_section_fb()
    assert 1.5 < ratio < 3.0
    # half of the pairs have their photons almost on shell; there both agree
    small = np.deg2rad(2.0)
    nearly_real = ElectronExchange(SQRT_S, small, EXCHANGE.photons).cross_section_fb()
    assert tau_process(SQRT_S, EXCHANGE.photons, small).integrated_cross_section_fb() / nearly_real < 0.8 * ratio


def test_events(tau_library, final_state_sums) -> None:
    n = 500
    events = EXCHANGE.events(n, tau_library, np.random.default_rng(4))
    total, charge = final_state_sums(events)
    np.testing.assert_allclose(total, np.tile([0.0, 0.0, 0.0, SQRT_S], (n, 1)), atol=1e-7)
    assert np.all(charge == 0)
    assert np.all(events.weight >= 1.0)
    assert np.mean(events.weight > 1.0) < 0.01
    primary = events.mother < 0
    electrons = events.momentum[primary & (events.pdg == 11)]
    np.testing.assert_allclose(mass_of(electrons), ELECTRON_MASS_GEV, atol=2e-5)
    angle = np.arctan2(np.hypot(electrons[:, 0], electrons[:, 1]), electrons[:, 2])
    assert angle.min() > ANGLE * (1 - 1e-9)
    azimuth = np.arctan2(electrons[:, 1], electrons[:, 0])
    assert abs(np.mean(np.exp(1j * azimuth))) < 4 / np.sqrt(n)
    taus = events.momentum[primary & (np.abs(events.pdg) == 15)]
    np.testing.assert_allclose(mass_of(taus), TAU_MASS_GEV, rtol=1e-7)
    assert EXCHANGE.events(0, tau_library, np.random.default_rng(5)).n_events == 0


def test_the_switch_is_on() -> None:
    assert SimulationConfig().electron_exchange.enabled
