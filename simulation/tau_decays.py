"""Decays of τ's of any momentum, charge and spin, drawn from a library of spin-up τ⁻ decays at rest."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.constants import TAU_CTAU_MM, TAU_MASS_GEV
from simulation.generated import GeneratedEvents, Particles, ragged_rows
from simulation.tau_decay_class import TauDecayClass
from simulation.tau_library import TauDecayLibrary
from simulation.tau_spin import correlated_azimuths, draw_helicities, helicity_axes

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def decay_taus(
    events: GeneratedEvents,
    rows: IntArray,
    helicity: IntArray,
    library: TauDecayLibrary,
    rng: np.random.Generator,
) -> GeneratedEvents:
    """Let τ's of given helicities fly and decay, each by itself: correlations of transverse spins are left out.

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
        Random stream of choice of decay, azimuth and flight distances.

    Returns
    -------
    The events with the decay products appended, every neutral pion still undecayed.
    """
    decay = library.draw(len(rows), rng).decay
    azimuth = rng.uniform(-np.pi, np.pi, len(rows))
    axes = helicity_axes(events.momentum[rows])
    return _append_decays(events, rows, axes, azimuth, helicity, decay, library, rng)


def decay_tau_pairs(
    events: GeneratedEvents,
    rows: IntArray,
    correlation: FloatArray,
    library: TauDecayLibrary,
    rng: np.random.Generator,
    *,
    axes: FloatArray | None = None,
    enrichment: Mapping[TauDecayClass, float] | None = None,
) -> GeneratedEvents:
    """Let pairs of τ's fly and decay with all correlations of their spins.

    Parameters
    ----------
    events
        Events with τ's that have not decayed.
    rows
        Rows of the τ⁻ and the τ⁺ of each pair, shape (n, 2), at most one pair an event.
    correlation
        Spin correlation matrices, shape (n, 4, 4): [τ⁻, τ⁺], as `models.theory.spin_correlation` gives them.
    library
        Decays at rest with spin along +z.
    rng
        Random stream of helicities, choice of decay, azimuths and flight distances.
    axes
        Axes that the components of `correlation` belong to, shape (n, 2, 3, 3), as of `pair_axes`; those of
        `models.theory.spin_correlation` for the momenta in `events` by default, which is right for amplitudes
        computed from these momenta.
    enrichment
        Relative oversampling of classes of decay, undone by the events' weights; nature by default.

    Returns
    -------
    The events with the decay products appended, every neutral pion still undecayed.
    """
    n = len(rows)
    flat = rows.ravel()
    helicity = draw_helicities(correlation, rng)
    drawn = library.draw(2 * n, rng, enrichment)
    h = library.polarimeter[drawn.decay].reshape(n, 2, 3)
    h[:, :, 1:] *= helicity[:, :, None]
    azimuth = correlated_azimuths(correlation, h[:, 0], h[:, 1], rng)
    flat_axes = helicity_axes(events.momentum[flat]) if axes is None else axes.reshape(2 * n, 3, 3)
    turns = np.column_stack(azimuth).ravel()
    decayed = _append_decays(events, flat, flat_axes, turns, helicity.ravel(), drawn.decay, library, rng)
    if not enrichment:
        return decayed
    factor = np.ones(events.n_events)
    factor[events.event_index[rows[:, 0]]] = drawn.weight.reshape(n, 2).prod(axis=1)
    return decayed.reweighted(factor)


def _append_decays(
    events: GeneratedEvents,
    rows: IntArray,
    axes: FloatArray,
    azimuth: FloatArray,
    helicity: IntArray,
    decay: IntArray,
    library: TauDecayLibrary,
    rng: np.random.Generator,
) -> GeneratedEvents:
    """Append the products of `decay` after an exponential flight: turned to the helicity, by the azimuth and boosted.

    Helicity and azimuth, shape (n,), refer to `axes`, shape (n, 3, 3).
    """
    tau_momentum = events.momentum[rows]
    proper_time_mm = rng.exponential(TAU_CTAU_MM, len(rows))
    decay_vertex = events.vertex[rows] + tau_momentum / TAU_MASS_GEV * proper_time_mm[:, None]
    counts = library.counts[decay]
    source = ragged_rows(library.starts[decay], counts)
    tau = np.repeat(np.arange(len(rows)), counts)
    conjugate = events.pdg[rows] < 0
    momentum, vertex = np.empty((len(source), 4)), np.empty((len(source), 4))
    _to_event_frame(
        library.momentum,
        library.vertex,
        source,
        counts,
        axes,
        azimuth,
        helicity,
        np.where(conjugate, -1.0, 1.0),
        tau_momentum,
        decay_vertex,
        momentum,
        vertex,
    )
    mother = library.mother[source]
    first = np.cumsum(counts) - counts
    return events.append(
        events.event_index[rows][tau],
        Particles(
            pdg=np.where(conjugate[tau], library.conjugate_pdg[source], library.pdg[source]),
            status=library.status[source],
            mother=np.where(mother < 0, rows[tau], len(events.pdg) + first[tau] + mother),
            momentum=momentum,
            vertex=vertex,
        ),
    )


@compiled
def _to_event_frame(
    at_rest: FloatArray,
    vertex_at_rest: FloatArray,
    source: IntArray,
    counts: IntArray,
    axes: FloatArray,
    azimuth: FloatArray,
    helicity: IntArray,
    parity: FloatArray,
    tau_momentum: FloatArray,
    decay_vertex: FloatArray,
    momentum: FloatArray,
    vertex: FloatArray,
) -> None:
    """Fill the momenta and vertices of decay products, turned and boosted; a K_S and the like flies on by itself."""
    row = 0
    r = np.empty((3, 3))
    for i in range(len(counts)):
        p = tau_momentum[i]
        boost = 1.0 / (p[3] + TAU_MASS_GEV)
        cosine, sine = parity[i] * np.cos(azimuth[i]), parity[i] * np.sin(azimuth[i])
        for k in range(3):
            r[k, 0] = axes[i, 0, k] * cosine + axes[i, 1, k] * sine
            r[k, 1] = (axes[i, 1, k] * cosine - axes[i, 0, k] * sine) * helicity[i]
            r[k, 2] = axes[i, 2, k] * helicity[i] * parity[i]
        for _ in range(counts[i]):
            for which in range(2):
                v = at_rest[source[row]] if which == 0 else vertex_at_rest[source[row]]
                to = momentum if which == 0 else vertex
                time = v[3]
                if which == 1 and time == 0.0:
                    for k in range(4):
                        to[row, k] = decay_vertex[i, k]
                    continue
                x = r[0, 0] * v[0] + r[0, 1] * v[1] + r[0, 2] * v[2]
                y = r[1, 0] * v[0] + r[1, 1] * v[1] + r[1, 2] * v[2]
                z = r[2, 0] * v[0] + r[2, 1] * v[1] + r[2, 2] * v[2]
                along = p[0] * x + p[1] * y + p[2] * z
                shift = (along * boost + time) / TAU_MASS_GEV
                to[row, 0] = x + p[0] * shift
                to[row, 1] = y + p[1] * shift
                to[row, 2] = z + p[2] * shift
                to[row, 3] = (p[3] * time + along) / TAU_MASS_GEV
                if which == 1:
                    for k in range(4):
                        to[row, k] += decay_vertex[i, k]
            row += 1
