"""e⁺e⁻ → τ⁺τ⁻ with radiation, helicity correlations and decays, all in array code."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.constants import TAU_MASS_GEV
from models.theory.tau_pair import HELICITIES, tau_pair_cross_section_fb, tau_pair_helicity_fractions
from simulation.configuration import NeutralPionDecayConfig, RadiationSettings
from simulation.generated import GeneratedEvents
from simulation.neutral_pion_decays import decay_neutral_pions
from simulation.radiation import final_state_spectrum, initial_state_spectrum
from simulation.radiative_pairs import make_radiative_pairs
from simulation.tau_decays import decay_taus
from simulation.tau_library import TAU, TauDecayLibrary
from simulation.virtual_photon import sample_fermion_cosine

FloatArray = NDArray[np.float64]


def tau_pair_events(
    n: int,
    sqrt_s_gev: float,
    library: TauDecayLibrary,
    rng: np.random.Generator,
    radiation: RadiationSettings,
    neutral_pions: NeutralPionDecayConfig,
) -> GeneratedEvents:
    """Return unweighted e⁺e⁻ → τ⁺τ⁻ events in the centre-of-mass frame, decayed.

    Parameters
    ----------
    n
        Number of events.
    sqrt_s_gev
        Centre-of-mass energy.
    library
        τ decays.
    rng
        Random stream.
    radiation
        Photons from the initial and the final state.
    neutral_pions
        π⁰ decays.
    """
    s = sqrt_s_gev**2

    def reduced(fraction: FloatArray) -> FloatArray:
        ratio: FloatArray = tau_pair_cross_section_fb(s * (1.0 - fraction)) / tau_pair_cross_section_fb(s)
        return ratio

    threshold_fraction = 1.0 - (2.0 * TAU_MASS_GEV) ** 2 / s
    pairs = make_radiative_pairs(
        initial_state_spectrum(s, threshold_fraction, reduced, radiation).sample(n, rng),
        final_state_spectrum(s, TAU_MASS_GEV, radiation).sample(n, rng),
        sqrt_s_gev,
        TAU_MASS_GEV,
        lambda reduced_s: sample_fermion_cosine((2.0 * TAU_MASS_GEV) ** 2 / reduced_s, rng),
        rng,
    )
    events = pairs.events(TAU, rng)
    helicity = _sample_helicities(tau_pair_helicity_fractions(pairs.cosine, pairs.s_gev2), rng)
    rows = events.offsets[:-1, None] + np.array([0, 1])
    decayed = decay_taus(events, rows.ravel(), helicity.ravel(), library, rng)
    return decay_neutral_pions(decayed, neutral_pions, rng)


def _sample_helicities(fractions: FloatArray, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return (τ⁻, τ⁺) helicities, shape (n, 2), from their probabilities, shape (n, 2, 2)."""
    cumulative = np.cumsum(fractions.reshape(len(fractions), 4), axis=1)
    choice = np.count_nonzero(rng.uniform(size=(len(fractions), 1)) > cumulative[:, :3], axis=1)
    of_minus, of_plus = np.divmod(choice, 2)
    helicities = np.array(HELICITIES)
    return np.column_stack([helicities[of_minus], helicities[of_plus]])
