"""Signal events, complete: e⁺e⁻ → τ⁺τ⁻φ with the τ's and φ decayed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.kinematics import boost_from_rest_frame, rotate_z_to
from models.lifetime import LifetimeMixture
from models.search import PHI_PDG, Channel
from simulation.configuration import RadiationSettings
from simulation.detector.species import PHOTON
from simulation.generated import GeneratedEvents
from simulation.phi_decay import decay_phi
from simulation.radiative_pairs import annihilation_axis
from simulation.signal import SignalGenerator
from simulation.tau_decay_class import TauDecayClass
from simulation.tau_decays import decay_tau_pairs
from simulation.tau_library import TAU, TauDecayLibrary

FloatArray = NDArray[np.float64]


def signal_events(
    n: int,
    generator: SignalGenerator,
    channel: Channel,
    lifetimes: LifetimeMixture,
    library: TauDecayLibrary,
    rng: np.random.Generator,
    enrichment: Mapping[TauDecayClass, float] | None = None,
    radiation: RadiationSettings | None = None,
) -> GeneratedEvents:
    """Return signal events in the centre-of-mass frame, with every neutral pion still undecayed.

    All decays are made in the rest frame of τ⁺τ⁻φ, where the amplitudes and with them the spins are known, and then
    turned and boosted together, so that radiation costs no spin correlation.

    Parameters
    ----------
    n
        Number of events.
    generator
        Prepared for the φ mass and collision energy.
    channel
        Decay of φ.
    lifetimes
        Distribution of the proper flight lengths of φ.
    library
        τ decays.
    rng
        Random stream.
    enrichment
        Relative oversampling of classes of τ decay, undone by the events' weights; nature by default.
    radiation
        Photons of the daughters of φ, none if not given.
    """
    kinematics = generator.generate(n, rng)
    sqrt_s = generator.sqrt_s_gev
    photon = np.roll(kinematics.photon, -1, axis=1)
    radiates = photon[:, 3] > 0.0
    system = np.array([0.0, 0.0, 0.0, sqrt_s]) - photon[radiates]
    to_cm = _to_centre_of_mass(system)
    momentum = np.empty((n, 4, 4))
    for body, energy_first in enumerate((kinematics.p_tau_minus, kinematics.p_tau_plus, kinematics.p_phi)):
        momentum[:, body, :3], momentum[:, body, 3] = energy_first[:, 1:], energy_first[:, 0]
    # Back in the c.m. frame the photon is what it was; meanwhile it has to be in the frame of all others.
    momentum[radiates, 3] = np.linalg.solve(to_cm, photon[radiates, :, np.newaxis])[:, :, 0]
    present = np.ones((n, 4), dtype=np.bool_)
    present[:, 3] = radiates
    codes = np.broadcast_to(np.array([TAU, -TAU, PHI_PDG, PHOTON], dtype=np.int32), (n, 4))
    events = GeneratedEvents.from_table(codes, momentum, present)
    # The φ decays first: its daughters then follow the τ's, before the many products of these.
    with_leptons = decay_phi(events, events.offsets[:-1] + 2, channel, lifetimes, rng, radiation)
    tau_rows = with_leptons.offsets[:-1, None] + np.array([0, 1])
    decayed = decay_tau_pairs(with_leptons, tau_rows, kinematics.spin_correlation, library, rng, enrichment=enrichment)
    return _transformed(decayed, np.flatnonzero(radiates), to_cm)


def _to_centre_of_mass(system: FloatArray) -> FloatArray:
    """Return the Lorentz transformations, shape (n, 4, 4), from the rest frame of a recoiling system.

    In that frame the electron beam flew along +z: the z axis is turned to where annihilation angles are measured from.
    """
    axis = annihilation_axis(system)
    columns = []
    for basis in np.eye(4):
        turned = np.column_stack(
            [rotate_z_to(np.broadcast_to(basis[:3], axis.shape), axis), np.full(len(axis), basis[3])]
        )
        columns.append(boost_from_rest_frame(turned, system))
    return np.stack(columns, axis=-1)


def _transformed(events: GeneratedEvents, which: NDArray[np.int64], matrix: FloatArray) -> GeneratedEvents:
    """Return the events with those in `which` transformed by `matrix`, shape (len(which), 4, 4)."""
    momentum, vertex = events.momentum, events.vertex
    _transform_rows(momentum, vertex, events.offsets, which, matrix)
    return events.with_kinematics(momentum, vertex)


@compiled
def _transform_rows(
    momentum: FloatArray,
    vertex: FloatArray,
    offsets: NDArray[np.int64],
    which: NDArray[np.int64],
    matrix: FloatArray,
) -> None:
    """Multiply the four-vectors of some events by their matrices, in place."""
    for i in range(len(which)):
        m = matrix[i]
        for row in range(offsets[which[i]], offsets[which[i] + 1]):
            for vectors in (momentum, vertex):
                x, y, z, t = vectors[row, 0], vectors[row, 1], vectors[row, 2], vectors[row, 3]
                for k in range(4):
                    vectors[row, k] = m[k, 0] * x + m[k, 1] * y + m[k, 2] * z + m[k, 3] * t
