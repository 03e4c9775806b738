"""e⁺e⁻ → τ⁺τ⁻ with radiation, all correlations of the spins and decays, in array code.

Spins are correlated as those of a pair without photons at the reduced energy and angle, in the rest frame of the pair:
photons of the final state turn no spin here. Photons that split, e⁺e⁻ → τ⁺τ⁻ℓ⁺ℓ⁻, are a process of their own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.constants import TAU_MASS_GEV
from models.theory.spin_correlation import tau_pair_spin_correlation
from models.theory.tau_pair import tau_pair_cross_section_fb
from simulation.configuration import RadiationSettings
from simulation.generated import GeneratedEvents
from simulation.importance import NATURAL, ImportanceSampling
from simulation.radiation import final_state_spectrum, initial_state_spectrum
from simulation.radiative_pairs import make_radiative_pairs
from simulation.tau_decays import decay_tau_pairs
from simulation.tau_library import TAU, TauDecayLibrary
from simulation.tau_spin import pair_axes
from simulation.virtual_photon import sample_fermion_cosine

FloatArray = NDArray[np.float64]


def tau_pair_events(
    n: int,
    sqrt_s_gev: float,
    library: TauDecayLibrary,
    rng: np.random.Generator,
    radiation: RadiationSettings,
    importance: ImportanceSampling = NATURAL,
) -> GeneratedEvents:
    """Return e⁺e⁻ → τ⁺τ⁻ events in the centre-of-mass frame, the τ's decayed and neutral pions not.

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
    importance
        Classes of τ decay that are oversampled; without any, all weights are one.
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
        virtual_photons=False,
    )
    events = pairs.events(TAU, rng)
    return decay_tau_pairs(
        events,
        events.offsets[:-1, None] + np.array([0, 1]),
        tau_pair_spin_correlation(pairs.cosine, pairs.s_gev2),
        library,
        rng,
        axes=pair_axes(pairs.fermion, pairs.antifermion),
        enrichment=importance.tau_enrichment,
    )
