"""Continuum and B pairs by Pythia: conservation laws, multiplicities, angles."""

import numpy as np
import pytest

from simulation.configuration import ContinuumConfig, UpsilonConfig
from simulation.continuum import continuum_events
from simulation.decay_library import DecayLibrary
from simulation.detector.species import CHARGED_SPECIES, is_one_of
from simulation.generated import FINAL_STATE, GeneratedEvents
from simulation.pythia_events import PythiaError, start_pythia
from simulation.upsilon import upsilon_events

SQRT_S = 10.58


def _continuum(n: int, seed: int = 1, batch: int = 600) -> GeneratedEvents:
    batches = continuum_events(n, batch, SQRT_S, ContinuumConfig(), np.random.default_rng(seed))
    return GeneratedEvents.concatenate(list(batches))


def _upsilon(n: int, library: DecayLibrary) -> GeneratedEvents:
    batches = upsilon_events(n, 500, SQRT_S, UpsilonConfig(), library, np.random.default_rng(2))
    return GeneratedEvents.concatenate(list(batches))


@pytest.fixture(scope="module")
def continuum() -> GeneratedEvents:
    return _continuum(1500)


@pytest.fixture(scope="module")
def upsilon(b_library: DecayLibrary) -> GeneratedEvents:
    return _upsilon(1500, b_library)


@pytest.mark.parametrize("sample", ["continuum", "upsilon"])
def test_conservation(sample: str, request: pytest.FixtureRequest, final_state_sums) -> None:
    events: GeneratedEvents = request.getfixturevalue(sample)
    assert events.n_events == 1500
    total, charge = final_state_sums(events)
    np.testing.assert_allclose(total, np.tile([0.0, 0.0, 0.0, SQRT_S], (1500, 1)), atol=1e-9 * SQRT_S)
    assert np.all(charge == 0)
    has_mother = events.mother >= 0
    assert np.all(events.mother[has_mother] < events.counts[events.event_index[has_mother]])
    rows = (events.mother + events.offsets[events.event_index])[has_mother]
    assert np.all(events.status[rows] != FINAL_STATE)


def test_charged_multiplicities(continuum: GeneratedEvents, upsilon: GeneratedEvents) -> None:
    """CLEO, K. W. Edwards et al., Phys. Rev. D 61, 072002 (2000): 10.71 ± 0.21 charged particles an Υ(4S) event."""
    mean = [
        np.count_nonzero(is_one_of(e.pdg, CHARGED_SPECIES) & (e.status == FINAL_STATE)) / e.n_events
        for e in (continuum, upsilon)
    ]
    # K_S daughters count here, and the Monte Carlo is untuned: 10 %.
    assert mean[1] == pytest.approx(10.71, rel=0.1)
    assert 6.0 < mean[0] < 9.0


def test_b_pairs_are_half_charged_and_follow_sine_squared(upsilon: GeneratedEvents) -> None:
    first = upsilon.offsets[:-1]
    charged = np.abs(upsilon.pdg[first]) == 521
    assert charged.mean() == pytest.approx(UpsilonConfig().charged_fraction, abs=5 * 0.5 / np.sqrt(1500))
    momentum = np.sqrt(upsilon.px**2 + upsilon.py**2 + upsilon.pz**2)[first]
    np.testing.assert_allclose(momentum, 0.335, atol=0.02)
    # ⟨cos²⟩ of sin²θ is 1/5, with a standard deviation of √(3/35 − 1/25)
    assert np.mean((upsilon.pz[first] / momentum) ** 2) == pytest.approx(0.2, abs=5 * 0.214 / np.sqrt(1500))


def test_long_lived_particles_fly_and_the_longest_lived_stay(continuum: GeneratedEvents) -> None:
    assert np.all(continuum.status[np.abs(continuum.pdg) == 211] == FINAL_STATE)
    kaon_daughters = continuum.pdg[(continuum.mother + continuum.offsets[continuum.event_index])] == 310
    flight = np.hypot(continuum.vx, continuum.vy)[kaon_daughters & (continuum.mother >= 0)]
    assert np.mean(flight > 1.0) > 0.8


def test_same_seed_same_events_and_other_seeds_others() -> None:
    first, again, other = (_continuum(40, seed, batch=30).E for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert len(first) != len(other) or not np.array_equal(first, other)


def test_a_wrong_setting_is_named() -> None:
    with pytest.raises(PythiaError, match="Beams:nonsense"):
        start_pythia(["Beams:nonsense = 1"], 1, "test")
