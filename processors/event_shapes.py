"""Event shapes of the momenta in an event: exact thrust and Fox–Wolfram moments.

Momenta are flat over events, delimited by offsets; they are to be given in the c.m. frame.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled

FloatArray = NDArray[np.float64]
OffsetArray = NDArray[np.int64]

_COPLANAR: Final = 1e-12
"""Sine of an angle below which a momentum counts as lying in a plane: rounding, not physics."""


def thrust(momentum_gev: FloatArray, offsets: OffsetArray) -> FloatArray:
    """Return the thrust of each event, max over axes n of Σ|p·n| / Σ|p|, exactly.

    Parameters
    ----------
    momentum_gev
        Particle momenta of all events, shape (n_particles, 3).
    offsets
        First particle of each event and the total, shape (n_events + 1,).

    Returns
    -------
    Thrust between ½ and 1, shape (n_events,); zero for an event without particles.

    Notes
    -----
    S. Brandt and H. D. Dahmen, Z. Phys. C 1 (1979) 61: the best axis is the sum of the momenta with signs that
    some plane through the origin gives them, and every such plane can be turned until it holds two of the
    momenta. Trying all pairs costs N³ operations per event. Momenta that lie in the plane of the pair besides
    the pair itself get the signs of an infinitesimally turned plane, so planar and collinear events are exact too.

    Examples
    --------
    >>> back_to_back = np.array([[0.0, 0.0, 2.0], [0.0, 0.0, -2.0]])
    >>> thrust(back_to_back, np.array([0, 2])).tolist()
    [1.0]
    """
    return _thrust(_contiguous(momentum_gev), np.asarray(offsets, dtype=np.int64))


def fox_wolfram_ratios(momentum_gev: FloatArray, offsets: OffsetArray, highest_order: int) -> FloatArray:
    """Return the ratios R_l = H_l / H_0 of Fox–Wolfram moments, l = 1 … `highest_order`.

    Parameters
    ----------
    momentum_gev
        Particle momenta of all events, shape (n_particles, 3).
    offsets
        First particle of each event and the total, shape (n_events + 1,).
    highest_order
        Largest l.

    Returns
    -------
    Ratios, shape (n_events, highest_order); zero for an event without particles.

    Notes
    -----
    H_l = Σ_ij |p_i||p_j| P_l(cos θ_ij), i = j included (G. C. Fox and S. Wolfram, Phys. Rev. Lett. 41 (1978)
    1581, eq. 1).

    Examples
    --------
    >>> back_to_back = np.array([[0.0, 0.0, 2.0], [0.0, 0.0, -2.0]])
    >>> fox_wolfram_ratios(back_to_back, np.array([0, 2]), 2).tolist()
    [[0.0, 1.0]]
    """
    return _fox_wolfram_ratios(_contiguous(momentum_gev), np.asarray(offsets, dtype=np.int64), highest_order)


def _contiguous(momentum_gev: FloatArray) -> FloatArray:
    return np.ascontiguousarray(momentum_gev, dtype=np.float64)


@compiled
def _thrust(momentum: FloatArray, offsets: OffsetArray) -> FloatArray:
    result = np.zeros(len(offsets) - 1)
    for event in range(len(result)):
        p = momentum[offsets[event] : offsets[event + 1]]
        length = np.sqrt((p * p).sum(axis=1))
        total = length.sum()
        if total > 0.0:
            result[event] = _largest_signed_sum(p, length) / total
    return result


@compiled
def _largest_signed_sum(p: FloatArray, length: FloatArray) -> float:
    """Return the largest |Σ ±p| over the signs that a plane through the origin can give."""
    best = 0.0
    for i in range(len(p)):
        # The axis along p_i is the answer when all momenta are collinear, where no pair spans a plane.
        best = max(best, _signed_sum_squared(p, p[i]))
        for j in range(i + 1, len(p)):
            nx = p[i, 1] * p[j, 2] - p[i, 2] * p[j, 1]
            ny = p[i, 2] * p[j, 0] - p[i, 0] * p[j, 2]
            nz = p[i, 0] * p[j, 1] - p[i, 1] * p[j, 0]
            normal = np.sqrt(nx * nx + ny * ny + nz * nz)
            if normal <= _COPLANAR * length[i] * length[j]:
                continue
            # In the plane and across p_i: n × p_i.
            mx = ny * p[i, 2] - nz * p[i, 1]
            my = nz * p[i, 0] - nx * p[i, 2]
            mz = nx * p[i, 1] - ny * p[i, 0]
            across = normal * length[i]
            off_x = off_y = off_z = 0.0
            in_x = in_y = in_z = 0.0
            on_x = on_y = on_z = 0.0
            for k in range(len(p)):
                height = nx * p[k, 0] + ny * p[k, 1] + nz * p[k, 2]
                if k not in (i, j) and abs(height) > _COPLANAR * normal * length[k]:
                    sign = np.sign(height)
                    off_x += sign * p[k, 0]
                    off_y += sign * p[k, 1]
                    off_z += sign * p[k, 2]
                    continue
                side = mx * p[k, 0] + my * p[k, 1] + mz * p[k, 2]
                if k != i and abs(side) > _COPLANAR * across * length[k]:
                    sign = np.sign(side)
                    in_x += sign * p[k, 0]
                    in_y += sign * p[k, 1]
                    in_z += sign * p[k, 2]
                else:
                    sign = np.sign(p[i, 0] * p[k, 0] + p[i, 1] * p[k, 1] + p[i, 2] * p[k, 2])
                    on_x += sign * p[k, 0]
                    on_y += sign * p[k, 1]
                    on_z += sign * p[k, 2]
            for in_sign in (-1.0, 1.0):
                for on_sign in (-1.0, 1.0):
                    x = off_x + in_sign * in_x + on_sign * on_x
                    y = off_y + in_sign * in_y + on_sign * on_y
                    z = off_z + in_sign * in_z + on_sign * on_z
                    best = max(best, x * x + y * y + z * z)
    return float(np.sqrt(best))


@compiled
def _signed_sum_squared(p: FloatArray, axis: FloatArray) -> float:
    x = y = z = 0.0
    for k in range(len(p)):
        sign = np.sign(p[k, 0] * axis[0] + p[k, 1] * axis[1] + p[k, 2] * axis[2])
        x += sign * p[k, 0]
        y += sign * p[k, 1]
        z += sign * p[k, 2]
    return x * x + y * y + z * z


@compiled
def _fox_wolfram_ratios(momentum: FloatArray, offsets: OffsetArray, highest_order: int) -> FloatArray:
    ratios = np.zeros((len(offsets) - 1, highest_order))
    moments = np.zeros(highest_order + 1)
    for event in range(len(ratios)):
        p = momentum[offsets[event] : offsets[event + 1]]
        length = np.sqrt((p * p).sum(axis=1))
        moments[:] = 0.0
        for i in range(len(p)):
            moments += length[i] * length[i]  # P_l(1) = 1
            for j in range(i):
                weight = 2.0 * length[i] * length[j]
                if weight == 0.0:
                    continue
                cosine = 2.0 * (p[i, 0] * p[j, 0] + p[i, 1] * p[j, 1] + p[i, 2] * p[j, 2]) / weight
                below, legendre = 1.0, cosine
                moments[0] += weight
                for order in range(1, highest_order + 1):
                    moments[order] += weight * legendre
                    # Bonnet's recursion from P_{l−1}, P_l to P_{l+1}.
                    above = ((2 * order + 1) * cosine * legendre - order * below) / (order + 1)
                    below, legendre = legendre, above
        if moments[0] > 0.0:
            ratios[event] = moments[1:] / moments[0]
    return ratios
