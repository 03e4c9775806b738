"""Boosted semileptonic charm and thinned multiplicities in the continuum, against the continuum as it is."""

import numpy as np
import pytest

from simulation.charm_decays import CHARM_HADRONS, CharmWeights
from simulation.configuration import ContinuumConfig
from simulation.continuum import continuum_events
from simulation.detector.species import CHARGED_SPECIES, is_one_of
from simulation.generated import DECAYED, FINAL_STATE, GeneratedEvents, Particles
from simulation.importance import NATURAL, ImportanceSampling

N = 9000
BIASED = ImportanceSampling(low_multiplicity_enrichment=5.0, semileptonic_boost=2.5)


def _continuum(importance: ImportanceSampling, seed: int) -> GeneratedEvents:
    rng = np.random.default_rng(seed)
    return GeneratedEvents.concatenate(list(continuum_events(N, 3000, 10.58, ContinuumConfig(), rng, importance)))


@pytest.fixture(scope="module")
def natural() -> GeneratedEvents:
    return _continuum(NATURAL, 1)


@pytest.fixture(scope="module")
def biased() -> GeneratedEvents:
    return _continuum(BIASED, 2)


def _leptons_of_charm(events: GeneratedEvents) -> np.ndarray:
    mother = events.pdg[np.where(events.mother >= 0, events.mother + events.offsets[events.event_index], 0)]
    leptons = is_one_of(events.pdg, (11, 13)) & (events.mother >= 0) & is_one_of(mother, CHARM_HADRONS)
    return np.bincount(events.event_index[leptons], minlength=events.n_events)


def _charged(events: GeneratedEvents) -> np.ndarray:
    chosen = is_one_of(events.pdg, CHARGED_SPECIES) & (events.status == FINAL_STATE)
    return np.bincount(events.event_index[chosen], minlength=events.n_events)


PROPERTIES = {
    "all": lambda events: np.ones(events.n_events),
    "no lepton from charm": lambda events: _leptons_of_charm(events) == 0,
    "one lepton from charm": lambda events: _leptons_of_charm(events) == 1,
    "two leptons from charm": lambda events: _leptons_of_charm(events) >= 2,
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


def test_leptons_from_charm_come_more_often_and_large_events_less(
    natural: GeneratedEvents, biased: GeneratedEvents
) -> None:
    pairs, more = ((_leptons_of_charm(e) >= 2).mean() for e in (natural, biased))
    assert more > 2.5 * pairs
    assert biased.n_events < 0.8 * N
    assert np.all(np.isfinite(biased.weight) & (biased.weight > 0.0))
    np.testing.assert_allclose(natural.weight, 1.0, rtol=1e-12)


def test_weights_multiply_over_the_charm_hadrons_of_an_event() -> None:
    """D⁺ → K e ν and D̄⁰ → Kπ; then an event without charm."""
    codes = np.array([411, -421, -311, -11, 12, 321, -211, 211, -211], dtype=np.int32)
    status = np.where(is_one_of(codes, CHARM_HADRONS), DECAYED, FINAL_STATE).astype(np.int32)
    mother = np.array([-1, -1, 0, 0, 0, 1, 1, -1, -1])
    vectors = np.zeros((9, 4))
    events = GeneratedEvents.from_particles(
        np.array([7, 2]), np.ones(2), Particles(codes, status, mother, vectors, vectors)
    )
    weights = CharmWeights(semileptonic=np.array([0.5, 0.25, 1, 1, 1, 1, 1]), other=np.array([1.1, 1.3, 1, 1, 1, 1, 1]))
    np.testing.assert_allclose(weights.weight(events), [0.5 * 1.3, 1.0])
