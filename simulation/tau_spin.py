"""Spins of τ pairs: axes, helicities and azimuths of decays whose spins are correlated.

The helicities of a pair are drawn first, then a decay of either τ from those of spin up or down; the density of both
decays is then exact but for their azimuths about the two momenta. These come second, from the density given both
decays. Every density of one azimuth has the form 1 + c cos(φ − φ₀), so that nothing is rejected.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.kinematics import boost_to_rest_frame
from models.theory.spin_correlation import helicity_probabilities
from models.theory.tau_pair import HELICITIES

FloatArray = NDArray[np.float64]


class Azimuths(NamedTuple):
    """Angles in rad by which decays are turned about the momenta of their τ's, both of shape (n,)."""

    tau_minus: FloatArray
    tau_plus: FloatArray


def draw_helicities(correlation: FloatArray, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return (τ⁻, τ⁺) helicities, shape (n, 2), for spin correlation matrices, shape (n, 4, 4)."""
    cumulative = np.cumsum(helicity_probabilities(correlation).reshape(-1, 4), axis=1)
    choice = np.count_nonzero(rng.uniform(size=(len(cumulative), 1)) > cumulative[:, :3], axis=1)
    of_minus, of_plus = np.divmod(choice, 2)
    helicities = np.array(HELICITIES)
    return np.column_stack([helicities[of_minus], helicities[of_plus]])


def correlated_azimuths(
    correlation: FloatArray, h_minus: FloatArray, h_plus: FloatArray, rng: np.random.Generator
) -> Azimuths:
    """Return the angles by which the decays of a pair have to be turned to have the correlation of the spins.

    Parameters
    ----------
    correlation
        Spin correlation matrices R, shape (n, 4, 4): [τ⁻, τ⁺], components 0, x, y, z in any right-handed axes of each
        τ whose z is the direction of helicity, such as those of `models.theory.spin_correlation`.
    h_minus, h_plus
        Polarimeter vectors of the decays in those axes before they are turned, shape (n, 3): of a decay from the
        library for helicity +1, and with (x, −y, −z) for helicity −1.
    rng
        Random stream.

    Returns
    -------
    Angles about +z of either set of axes; their joint density is Σ R_ab h⁻_a h⁺_b, h turned, over its integral.
    """
    n = len(correlation)
    uniform = rng.uniform(size=(n, 4))
    of_minus, of_plus = np.empty(n), np.empty(n)
    _azimuths(correlation, h_minus, h_plus, uniform, of_minus, of_plus)
    return Azimuths(of_minus, of_plus)


def helicity_axes(momentum: FloatArray) -> FloatArray:
    """Return the axes of `models.theory.spin_correlation` for momenta (px, py, pz, …), shape (n, 3) or more.

    Returns
    -------
    Shape (n, 3, 3): [axis x, y or z; component].
    """
    x, y, z = momentum[:, 0], momentum[:, 1], momentum[:, 2]
    transverse = np.hypot(x, y)
    total = np.hypot(transverse, z)
    along_z = transverse == 0.0
    safe = np.where(along_z, 1.0, transverse)
    cosine_phi, sine_phi = np.where(along_z, 1.0, x / safe), y / safe
    cosine, sine = z / total, transverse / total
    axes = np.empty((len(momentum), 3, 3))
    axes[:, 0] = np.stack([cosine * cosine_phi, cosine * sine_phi, -sine], axis=1)
    axes[:, 1] = np.stack([-sine_phi, cosine_phi, np.zeros_like(sine)], axis=1)
    axes[:, 2] = np.stack([sine * cosine_phi, sine * sine_phi, cosine], axis=1)
    return axes


def pair_axes(tau_minus: FloatArray, tau_plus: FloatArray) -> FloatArray:
    """Return the axes of spins that are correlated in the rest frame of a pair, the pair itself recoiling.

    There z is the momentum of the τ, and the polar axis bisects the electron and the reversed positron beam (J. C.
    Collins and D. E. Soper, Phys. Rev. D 16, 2219 (1977)). The way from that frame over the c.m. frame to the rest
    frame of the τ turns the axes (E. Wigner, Ann. Math. 40, 149 (1939)).

    Parameters
    ----------
    tau_minus, tau_plus
        c.m. four-momenta in GeV, shape (n, 4), the electron beam along +z.

    Returns
    -------
    Shape (n, 2, 3, 3): [pair; τ⁻, τ⁺; axis x, y or z; component], the components being those in the rest frame of the
    τ that a boost along its c.m. momentum leads to.
    """
    pair = tau_minus + tau_plus
    electron = boost_to_rest_frame(np.broadcast_to([0.0, 0.0, 1.0, 1.0], pair.shape), pair)[:, :3]
    positron = boost_to_rest_frame(np.broadcast_to([0.0, 0.0, -1.0, 1.0], pair.shape), pair)[:, :3]
    beam = electron / np.linalg.norm(electron, axis=1)[:, None] - positron / np.linalg.norm(positron, axis=1)[:, None]
    axes = np.empty((len(pair), 2, 3, 3))
    _pair_axes(tau_minus, tau_plus, beam, axes)
    return axes


@compiled
def _azimuths(
    correlation: FloatArray,
    h_minus: FloatArray,
    h_plus: FloatArray,
    uniform: FloatArray,
    of_minus: FloatArray,
    of_plus: FloatArray,
) -> None:
    for i in range(len(correlation)):
        r = correlation[i]
        ax, ay, az = h_minus[i, 0], h_minus[i, 1], h_minus[i, 2]
        bx, by, bz = h_plus[i, 0], h_plus[i, 1], h_plus[i, 2]
        # The azimuth of the τ⁻ decay alone: that of the other integrated over, which leaves its z component.
        constant = r[0, 0] + r[3, 0] * az + (r[0, 3] + r[3, 3] * az) * bz
        vx, vy = r[1, 0] + r[1, 3] * bz, r[2, 0] + r[2, 3] * bz
        angle = _azimuth(ax, ay, vx, vy, constant, uniform[i, 0], uniform[i, 1])
        of_minus[i] = angle
        turned_x = ax * np.cos(angle) - ay * np.sin(angle)
        turned_y = ax * np.sin(angle) + ay * np.cos(angle)
        constant += turned_x * vx + turned_y * vy
        vx = r[0, 1] + turned_x * r[1, 1] + turned_y * r[2, 1] + az * r[3, 1]
        vy = r[0, 2] + turned_x * r[1, 2] + turned_y * r[2, 2] + az * r[3, 2]
        of_plus[i] = _azimuth(bx, by, vx, vy, constant, uniform[i, 2], uniform[i, 3])


@compiled
def _azimuth(hx: float, hy: float, vx: float, vy: float, constant: float, first: float, second: float) -> float:
    """Return an angle by which to turn h, of density ∝ constant + v·h: one and its opposite make 2 × constant."""
    angle = 2.0 * np.pi * first
    cosine, sine = np.cos(angle), np.sin(angle)
    asymmetry = vx * (hx * cosine - hy * sine) + vy * (hx * sine + hy * cosine)
    return angle if 2.0 * second * constant < constant + asymmetry else angle + np.pi


@compiled
def _boost(x: float, y: float, z: float, t: float, p: FloatArray, sign: float) -> tuple[float, float, float, float]:
    """Return a four-vector boosted from (sign = 1) or to (−1) the rest frame of the momentum p."""
    mass = np.sqrt(p[3] ** 2 - p[0] ** 2 - p[1] ** 2 - p[2] ** 2)
    px, py, pz = sign * p[0], sign * p[1], sign * p[2]
    along = px * x + py * y + pz * z
    shift = (along / (p[3] + mass) + t) / mass
    return x + px * shift, y + py * shift, z + pz * shift, (p[3] * t + along) / mass


@compiled
def _pair_axes(tau_minus: FloatArray, tau_plus: FloatArray, beam: FloatArray, axes: FloatArray) -> None:
    pair, tau = np.empty(4), np.empty(4)
    for i in range(len(beam)):
        for component in range(4):
            pair[component] = tau_minus[i, component] + tau_plus[i, component]
        bx, by, bz = beam[i, 0], beam[i, 1], beam[i, 2]
        for which in range(2):
            seen = tau_minus[i] if which == 0 else tau_plus[i]
            tau[0], tau[1], tau[2], tau[3] = _boost(seen[0], seen[1], seen[2], seen[3], pair, -1.0)
            scale = 1.0 / np.sqrt(tau[0] ** 2 + tau[1] ** 2 + tau[2] ** 2)
            zx, zy, zz = tau[0] * scale, tau[1] * scale, tau[2] * scale
            yx, yy, yz = by * zz - bz * zy, bz * zx - bx * zz, bx * zy - by * zx
            sine = np.sqrt(yx**2 + yy**2 + yz**2)
            if sine == 0.0:
                # A τ along the beam has no plane of production, and no correlation of transverse spins either.
                yx, yy, yz, sine = 0.0, -zz, zy, np.sqrt(zz**2 + zy**2)
            yx, yy, yz = yx / sine, yy / sine, yz / sine
            _local_axis(yy * zz - yz * zy, yz * zx - yx * zz, yx * zy - yy * zx, tau, pair, seen, axes[i, which, 0])
            _local_axis(yx, yy, yz, tau, pair, seen, axes[i, which, 1])
            _local_axis(zx, zy, zz, tau, pair, seen, axes[i, which, 2])


@compiled
def _local_axis(
    x: float, y: float, z: float, tau: FloatArray, pair: FloatArray, seen: FloatArray, axis: FloatArray
) -> None:
    """Fill an axis as it is in the rest frame of the τ reached from the c.m. frame, given the same from the pair's."""
    x, y, z, t = _boost(x, y, z, 0.0, tau, 1.0)
    x, y, z, t = _boost(x, y, z, t, pair, 1.0)
    axis[0], axis[1], axis[2], t = _boost(x, y, z, t, seen, -1.0)
