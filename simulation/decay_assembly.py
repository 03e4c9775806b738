"""The compiled loop that puts decays from a library into events: turned, boosted, moved, one particle after another."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from simulation.decay_library import DecayLibrary
from simulation.generated import DECAYED, GeneratedEvents

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class DecayingParticles(NamedTuple):
    """Particles at the origin of n events, k in each, with the decay drawn for each of them."""

    pdg: NDArray[np.int32]
    """Shape (n, k); the antiparticle of the library's parent decays as its CP conjugate."""
    momentum: FloatArray
    """Four-momenta in GeV, shape (n, k, 4)."""
    decay_vertex: FloatArray
    """(x, y, z, c·t) in mm, shape (n, k, 4)."""
    decay: IntArray
    """Number of the decay in the library, shape (n, k)."""
    rotation: FloatArray
    """Rotation of the decay in the rest frame, shape (n, k, 3, 3)."""


def decayed_events(particles: DecayingParticles, weight: FloatArray, library: DecayLibrary) -> GeneratedEvents:
    """Return events of particles that fly and decay.

    In an event come first the particles that decay, then the products of each.

    Parameters
    ----------
    particles
        What decays, and how.
    weight
        Weight of each event, shape (n,).
    library
        Decays at rest.
    """
    n_parents = particles.pdg.shape[1]
    counts = n_parents + library.counts[particles.decay].sum(axis=1)
    n_particles = int(counts.sum())
    pdg, status, mother = (np.empty(n_particles, dtype=np.int32) for _ in range(3))
    kinematics = np.empty((8, n_particles))
    _fill(
        particles.pdg.astype(np.int32),
        particles.momentum,
        particles.decay_vertex,
        particles.decay,
        particles.rotation,
        library.starts,
        library.counts,
        library.pdg,
        library.conjugate_pdg,
        library.status,
        library.mother,
        library.momentum,
        library.vertex,
        pdg,
        status,
        mother,
        kinematics,
    )
    px, py, pz, energy, vx, vy, vz, vt = kinematics
    return GeneratedEvents(
        counts=counts,
        weight=weight,
        pdg=pdg,
        status=status,
        mother=mother,
        px=px,
        py=py,
        pz=pz,
        E=energy,
        vx=vx,
        vy=vy,
        vz=vz,
        vt=vt,
    )


def random_rotations(n: int, rng: np.random.Generator) -> FloatArray:
    """Return `n` rotation matrices, all rotations alike, shape (n, 3, 3).

    Unit quaternions uniform on the sphere in four dimensions (K. Shoemake, Graphics Gems III, 124 (1992)).

    >>> matrix = random_rotations(1, np.random.default_rng(1))[0]
    >>> bool(np.allclose(matrix @ matrix.T, np.eye(3))), round(float(np.linalg.det(matrix)), 12)
    (True, 1.0)
    """
    quaternion = rng.normal(size=(4, n))
    w, x, y, z = quaternion / np.sqrt(np.sum(quaternion**2, axis=0))
    rows = [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w)],
        [2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w)],
        [2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)],
    ]
    return np.ascontiguousarray(np.moveaxis(np.array(rows), -1, 0))


@compiled
def _fill(
    parent_pdg: NDArray[np.int32],
    parent_momentum: FloatArray,
    decay_vertex: FloatArray,
    decay: IntArray,
    rotation: FloatArray,
    starts: IntArray,
    counts: IntArray,
    library_pdg: NDArray[np.int32],
    library_conjugate: NDArray[np.int32],
    library_status: NDArray[np.int32],
    library_mother: NDArray[np.int32],
    library_momentum: FloatArray,
    library_vertex: FloatArray,
    pdg: NDArray[np.int32],
    status: NDArray[np.int32],
    mother: NDArray[np.int32],
    kinematics: FloatArray,
) -> None:
    """Fill the columns `pdg`, `status`, `mother` and `kinematics`, the last of shape (8, n_particles)."""
    n_events, n_parents = decay.shape
    turned = np.empty(3)
    first = 0
    for event in range(n_events):
        out = first
        for parent in range(n_parents):
            pdg[out] = parent_pdg[event, parent]
            status[out] = DECAYED
            mother[out] = -1
            for axis in range(4):
                kinematics[axis, out] = parent_momentum[event, parent, axis]
                kinematics[4 + axis, out] = 0.0
            out += 1
        for parent in range(n_parents):
            drawn = decay[event, parent]
            moving = parent_momentum[event, parent]
            matrix = rotation[event, parent]
            mass2 = moving[3] ** 2 - moving[0] ** 2 - moving[1] ** 2 - moving[2] ** 2
            mass = np.sqrt(mass2)
            conjugate = parent_pdg[event, parent] < 0
            parity = -1.0 if conjugate else 1.0
            products_begin = out - first
            for row in range(starts[drawn], starts[drawn] + counts[drawn]):
                pdg[out] = library_conjugate[row] if conjugate else library_pdg[row]
                status[out] = library_status[row]
                within = library_mother[row]
                mother[out] = parent if within < 0 else products_begin + within
                for kind in range(2):
                    source = library_momentum[row] if kind == 0 else library_vertex[row]
                    if kind == 1 and source[3] == 0.0:
                        for axis in range(4):
                            kinematics[4 + axis, out] = decay_vertex[event, parent, axis]
                        continue
                    along = 0.0
                    for axis in range(3):
                        turned[axis] = parity * (
                            matrix[axis, 0] * source[0] + matrix[axis, 1] * source[1] + matrix[axis, 2] * source[2]
                        )
                        along += moving[axis] * turned[axis]
                    # γβ = P/M and γ = E/M, as in models.kinematics
                    factor = (along / (moving[3] + mass) + source[3]) / mass
                    for axis in range(3):
                        kinematics[4 * kind + axis, out] = turned[axis] + moving[axis] * factor
                    kinematics[4 * kind + 3, out] = (moving[3] * source[3] + along) / mass
                    if kind == 1:
                        for axis in range(4):
                            kinematics[4 + axis, out] += decay_vertex[event, parent, axis]
                out += 1
        first = out
