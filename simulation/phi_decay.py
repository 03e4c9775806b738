"""φ → ℓ⁺ℓ⁻(γ): a scalar flies and decays isotropically, its daughters radiate up to one photon."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.kinematics import boost_from_rest_frame, boost_to_rest_frame, mass_of, rotate_z_to, unit_vector
from models.lifetime import LifetimeMixture
from models.search import Channel
from simulation.configuration import RadiationSettings
from simulation.detector.species import PHOTON
from simulation.generated import FINAL_STATE, GeneratedEvents, Particles
from simulation.phi_radiation import phi_radiation_spectrum, sample_lepton_cosine

FloatArray = NDArray[np.float64]


def decay_phi(
    events: GeneratedEvents,
    rows: NDArray[np.int64],
    channel: Channel,
    lifetimes: LifetimeMixture,
    rng: np.random.Generator,
    radiation: RadiationSettings | None = None,
) -> GeneratedEvents:
    """Return the events with the φ's decayed.

    Parameters
    ----------
    events
        Events with φ's of one mass that have not decayed.
    rows
        Rows of the φ's, shape (n,).
    channel
        What they decay to.
    lifetimes
        Distribution of their proper flight lengths.
    rng
        Random stream.
    radiation
        Photons of the daughters, none if not given.
    """
    phi = events.momentum[rows]
    mass = mass_of(phi)
    vertex = events.vertex[rows] + phi * (lifetimes.sample(len(rows), rng) / mass)[:, None]
    photon, cosine = _photons(phi, channel, rng, radiation)
    radiates = photon[:, 3] > 0.0
    pair = phi - photon
    # measured from the photon if there is one; without, every direction is like any other
    direction = unit_vector(cosine, rng.uniform(-np.pi, np.pi, len(rows)))
    axis = boost_to_rest_frame(photon[radiates], pair[radiates])[:, :3]
    direction[radiates] = rotate_z_to(direction[radiates], axis)
    energy = 0.5 * mass_of(pair)
    momentum = np.sqrt(np.maximum(energy**2 - channel.lepton_mass_gev**2, 0.0))
    lepton = boost_from_rest_frame(np.column_stack([momentum[:, None] * direction, energy]), pair)
    mother = np.concatenate([rows, rows, rows[radiates]])
    codes = np.repeat([channel.lepton_pdg, -channel.lepton_pdg, PHOTON], [len(rows), len(rows), radiates.sum()])
    return events.append(
        events.event_index[mother],
        Particles(
            pdg=codes.astype(np.int32),
            status=np.full(len(mother), FINAL_STATE, dtype=np.int32),
            mother=mother,
            momentum=np.concatenate([lepton, pair - lepton, photon[radiates]]),
            vertex=np.concatenate([vertex, vertex, vertex[radiates]]),
        ),
    )


def _photons(
    phi: FloatArray, channel: Channel, rng: np.random.Generator, radiation: RadiationSettings | None
) -> tuple[FloatArray, FloatArray]:
    """Return the photon of each φ, shape (n, 4), zero where there is none, and the lepton's cosine to it."""
    n = len(phi)
    photon, cosine = np.zeros((n, 4)), rng.uniform(-1.0, 1.0, n)
    if radiation is None or n == 0:
        return photon, cosine
    m_phi_gev = float(np.median(mass_of(phi)))
    fraction = phi_radiation_spectrum(m_phi_gev, channel.lepton_mass_gev, radiation).sample(n, rng)
    radiates = np.flatnonzero(fraction > 0.0)
    cosine[radiates] = sample_lepton_cosine(fraction[radiates], m_phi_gev, channel.lepton_mass_gev, rng)
    flight = unit_vector(rng.uniform(-1.0, 1.0, len(radiates)), rng.uniform(-np.pi, np.pi, len(radiates)))
    energy = 0.5 * m_phi_gev * fraction[radiates]
    photon[radiates] = boost_from_rest_frame(
        energy[:, None] * np.column_stack([flight, np.ones(len(radiates))]), phi[radiates]
    )
    return photon, cosine
