"""Decays of τ's of any momentum, charge and helicity, drawn from a library of spin-up τ⁻ decays at rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.constants import TAU_CTAU_MM, TAU_MASS_GEV
from models.kinematics import boost_from_rest_frame, rotate_z_to
from simulation.generated import GeneratedEvents, Particles, ragged_rows
from simulation.tau_library import TauDecayLibrary

FloatArray = NDArray[np.float64]


def decay_taus(
    events: GeneratedEvents,
    rows: NDArray[np.int64],
    helicity: NDArray[np.int64],
    library: TauDecayLibrary,
    rng: np.random.Generator,
) -> GeneratedEvents:
    """Let τ's fly and decay.

    A τ⁺ decays as the CP conjugate of a τ⁻ with the same spin: antiparticles for particles, and every momentum reversed
    in the rest frame. The spin, an axial vector, stays what it is.

    Parameters
    ----------
    events
        Events with τ's that have not decayed.
    rows
        Rows of the τ's, shape (n,).
    helicity
        Their helicities, +1 or −1, shape (n,).
    library
        Decays at rest with spin along +z.
    rng
        Random stream of flight distances, choice of decay and azimuth.

    Returns
    -------
    The events with the decay products appended, every neutral pion still undecayed.
    """
    tau_momentum = events.momentum[rows]
    proper_time_mm = rng.exponential(TAU_CTAU_MM, len(rows))
    decay_vertex = events.vertex[rows] + tau_momentum / TAU_MASS_GEV * proper_time_mm[:, None]
    decay = library.draw(len(rows), rng)
    azimuth = rng.uniform(-np.pi, np.pi, len(rows))

    counts = library.counts[decay]
    source = ragged_rows(library.starts[decay], counts)
    tau = np.repeat(np.arange(len(rows)), counts)
    conjugate = events.pdg[rows][tau] < 0
    parity = np.where(conjugate, -1.0, 1.0)
    spin = tau_momentum[:, :3] * helicity[:, None]

    def to_event_frame(at_rest: FloatArray, tau: NDArray[np.int64], parity: FloatArray) -> FloatArray:
        turned = _turn_about_z(at_rest[:, :3] * parity[:, None], azimuth[tau])
        aligned = rotate_z_to(turned, spin[tau])
        return boost_from_rest_frame(np.concatenate([aligned, at_rest[:, 3:]], axis=1), tau_momentum[tau])

    vertex = decay_vertex[tau]
    # Almost everything comes from the τ itself; the rest, from a K_S and the like, is moved away from it.
    moved = np.flatnonzero(library.vertex[source, 3])
    vertex[moved] += to_event_frame(library.vertex[source[moved]], tau[moved], parity[moved])

    first = np.cumsum(counts) - counts
    mother = library.mother[source]
    return events.append(
        events.event_index[rows][tau],
        Particles(
            pdg=np.where(conjugate, library.conjugate_pdg[source], library.pdg[source]),
            status=library.status[source],
            mother=np.where(mother < 0, rows[tau], len(events.pdg) + first[tau] + mother),
            momentum=to_event_frame(library.momentum[source], tau, parity),
            vertex=vertex,
        ),
    )


def _turn_about_z(vector: FloatArray, angle: FloatArray) -> FloatArray:
    cosine, sine = np.cos(angle), np.sin(angle)
    x, y, z = vector.T
    return np.stack([x * cosine - y * sine, x * sine + y * cosine, z], axis=-1)
