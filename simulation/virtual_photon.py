"""Virtual photons: the mass that a radiated photon may have, and the lepton pair it turns into.

A radiated photon comes with a mass q and splits into ℓ⁺ℓ⁻ with the probability

    dP/dq² = (α/3π) (1/q²) (1 + 2m²/q²) √(1 − 4m²/q²) · (p(q)/p(0)) · [2p·k/(2p·k + q²)]²

(N. M. Kroll and W. Wada, Phys. Rev. 98, 1355 (1955)); the last two factors are the phase space and the propagator of
the radiating fermion, of momentum p, relative to those of a real photon of the same energy. This is how e⁺e⁻e⁺e⁻ and
μ⁺μ⁻e⁺e⁻ come into the lepton pairs; τ⁺τ⁻ℓ⁺ℓ⁻ has its amplitude (`simulation.four_lepton`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.constants import ALPHA_EM
from models.kinematics import boost_from_rest_frame, mass_of, rotate_z_to, two_body_momentum, unit_vector
from models.search import Channel
from simulation.generated import FINAL_STATE, GeneratedEvents, Particles

FloatArray = NDArray[np.float64]


class PhotonMasses(NamedTuple):
    """Masses of radiated photons and what they split into, both of shape (n,)."""

    mass_gev: FloatArray
    """Zero for a real photon."""
    lepton_pdg: NDArray[np.int32]
    """PDG code of the negative lepton it splits into, zero for a real photon."""


def sample_photon_masses(
    pair_mass_gev: FloatArray,
    fraction: FloatArray,
    cosine: FloatArray,
    fermion_mass_gev: float,
    rng: np.random.Generator,
) -> PhotonMasses:
    """Return which photons are virtual.

    Parameters
    ----------
    pair_mass_gev
        Mass of the pair that radiates, shape (n,).
    fraction
        Fraction v of its squared mass that the pair loses, shape (n,).
    cosine
        Cosine of the photon's angle to the axis of the pair, shape (n,).
    fermion_mass_gev
        Mass of the radiating fermion.
    rng
        Random stream.
    """
    remaining = pair_mass_gev * np.sqrt(1.0 - fraction)
    mass = np.zeros_like(fraction)
    lepton = np.zeros(len(fraction), dtype=np.int32)
    for channel in Channel:
        threshold2 = 4.0 * channel.lepton_mass_gev**2
        # α/3π per unit of ln q², up to the largest mass that the energy allows.
        log_range = 2.0 * np.log(np.maximum(pair_mass_gev - remaining, channel.lepton_mass_gev)) - np.log(threshold2)
        tried = np.flatnonzero(rng.uniform(size=len(fraction)) < ALPHA_EM / (3.0 * np.pi) * log_range)
        q2 = threshold2 * np.exp(log_range[tried] * rng.uniform(size=len(tried)))
        ratio = threshold2 / q2
        acceptance = (1.0 + 0.5 * ratio) * np.sqrt(1.0 - ratio)
        real = two_body_momentum(pair_mass_gev[tried], remaining[tried], 0.0)
        acceptance *= two_body_momentum(pair_mass_gev[tried], remaining[tried], np.sqrt(q2)) / real
        velocity = np.sqrt(1.0 - (2.0 * fermion_mass_gev / pair_mass_gev[tried]) ** 2)
        # 2p·k of the nearer fermion, p with half the pair's mass as its energy
        separation = pair_mass_gev[tried] * real * (1.0 - velocity * np.abs(cosine[tried]))
        acceptance *= (separation / (separation + q2)) ** 2
        accepted = rng.uniform(size=len(tried)) < acceptance
        mass[tried[accepted]] = np.sqrt(q2[accepted])
        lepton[tried[accepted]] = channel.lepton_pdg
    return PhotonMasses(mass, lepton)


def split_photons(
    events: GeneratedEvents, rows: NDArray[np.int64], lepton_pdg: NDArray[np.int32], rng: np.random.Generator
) -> GeneratedEvents:
    """Return the events with virtual photons turned into lepton pairs where they were made.

    Parameters
    ----------
    events
        Events with virtual photons.
    rows
        Rows of the virtual photons, shape (n,).
    lepton_pdg
        PDG code of the negative lepton each turns into, shape (n,).
    rng
        Random stream.
    """
    photon = events.momentum[rows]
    lepton_mass = np.zeros(len(rows))
    for channel in Channel:
        lepton_mass[lepton_pdg == channel.lepton_pdg] = channel.lepton_mass_gev
    lepton = pair_lepton(photon, photon[:, :3], lepton_mass, rng)
    mother = np.concatenate([rows, rows])
    vertex = events.vertex[mother]
    return events.append(
        events.event_index[mother],
        Particles(
            pdg=np.concatenate([lepton_pdg, -lepton_pdg]),
            status=np.full(len(mother), FINAL_STATE, dtype=np.int32),
            mother=mother,
            momentum=np.concatenate([lepton, photon - lepton]),
            vertex=vertex,
        ),
    )


def pair_lepton(
    photon: FloatArray, axis: FloatArray, lepton_mass_gev: FloatArray | float, rng: np.random.Generator
) -> FloatArray:
    """Return one lepton of the pair from each transversely polarised virtual photon; the other is the rest of it.

    Parameters
    ----------
    photon
        Four-momenta in GeV, shape (n, 4), time-like.
    axis
        Direction of polarisation in the rest frame of each photon, shape (n, 3).
    lepton_mass_gev
        Mass of the lepton, a number or shape (n,).
    rng
        Random stream.

    Returns
    -------
    Four-momenta in GeV, shape (n, 4).
    """
    mass = mass_of(photon)
    mass_ratio = np.minimum((2.0 * lepton_mass_gev / mass) ** 2, 1.0)
    cosine = sample_fermion_cosine(mass_ratio, rng)
    direction = rotate_z_to(unit_vector(cosine, rng.uniform(-np.pi, np.pi, len(mass))), axis)
    energy = 0.5 * mass
    momentum = (energy * np.sqrt(1.0 - mass_ratio))[:, None] * direction
    return boost_from_rest_frame(np.column_stack([momentum, energy]), photon)


def sample_fermion_cosine(mass_ratio: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return cosines to the photon's axis, with the density ∝ 1 + cos²θ + (4m²/q²) sin²θ, by rejection.

    Parameters
    ----------
    mass_ratio
        4m²/q² of each pair, between 0 and 1, shape (n,).
    rng
        Random stream.
    """
    cosine = np.empty_like(mass_ratio)
    pending = np.arange(len(mass_ratio))
    while len(pending):
        trial = rng.uniform(-1.0, 1.0, len(pending))
        density = 1.0 + trial**2 + mass_ratio[pending] * (1.0 - trial**2)
        accepted = rng.uniform(0.0, 2.0, len(pending)) < density
        cosine[pending[accepted]] = trial[accepted]
        pending = pending[~accepted]
    return cosine
