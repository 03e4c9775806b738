import numpy as np
import pytest

from models.constants import NEUTRAL_PION_MASS_GEV
from models.kinematics import boost_from_rest_frame, unit_vector
from simulation.detector.calorimeter import find_photons
from simulation.detector.configuration import CalorimeterConfig, NeutralPionConfig
from simulation.detector.detected import Photons
from simulation.detector.jagged import distinct_pairs
from simulation.detector.neutral_pions import find_neutral_pions
from simulation.generated import GeneratedEvents

CALORIMETER = CalorimeterConfig(background_photons=0.0, photon_efficiency=1.0)
PIONS = NeutralPionConfig()


@pytest.fixture(scope="module")
def pion_gun():
    n = 20_000
    rng = np.random.default_rng(1)
    momentum = 0.8 * unit_vector(rng.uniform(-0.5, 0.8, n), rng.uniform(-np.pi, np.pi, n))
    pion = np.column_stack([momentum, np.sqrt(0.64 + NEUTRAL_PION_MASS_GEV**2) * np.ones(n)])
    direction = unit_vector(rng.uniform(-1, 1, n), rng.uniform(-np.pi, np.pi, n))
    half = 0.5 * NEUTRAL_PION_MASS_GEV
    daughters = [np.column_stack([sign * half * direction, np.full(n, half)]) for sign in (1, -1)]
    photons = np.stack([boost_from_rest_frame(daughter, pion) for daughter in daughters], axis=1)
    events = GeneratedEvents.from_table(np.full((n, 2), 22, dtype=np.int32), photons)
    found = find_photons(
        events,
        np.zeros(0, dtype=np.int64),
        np.zeros((n, 3)),
        rng,
        calorimeter=CALORIMETER,
        field_tesla=1.5,
    )
    return pion, found, find_neutral_pions(found, neutral_pions=PIONS, calorimeter=CALORIMETER)


def test_most_pions_with_two_good_photons_are_found(pion_gun):
    _, photons, pions = pion_gun
    both = photons.counts == 2
    assert np.all(pions.counts[~both] == 0)
    # The window is about ±3σ; asymmetric decays below the photon threshold are lost.
    assert 0.88 < pions.counts[both].mean() <= 1.0


def test_mass_is_exact_and_energy_better_than_measured(pion_gun):
    true, photons, pions = pion_gun
    mass = np.sqrt(pions.energy_gev**2 - np.sum(pions.momentum_gev**2, axis=1))
    np.testing.assert_allclose(mass, NEUTRAL_PION_MASS_GEV, rtol=1e-6)
    event = np.flatnonzero(pions.counts)
    raw = np.bincount(np.repeat(np.arange(len(true)), photons.counts), photons.energy_gev)[event]
    fitted_error = pions.energy_gev - true[event, 3]
    raw_error = raw - true[event, 3]
    # The angles, not the energies, dominate the mass, so the constraint helps the energy only a little: 9 %.
    assert np.std(fitted_error) < 0.95 * np.std(raw_error)
    assert abs(np.mean(fitted_error)) < 0.003 * true[0, 3]


def test_photon_indices_are_within_the_event(pion_gun):
    _, photons, pions = pion_gun
    counts = np.repeat(photons.counts, pions.counts)
    assert np.all(pions.first_photon < pions.second_photon)
    assert np.all((pions.first_photon >= 0) & (pions.second_photon < counts))


def test_pairs_against_a_loop():
    rng = np.random.default_rng(2)
    counts = rng.integers(0, 6, 40)
    start = np.cumsum(counts) - counts
    expected = [
        (first + i, first + j)
        for first, count in zip(start, counts, strict=True)
        for i in range(count)
        for j in range(i + 1, count)
    ]
    assert list(zip(*(index.tolist() for index in distinct_pairs(counts)), strict=True)) == expected


def test_candidates_against_a_loop():
    rng = np.random.default_rng(3)
    counts = rng.integers(0, 9, 300)
    n = int(counts.sum())
    energy = rng.exponential(0.2, n) + 0.01
    photons = Photons(
        counts,
        energy[:, None] * unit_vector(rng.uniform(-1, 1, n), rng.uniform(-np.pi, np.pi, n)),
        energy,
        np.ones(n),
    )
    pions = find_neutral_pions(photons, neutral_pions=PIONS, calorimeter=CALORIMETER)
    expected = []
    start = 0
    for count in counts:
        for i in range(count):
            for j in range(i + 1, count):
                p, q = photons.momentum_gev[start + i], photons.momentum_gev[start + j]
                squared = (energy[start + i] + energy[start + j]) ** 2 - np.sum((p + q) ** 2)
                hard = min(energy[start + i], energy[start + j]) > PIONS.photon_threshold_gev
                if hard and PIONS.mass_window_gev[0] ** 2 < squared < PIONS.mass_window_gev[1] ** 2:
                    expected.append((i, j))
        start += count
    assert list(zip(pions.first_photon.tolist(), pions.second_photon.tolist(), strict=True)) == expected
    assert len(expected) > 50
