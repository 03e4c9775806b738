"""Neutral pions: kinematics, branching fraction, and the Dalitz decay against Pythia's."""

import numpy as np
import pytest
from scipy import stats

from models.constants import ELECTRON_MASS_GEV, NEUTRAL_PION_MASS_GEV
from models.kinematics import mass_of, with_mass
from simulation.configuration import NeutralPionDecayConfig
from simulation.generated import DECAYED, GeneratedEvents
from simulation.importance import ImportanceSampling
from simulation.neutral_pion_decays import decay_neutral_pions, sample_dalitz_pair_mass
from simulation.pythia_events import start_pythia

CONFIG = NeutralPionDecayConfig()


def _pions(n: int) -> GeneratedEvents:
    momentum = np.random.default_rng(1).normal(size=(n, 2, 3))
    return GeneratedEvents.from_table(np.full((n, 2), 111, dtype=np.int32), with_mass(momentum, NEUTRAL_PION_MASS_GEV))


def test_decays_conserve_four_momentum_and_charge(final_state_sums) -> None:
    pions = _pions(2000)
    events = decay_neutral_pions(pions, NeutralPionDecayConfig(dalitz_fraction=0.5), np.random.default_rng(2))
    total, charge = final_state_sums(events)
    expected = np.add.reduceat(pions.momentum, pions.offsets[:-1])
    np.testing.assert_allclose(total, expected, atol=1e-9 * expected[:, 3].max())
    assert np.all(charge == 0)
    assert np.all(events.status[events.pdg == 111] == DECAYED)
    # E² − p² of a photon of a few GeV rounds at 10⁻¹⁵ GeV²
    np.testing.assert_allclose(mass_of(events.momentum[events.pdg == 22]), 0.0, atol=1e-6)
    electrons = np.abs(events.pdg) == 11
    np.testing.assert_allclose(mass_of(events.momentum[electrons]), ELECTRON_MASS_GEV, rtol=1e-4)


def test_dalitz_fraction() -> None:
    events = decay_neutral_pions(_pions(50_000), CONFIG, np.random.default_rng(3))
    fraction = np.count_nonzero(events.pdg == 11) / 100_000
    assert fraction == pytest.approx(CONFIG.dalitz_fraction, abs=5 * np.sqrt(CONFIG.dalitz_fraction / 100_000))


def test_pair_mass_and_angle_agree_with_pythia() -> None:
    """Pythia's Dalitz decays follow the same formula from an implementation of its own."""
    settings = ["ProcessLevel:all = off", "PartonLevel:all = off"]
    settings += ["111:mayDecay = on", "111:onMode = off", "111:onIfAny = 11"]
    pythia = start_pythia(settings, 4, "test")
    theirs = []
    for _ in range(20):
        pythia.event.reset()
        for _ in range(100):
            pythia.event.append(111, 23, 0, 0, 0.0, 0.0, 0.0, NEUTRAL_PION_MASS_GEV, NEUTRAL_PION_MASS_GEV)
        assert pythia.next()
        rows = [(p.id(), p.px(), p.py(), p.pz(), p.e()) for p in pythia.event]
        theirs += [row for row in rows if abs(row[0]) in (11, 22)]
    code, momentum = np.array(theirs)[:, 0], np.array(theirs)[:, 1:]
    pair = momentum[code == 11] + momentum[code == -11]
    ours = sample_dalitz_pair_mass(5000, CONFIG, np.random.default_rng(5))
    assert stats.ks_2samp(np.log(mass_of(pair)), np.log(ours)).pvalue > 1e-3

    at_rest = GeneratedEvents.from_table(
        np.full((5000, 1), 111, dtype=np.int32), np.tile([[0.0, 0.0, 0.0, NEUTRAL_PION_MASS_GEV]], (5000, 1, 1))
    )
    events = decay_neutral_pions(at_rest, NeutralPionDecayConfig(dalitz_fraction=1.0), np.random.default_rng(6))
    # The electron's energy at rest follows from pair mass and angle together.
    assert stats.ks_2samp(momentum[code == 11][:, 3], events.E[events.pdg == 11]).pvalue > 1e-3


def test_only_events_with_too_few_charged_particles_are_forced() -> None:
    n = 20_000
    momentum = with_mass(np.random.default_rng(7).normal(size=(n, 4, 3)), NEUTRAL_PION_MASS_GEV)
    two = np.tile(np.array([211, -211, 111, 111], dtype=np.int32), (n, 1))
    four = np.tile(np.array([211, -211, 211, -211, 111, 111], dtype=np.int32), (n, 1))
    six_momenta = np.concatenate([momentum, momentum[:, :2]], axis=1)
    importance = ImportanceSampling(pair_boost=10.0)
    natural = 1.0 - (1.0 - CONFIG.dalitz_fraction) ** 2
    for pdg, p, probability in ((two, momentum, 10.0 * natural), (four, six_momenta, natural)):
        events = decay_neutral_pions(GeneratedEvents.from_table(pdg, p), CONFIG, np.random.default_rng(8), importance)
        has_pair = np.bincount(events.event_index[events.pdg == 11], minlength=n) > 0
        assert np.mean(has_pair) == pytest.approx(probability, abs=5 * np.sqrt(probability / n))
        np.testing.assert_allclose(events.weight[has_pair], natural / probability, rtol=1e-12)
        np.testing.assert_allclose(events.weight[~has_pair], (1.0 - natural) / (1.0 - probability), rtol=1e-12)


def test_no_pions_no_change() -> None:
    photons = GeneratedEvents.from_table(np.full((3, 1), 22, dtype=np.int32), np.ones((3, 1, 4)))
    assert decay_neutral_pions(photons, CONFIG, np.random.default_rng(1)).counts.tolist() == [1, 1, 1]
