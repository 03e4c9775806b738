"""τ's of any helicity and charge, decayed from the library."""

import numpy as np
import pytest
from scipy import stats

from models.constants import PION_MASS_GEV, TAU_CTAU_MM, TAU_MASS_GEV
from models.kinematics import boost_to_rest_frame, unit_vector
from simulation.generated import DECAYED, GeneratedEvents
from simulation.tau_decays import decay_taus
from simulation.tau_library import TAU, TauDecayLibrary

N = 20_000
ENERGY = 5.29


def _decayed(library: TauDecayLibrary, charge: int, helicity: int, seed: int = 1) -> GeneratedEvents:
    rng = np.random.default_rng(seed)
    direction = unit_vector(rng.uniform(-1, 1, N), rng.uniform(-np.pi, np.pi, N))
    momentum = np.sqrt(ENERGY**2 - TAU_MASS_GEV**2) * direction
    taus = np.column_stack([momentum, np.full(N, ENERGY)])[:, None]
    events = GeneratedEvents.from_table(np.full((N, 1), -charge * TAU, dtype=np.int32), taus)
    return decay_taus(events, np.arange(N), np.full(N, helicity), library, rng)


def _energy_in_pion_decays(events: GeneratedEvents, charge: int) -> np.ndarray:
    """E_π/E_τ of τ → πν."""
    daughters = np.bincount(events.event_index[events.mother == 0], minlength=N)
    pion = (events.pdg == 211 * charge) & (events.mother == 0) & (daughters[events.event_index] == 2)
    return events.E[pion] / ENERGY


@pytest.mark.parametrize("charge", [-1, 1])
@pytest.mark.parametrize("helicity", [-1, 1])
def test_pion_energy_measures_the_helicity(tau_library: TauDecayLibrary, charge: int, helicity: int) -> None:
    """dN/dx ∝ 1 ± P(2x − 1), rising for a right-handed τ⁻ and, by CP, for a left-handed τ⁺."""
    x = _energy_in_pion_decays(_decayed(tau_library, charge, helicity), charge)
    beta = np.sqrt(1.0 - (TAU_MASS_GEV / ENERGY) ** 2)
    pion_fraction = (PION_MASS_GEV / TAU_MASS_GEV) ** 2
    cosine = (2.0 * x - 1.0 - pion_fraction) / (beta * (1.0 - pion_fraction))
    # ⟨cosθ⟩ = ±1/3; the library holds 430 such decays, so its own mean is known to 0.47/√430 = 0.023
    assert cosine.mean() == pytest.approx(-charge * helicity / 3.0, abs=0.07)


def test_charge_conjugation_reverses_momenta_and_not_the_spin(tau_library: TauDecayLibrary) -> None:
    """With the same random numbers τ⁺ and τ⁻ of equal spin decay into mirror images in the rest frame."""
    minus, plus = (_decayed(tau_library, charge, helicity=1) for charge in (-1, 1))
    taus = minus.offsets[:-1]
    parent = minus.momentum[taus][minus.event_index]
    at_rest = [boost_to_rest_frame(events.momentum, parent)[:, :3] for events in (minus, plus)]
    products = minus.mother >= 0
    np.testing.assert_allclose(at_rest[0][products], -at_rest[1][products], atol=1e-9)
    leptons = products & (np.abs(minus.pdg) < 17)
    assert np.array_equal(minus.pdg[leptons], -plus.pdg[leptons])
    neutral_pions = minus.pdg == 111
    assert np.all(plus.pdg[neutral_pions] == 111)


def test_decays_conserve_four_momentum_and_charge(tau_library: TauDecayLibrary, final_state_sums) -> None:
    for charge in (-1, 1):
        events = _decayed(tau_library, charge, helicity=-1)
        total, total_charge = final_state_sums(events)
        np.testing.assert_allclose(total, events.momentum[events.offsets[:-1]], atol=1e-9 * ENERGY)
        np.testing.assert_array_equal(total_charge, charge)
        assert np.all(events.status[events.offsets[:-1]] == DECAYED)


def test_flight_distance_is_exponential(tau_library: TauDecayLibrary) -> None:
    events = _decayed(tau_library, -1, helicity=1)
    first_daughter = events.offsets[:-1] + 1
    flight = np.linalg.norm(events.vertex[first_daughter, :3], axis=1)
    mean = TAU_CTAU_MM * np.sqrt((ENERGY / TAU_MASS_GEV) ** 2 - 1.0)
    assert stats.kstest(flight / mean, "expon").pvalue > 1e-3
    assert np.all(events.vertex[first_daughter, 3] >= flight)


def test_azimuth_and_choice_are_drawn_anew(tau_library: TauDecayLibrary) -> None:
    events = _decayed(tau_library, -1, helicity=1)
    leading = events.px[events.offsets[:-1] + 1]
    assert len(np.unique(leading)) == N


def test_same_seed_same_decays(tau_library: TauDecayLibrary) -> None:
    first, second = (_decayed(tau_library, 1, 1, seed=9) for _ in range(2))
    np.testing.assert_array_equal(first.px, second.px)
