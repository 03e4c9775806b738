"""Boosted decays to leptons in the continuum, against the continuum as it is."""

import numpy as np
import pytest

from simulation.configuration import ContinuumConfig
from simulation.continuum import continuum_events
from simulation.detector.species import CHARGED_SPECIES, is_one_of
from simulation.generated import DECAYED, FINAL_STATE, GeneratedEvents, Particles
from simulation.importance import NATURAL, ImportanceSampling
from simulation.lepton_decays import PARENTS, LeptonDecays
from simulation.pythia_events import start_pythia

N = 9000
BIASED = ImportanceSampling(semileptonic_boost=20.0, semileptonic_share=0.5)


def _continuum(importance: ImportanceSampling, seed: int) -> GeneratedEvents:
    rng = np.random.default_rng(seed)
    return GeneratedEvents.concatenate(list(continuum_events(N, 3000, 10.58, ContinuumConfig(), rng, importance)))


@pytest.fixture(scope="module")
def natural() -> GeneratedEvents:
    return _continuum(NATURAL, 1)


@pytest.fixture(scope="module")
def biased() -> GeneratedEvents:
    return _continuum(BIASED, 2)


def _from(events: GeneratedEvents, codes: tuple[int, ...], mothers: tuple[int, ...]) -> np.ndarray:
    """Number of particles of some kinds with mothers of some kinds."""
    mother = events.pdg[np.where(events.mother >= 0, events.mother + events.offsets[events.event_index], 0)]
    chosen = is_one_of(events.pdg, codes) & (events.mother >= 0) & is_one_of(mother, mothers)
    return np.bincount(events.event_index[chosen], minlength=events.n_events)


def _leptons_of_charm(events: GeneratedEvents) -> np.ndarray:
    return _from(events, (11, 13), PARENTS[3:])


def _charged(events: GeneratedEvents) -> np.ndarray:
    chosen = is_one_of(events.pdg, CHARGED_SPECIES) & (events.status == FINAL_STATE)
    return np.bincount(events.event_index[chosen], minlength=events.n_events)


PROPERTIES = {
    "all": lambda events: np.ones(events.n_events),
    "no lepton from charm": lambda events: _leptons_of_charm(events) == 0,
    "one lepton from charm": lambda events: _leptons_of_charm(events) == 1,
    "two leptons from charm": lambda events: _leptons_of_charm(events) >= 2,
    "electron of η": lambda events: _from(events, (11,), (221,)) > 0,
    "lepton of τ": lambda events: _from(events, (11, 13), (15,)) > 0,
    "two charged": lambda events: _charged(events) == 2,
    "four charged": lambda events: _charged(events) == 4,
    "six charged": lambda events: _charged(events) == 6,
    "many charged": lambda events: _charged(events) > 8,
    "mean charged": lambda events: _charged(events).astype(float),
}


@pytest.mark.parametrize("name", PROPERTIES)
def test_expectations_are_those_of_nature(name: str, natural: GeneratedEvents, biased: GeneratedEvents) -> None:
    means, variances = [], []
    for events in (natural, biased):
        contribution = events.weight * PROPERTIES[name](events)
        means.append(contribution.sum() / N)
        # Weighted sum of a number of events that itself is random: Σ c²; the mean is known for unit weights.
        variances.append(np.sum(contribution**2) / N**2)
    assert means[1] == pytest.approx(means[0], abs=4.0 * np.sqrt(sum(variances)))


def test_pairs_of_leptons_come_more_often(natural: GeneratedEvents, biased: GeneratedEvents) -> None:
    pairs, more = ((_leptons_of_charm(e) >= 2).mean() for e in (natural, biased))
    assert more > 5.0 * pairs
    assert biased.n_events == N
    assert np.all(np.isfinite(biased.weight) & (biased.weight > 0.0))
    # What has neither charm nor η is as likely either way; nothing is rarer than in the share left to nature.
    assert biased.weight.max() <= 2.0 + 1e-9
    np.testing.assert_allclose(natural.weight, 1.0, rtol=1e-12)


def test_densities_multiply_over_the_decays_of_an_event() -> None:
    """D⁺ → K e ν and D̄⁰ → Kπ; then an event without charm."""
    codes = np.array([411, -421, -311, -11, 12, 321, -211, 211, -211], dtype=np.int32)
    status = np.where(is_one_of(codes, PARENTS), DECAYED, FINAL_STATE).astype(np.int32)
    mother = np.array([-1, -1, 0, 0, 0, 1, 1, -1, -1])
    vectors = np.zeros((9, 4))
    events = GeneratedEvents.from_particles(
        np.array([7, 2]), np.ones(2), Particles(codes, status, mother, vectors, vectors)
    )
    pythia = start_pythia(("ProcessLevel:all = off",), 1, "test")
    decays = LeptonDecays(pythia)

    def to_electron(code: int) -> float:
        entry = pythia.particleData.findParticle(code)
        channels = [entry.channel(index) for index in range(entry.sizeChannels())]
        fractions = np.array([channel.bRatio() for channel in channels])
        electron = [11 in [abs(c.product(i)) for i in range(c.multiplicity())] for c in channels]
        return float(fractions[electron].sum() / fractions.sum())

    plus, zero = to_electron(411), to_electron(421)
    assert 0.1 < plus < 0.25
    expected = 30.0 / (1.0 + 29.0 * plus) / (1.0 + 29.0 * zero)
    np.testing.assert_allclose(decays.density(events, {11: 30.0}), [expected, 1.0])
    np.testing.assert_allclose(decays.density(events, {}), 1.0)
    decays.boost({11: 30.0})
    assert to_electron(421) == pytest.approx(30.0 * zero / (1.0 + 29.0 * zero))
    decays.boost({})
    assert to_electron(421) == pytest.approx(zero)
