"""e⁺e⁻ → ff̄ with up to one photon, real or virtual, from the initial and one from the final state."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.constants import ELECTRON_MASS_GEV
from models.kinematics import (
    boost_from_rest_frame,
    boost_to_rest_frame,
    mass_of,
    rotate_z_to,
    two_body_momentum,
    unit_vector,
)
from simulation.detector.species import PHOTON
from simulation.generated import GeneratedEvents
from simulation.radiation import sample_photon_cosine
from simulation.virtual_photon import PhotonMasses, sample_photon_masses, split_photons

FloatArray = NDArray[np.float64]
CosineSampler = Callable[[FloatArray], FloatArray]
"""From the squared masses in GeV² of n pairs after initial-state radiation to the cosines of their polar angles."""


class RadiativePairs(NamedTuple):
    """Fermion pairs with their photons in the c.m. frame, the electron beam along +z."""

    fermion: FloatArray
    """Four-momenta in GeV, shape (n, 4), of the fermion whose polar angle is measured from the electron beam."""
    antifermion: FloatArray
    initial_photon: FloatArray
    """Photon from the initial state, shape (n, 4); zero if there is none."""
    final_photon: FloatArray
    """Photon from the final state, shape (n, 4); zero if there is none."""
    cosine: FloatArray
    """Cosine of the fermion's polar angle in the rest frame of the pair, before it radiated, shape (n,)."""
    s_gev2: FloatArray
    """Squared mass of the pair before it radiated, shape (n,)."""
    photon_lepton_pdg: NDArray[np.int32]
    """PDG code of the negative lepton that each photon splits into, zero for a real one, shape (n, 2)."""

    def events(self, fermion_pdg: int, rng: np.random.Generator) -> GeneratedEvents:
        """Return the pairs as events: fermion, antifermion, photons, and what virtual photons split into."""
        momentum = np.stack([self.fermion, self.antifermion, self.initial_photon, self.final_photon], axis=1)
        codes = np.array([fermion_pdg, -fermion_pdg, PHOTON, PHOTON], dtype=np.int32)
        present = momentum[:, :, 3] > 0.0
        events = GeneratedEvents.from_table(np.broadcast_to(codes, momentum.shape[:2]), momentum, present)
        virtual = np.zeros(momentum.shape[:2], dtype=np.int32)
        virtual[:, 2:] = self.photon_lepton_pdg
        lepton_of_row = virtual[present]
        rows = np.flatnonzero(lepton_of_row)
        if len(rows) == 0:
            return events
        return split_photons(events, rows, lepton_of_row[rows], rng)


def make_radiative_pairs(
    initial_fraction: FloatArray,
    final_fraction: FloatArray,
    sqrt_s_gev: float,
    fermion_mass_gev: float,
    sample_cosine: CosineSampler,
    rng: np.random.Generator,
    *,
    virtual_photons: bool = True,
) -> RadiativePairs:
    """Return fermion pairs for given radiated fractions.

    Parameters
    ----------
    initial_fraction
        Fraction of s radiated before the annihilation, shape (n,).
    final_fraction
        Fraction of the pair's squared mass radiated after it, of what the fermions' masses leave, shape (n,).
    sqrt_s_gev
        Centre-of-mass energy.
    fermion_mass_gev
        Mass of the fermion.
    sample_cosine
        Draws the polar angles.
    rng
        Random stream.
    virtual_photons
        Whether photons may be virtual and split into lepton pairs.
    """
    s = sqrt_s_gev**2
    n = len(initial_fraction)
    at_rest = np.tile([0.0, 0.0, 0.0, sqrt_s_gev], (n, 1))
    beam_axis = np.tile([0.0, 0.0, 1.0], (n, 1))
    initial_cosine = sample_photon_cosine(initial_fraction, s, ELECTRON_MASS_GEV, rng)
    real = PhotonMasses(np.zeros(n), np.zeros(n, dtype=np.int32))
    initial_masses = final_masses = real
    if virtual_photons:
        initial_masses = sample_photon_masses(
            np.full(n, sqrt_s_gev), initial_fraction, initial_cosine, ELECTRON_MASS_GEV, rng
        )
    initial_photon = _photon(at_rest, initial_fraction, initial_cosine, initial_masses.mass_gev, beam_axis, rng)
    pair = at_rest - initial_photon
    reduced_s = s * (1.0 - initial_fraction)

    cosine = sample_cosine(reduced_s)
    direction = rotate_z_to(unit_vector(cosine, rng.uniform(-np.pi, np.pi, n)), annihilation_axis(pair))
    fraction = final_fraction * (1.0 - 4.0 * fermion_mass_gev**2 / reduced_s)
    final_cosine = sample_photon_cosine(fraction, reduced_s, fermion_mass_gev, rng)
    if virtual_photons:
        final_masses = sample_photon_masses(np.sqrt(reduced_s), fraction, final_cosine, fermion_mass_gev, rng)
    final_photon = _photon(pair, fraction, final_cosine, final_masses.mass_gev, direction, rng)
    fermion = _fermion(pair - final_photon, direction, fermion_mass_gev)
    return RadiativePairs(
        fermion=fermion,
        antifermion=pair - final_photon - fermion,
        initial_photon=initial_photon,
        final_photon=final_photon,
        cosine=cosine,
        s_gev2=reduced_s,
        photon_lepton_pdg=np.stack([initial_masses.lepton_pdg, final_masses.lepton_pdg], axis=1),
    )


def _photon(
    pair: FloatArray,
    fraction: FloatArray,
    cosine: FloatArray,
    photon_mass: FloatArray,
    axis: FloatArray,
    rng: np.random.Generator,
) -> FloatArray:
    """Return photons that take `fraction` of the squared mass of `pair`; axis and angle are those of its rest frame."""
    direction = rotate_z_to(unit_vector(cosine, rng.uniform(-np.pi, np.pi, len(fraction))), axis)
    mass = mass_of(pair)
    momentum = two_body_momentum(mass, mass * np.sqrt(1.0 - fraction), photon_mass)
    at_rest = np.column_stack([momentum[:, None] * direction, np.hypot(momentum, photon_mass)])
    return boost_from_rest_frame(at_rest, pair)


def _fermion(pair: FloatArray, direction: FloatArray, fermion_mass_gev: float) -> FloatArray:
    """Return the fermion that flies along `direction` in the rest frame of `pair`."""
    energy = 0.5 * mass_of(pair)
    momentum = np.sqrt(np.maximum(energy**2 - fermion_mass_gev**2, 0.0))
    return boost_from_rest_frame(np.column_stack([momentum[:, None] * direction, energy]), pair)


def annihilation_axis(pair: FloatArray) -> FloatArray:
    """Return the axis, shape (n, 3), that polar angles in the rest frame of a recoiling pair are measured from.

    It bisects the electron and the reversed positron beam as seen there (J. C. Collins and D. E. Soper, Phys. Rev. D
    16, 2219 (1977)).
    """
    electron = boost_to_rest_frame(np.broadcast_to([0.0, 0.0, 1.0, 1.0], pair.shape), pair)[:, :3]
    positron = boost_to_rest_frame(np.broadcast_to([0.0, 0.0, -1.0, 1.0], pair.shape), pair)[:, :3]
    axis: FloatArray = electron / np.linalg.norm(electron, axis=1)[:, None]
    axis -= positron / np.linalg.norm(positron, axis=1)[:, None]
    return axis
