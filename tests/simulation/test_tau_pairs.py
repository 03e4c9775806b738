"""τ pairs: kinematics, and spin correlations against Pythia's own."""

import awkward as ak
import numpy as np
import pytest
from scipy import stats

from models.constants import TAU_MASS_GEV
from models.theory.tau_pair import same_helicity_fraction
from simulation.configuration import RadiationSettings
from simulation.generated import FINAL_STATE, GeneratedEvents
from simulation.importance import ImportanceSampling
from simulation.pythia_events import start_pythia
from simulation.tau_decay_class import TauDecayClass
from simulation.tau_library import TAU, TauDecayLibrary
from simulation.tau_pairs import tau_pair_events

SQRT_S = 10.58


@pytest.fixture(scope="module")
def ours(tau_library: TauDecayLibrary) -> GeneratedEvents:
    rng = np.random.default_rng(21)
    return tau_pair_events(20_000, SQRT_S, tau_library, rng, RadiationSettings())


@pytest.fixture(scope="module")
def pythia_pion_energies() -> np.ndarray:
    """Pion energies over the beam energy in Pythia's e⁺e⁻ → τ⁺τ⁻ → π⁺π⁻νν, shape (n, 2): from the τ⁻, from the τ⁺.

    The spins of both τ's are correlated, and there is radiation, by Pythia's own algorithms.
    """
    settings = [
        "Beams:idA = 11",
        "Beams:idB = -11",
        f"Beams:eCM = {SQRT_S}",
        "PDF:lepton = on",
        "WeakSingleBoson:ffbar2gmZ = on",
        "23:mMin = 3.6",
        "PhaseSpace:mHatMin = 3.6",
        "23:onMode = off",
        "23:onIfAny = 15",
        "15:onMode = off",
        "15:onIfMatch = 16 -211",
    ]
    particles = start_pythia(settings, 22, "test").nextBatch(600, "skip").prt
    energies = [ak.to_numpy(ak.flatten(particles.p.e[particles.id == code])) for code in (-211, 211)]
    return np.stack(energies, axis=1) / (0.5 * SQRT_S)


def _pion_energies(events: GeneratedEvents, charge: int) -> np.ndarray:
    """Pion energy over beam energy for τ → πν, −1 for events with another decay, shape (n_events,)."""
    event = events.event_index
    mother = np.where(events.mother >= 0, events.mother + events.offsets[event], -1)
    n_daughters = np.bincount(mother[mother >= 0], minlength=len(events.pdg))
    pion = (events.pdg == 211 * charge) & (mother >= 0)
    pion &= (np.abs(events.pdg[mother]) == TAU) & (n_daughters[mother] == 2)
    energy = np.full(events.n_events, -1.0)
    energy[event[pion]] = events.E[pion] / (0.5 * SQRT_S)
    return energy


def test_four_momentum_and_charge_are_conserved(ours: GeneratedEvents, final_state_sums) -> None:
    total, charge = final_state_sums(ours)
    np.testing.assert_allclose(total, np.tile([0.0, 0.0, 0.0, SQRT_S], (ours.n_events, 1)), atol=1e-9 * SQRT_S)
    assert np.all(charge == 0)
    assert np.all(ours.weight == 1.0)
    assert not np.any((np.abs(ours.pdg) == TAU) & (ours.status == FINAL_STATE))


def test_pion_spectrum_agrees_with_pythia(ours: GeneratedEvents, pythia_pion_energies: np.ndarray) -> None:
    energies = np.concatenate([_pion_energies(ours, charge) for charge in (-1, 1)])
    energies = energies[energies >= 0.0]
    # The library has some 450 such decays, used ten times each: no more than these are independent.
    independent = np.random.default_rng(1).choice(energies, 450, replace=False)
    assert stats.ks_2samp(independent, pythia_pion_energies.ravel()).pvalue > 1e-3


