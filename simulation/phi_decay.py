"""φ → ℓ⁺ℓ⁻: a scalar flies and decays isotropically."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.kinematics import boost_from_rest_frame, mass_of, unit_vector
from models.lifetime import LifetimeMixture
from models.search import Channel
from simulation.generated import FINAL_STATE, GeneratedEvents, Particles


def decay_phi(
    events: GeneratedEvents,
    rows: NDArray[np.int64],
    channel: Channel,
    lifetimes: LifetimeMixture,
    rng: np.random.Generator,
) -> GeneratedEvents:
    """Return the events with the φ's decayed.

    Parameters
    ----------
    events
        Events with φ's that have not decayed.
    rows
        Rows of the φ's, shape (n,).
    channel
        What they decay to.
    lifetimes
        Distribution of their proper flight lengths.
    rng
        Random stream.
    """
    phi = events.momentum[rows]
    mass = mass_of(phi)
    vertex = events.vertex[rows] + phi * (lifetimes.sample(len(rows), rng) / mass)[:, None]
    direction = unit_vector(rng.uniform(-1.0, 1.0, len(rows)), rng.uniform(-np.pi, np.pi, len(rows)))
    energy = 0.5 * mass
    momentum = np.sqrt(energy**2 - channel.lepton_mass_gev**2)
    lepton = boost_from_rest_frame(np.column_stack([momentum[:, None] * direction, energy]), phi)
    mother = np.concatenate([rows, rows])
    return events.append(
        events.event_index[mother],
        Particles(
            pdg=np.repeat([channel.lepton_pdg, -channel.lepton_pdg], len(rows)).astype(np.int32),
            status=np.full(len(mother), FINAL_STATE, dtype=np.int32),
            mother=mother,
            momentum=np.concatenate([lepton, phi - lepton]),
            vertex=np.concatenate([vertex, vertex]),
        ),
    )