def test_pion_energies_are_correlated_as_the_helicities(
    ours: GeneratedEvents, pythia_pion_energies: np.ndarray
) -> None:
    """Opposite helicities make both pions of ττ → ππνν hard or both soft.

    With the densities 1 ± cosθ, of mean ±1/3 and ⟨cos²θ⟩ = 1/3 over both helicities, the coefficient of correlation is
    (1 − 2f)/3 for a fraction f of equal helicities.
    """
    minus, plus = (_pion_energies(ours, charge) for charge in (-1, 1))
    both = (minus >= 0.0) & (plus >= 0.0)
    expected = (1.0 - 2.0 * same_helicity_fraction(SQRT_S**2)) / 3.0
    for first, second in ((minus[both], plus[both]), tuple(pythia_pion_energies.T)):
        # Photons take energy from both τ's alike: that adds less than 0.05.
        correlation = np.corrcoef(first, second)[0, 1]
        assert correlation == pytest.approx(expected, abs=4.0 / np.sqrt(len(first)) + 0.05)


def test_taus_are_on_shell_and_follow_the_angular_distribution(ours: GeneratedEvents) -> None:
    pairs = ours.momentum[ours.offsets[:-1, None] + np.array([0, 1])]
    np.testing.assert_allclose(pairs[..., 3] ** 2 - np.sum(pairs[..., :3] ** 2, axis=-1), TAU_MASS_GEV**2, rtol=1e-9)
    unradiated = np.all(pairs[..., 3] > 0.98 * 0.5 * SQRT_S, axis=1)
    momentum = pairs[unradiated, 0]
    cosine = momentum[:, 2] / np.linalg.norm(momentum[:, :3], axis=1)
    ratio = 4.0 * TAU_MASS_GEV**2 / SQRT_S**2
    expected = (16.0 / 15.0 + ratio * 4.0 / 15.0) / (8.0 / 3.0 + ratio * 4.0 / 3.0)
    assert np.mean(cosine**2) == pytest.approx(expected, abs=5 * 0.3 / np.sqrt(len(cosine)))


def test_same_seed_same_events(tau_library: TauDecayLibrary) -> None:
    first, second = (
        tau_pair_events(50, SQRT_S, tau_library, np.random.default_rng(3), RadiationSettings()) for _ in range(2)
    )
    np.testing.assert_array_equal(first.E, second.E)


def test_enriched_pairs_are_unbiased(ours: GeneratedEvents, tau_library: TauDecayLibrary) -> None:
    """Rates by number of charged particles, and the spin correlation of ππ, come out as in natural drawing."""
    enrichment = {TauDecayClass.THREE_PRONG: 4.0, TauDecayClass.ONE_PRONG: 2.0}
    enriched = tau_pair_events(
        20_000,
        SQRT_S,
        tau_library,
        np.random.default_rng(23),
        RadiationSettings(),
        ImportanceSampling(tau_enrichment=enrichment),
    )
    n = enriched.n_events
    assert enriched.weight.mean() == pytest.approx(1.0, abs=4.5 * enriched.weight.std() / np.sqrt(n))
    counts = []
    for events in (ours, enriched):
        charged = np.isin(np.abs(events.pdg), (11, 13, 211, 321)) & (events.status == FINAL_STATE)
        counts.append(np.bincount(events.event_index[charged], minlength=n))
    for tracks in (2, 4, 6):
        natural, weights = counts[0] == tracks, enriched.weight * (counts[1] == tracks)
        error = np.hypot(natural.std(), weights.std()) / np.sqrt(n)
        assert weights.mean() == pytest.approx(natural.mean(), abs=4.5 * error)
    assert np.mean(counts[1] == 4) > 1.5 * np.mean(counts[0] == 4)
    minus, plus = (_pion_energies(enriched, charge) for charge in (-1, 1))
    both = (minus >= 0.0) & (plus >= 0.0)
    expected = (1.0 - 2.0 * same_helicity_fraction(SQRT_S**2)) / 3.0
    assert np.corrcoef(minus[both], plus[both])[0, 1] == pytest.approx(expected, abs=4.0 / np.sqrt(both.sum()) + 0.05)


def test_photons_do_not_split_and_neutral_pions_do_not_decay(ours: GeneratedEvents) -> None:
    mother = ours.pdg[np.maximum(ours.mother, 0) + ours.offsets[ours.event_index]]
    assert not np.any((mother == 22) & (ours.mother >= 0))
    assert np.all(ours.status[ours.pdg == 111] == FINAL_STATE)
