"""The path of a charged particle in a solenoid, in the perigee parameters of basf2.

With the field along +z, the point at transverse arc length s from the perigee is

    x(s) = d0 sin φ0 + (sin φ0 − sin(φ0 − ω s)) / ω
    y(s) = −d0 cos φ0 − (cos φ0 − cos(φ0 − ω s)) / ω
    z(s) = z0 + s tan λ

and its direction in the transverse plane is φ0 − ω s. The perigee is the point closest to the z axis
through the origin, unless another pivot is said. A positive particle has ω > 0 and turns clockwise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.constants import CURVATURE_PER_TESLA_GEV_PER_MM

FloatArray = NDArray[np.float64]


class Helix(NamedTuple):
    """Perigee parameters of a set of tracks, arrays of one common shape."""

    d0: FloatArray
    """Signed transverse distance of the perigee to the pivot, mm."""
    phi0: FloatArray
    """Direction of the transverse momentum at the perigee, rad."""
    omega: FloatArray
    """Signed curvature, charge · B · 0.000299792458 / p_t, mm⁻¹; never zero."""
    z0: FloatArray
    """z of the perigee relative to the pivot, mm."""
    tan_lambda: FloatArray
    """p_z / p_t."""

    @classmethod
    def from_parameters(cls, parameters: FloatArray) -> Helix:
        """Return helices from an array of shape (..., 5) in the order of the fields."""
        return cls(*np.moveaxis(parameters, -1, 0))

    def parameters(self) -> FloatArray:
        """Return all parameters as one array of shape (..., 5) in the order of the fields."""
        return np.stack(np.broadcast_arrays(*self), axis=-1)

    @property
    def charge(self) -> FloatArray:
        """Sign of the charge, ±1."""
        return np.sign(self.omega)


def helix_from_vertex(position_mm: ArrayLike, momentum_gev: ArrayLike, charge: ArrayLike, field_tesla: float) -> Helix:
    """Return the helix of particles that start at a point with a momentum.

    Parameters
    ----------
    position_mm, momentum_gev
        Shape (..., 3); the transverse momentum must not vanish.
    charge
        Electric charge in units of e, shape (...), not zero.
    field_tesla
        Field along +z.

    Returns
    -------
    Perigee parameters about the origin, φ0 in (−π, π].

    Raises
    ------
    ValueError
        If a particle is neutral or flies exactly along the field.

    Examples
    --------
    >>> helix = helix_from_vertex([0.0, 2.0, 5.0], [1.0, 0.0, 0.5], -1, 1.5)
    >>> float(helix.d0), float(helix.z0), float(helix.tan_lambda)
    (-2.0, 5.0, 0.5)
    """
    position = np.asarray(position_mm, dtype=np.float64)
    px, py, pz = np.moveaxis(np.asarray(momentum_gev, dtype=np.float64), -1, 0)
    transverse_momentum = np.hypot(px, py)
    if np.any(np.equal(charge, 0)) or np.any(transverse_momentum == 0.0):
        raise ValueError("only a charged particle with transverse momentum has a helix")
    omega = np.asarray(charge) * (field_tesla * CURVATURE_PER_TESLA_GEV_PER_MM) / transverse_momentum
    zero = np.zeros_like(omega)
    at_vertex = Helix(zero, np.arctan2(py, px) + zero, omega, zero, pz / transverse_momentum + zero)
    about_origin, _ = move_pivot(at_vertex, -position)
    return about_origin


def move_pivot(helix: Helix, pivot_mm: ArrayLike) -> tuple[Helix, FloatArray]:
    """Return the same tracks with their perigee about another point.

    Parameters
    ----------
    helix
        Tracks about the origin.
    pivot_mm
        The new pivot, shape (..., 3), broadcast against the tracks.

    Returns
    -------
    The helices about the new pivot (d0 and z0 relative to it), and the transverse arc length in mm from the old
    perigee to the new one, the nearest half turn of the track.

    Notes
    -----
    The centre of the circle stays, so (1 + ω d0)(sin φ0, −cos φ0) changes by −ω times the shift; the form used
    for d0 has no cancellation for stiff tracks.
    """
    x_pivot, y_pivot, z_pivot = np.moveaxis(np.asarray(pivot_mm, dtype=np.float64), -1, 0)
    sine, cosine = np.sin(helix.phi0), np.cos(helix.phi0)
    x = helix.d0 * sine - x_pivot
    y = -helix.d0 * cosine - y_pivot
    across = x * sine - y * cosine
    along = x * cosine + y * sine
    # 1 + ω d0 about the new pivot is the length of (1 + ω·across, ω·along).
    centre_across = 1.0 + helix.omega * across
    centre_along = helix.omega * along
    d0 = (helix.omega * (x * x + y * y) + 2.0 * across) / (1.0 + np.hypot(centre_across, centre_along))
    turn = np.arctan2(centre_along, centre_across)
    arc_length = -turn / helix.omega
    phi0 = np.arctan2(
        sine * centre_across + cosine * centre_along,
        cosine * centre_across - sine * centre_along,
    )
    z0 = helix.z0 + arc_length * helix.tan_lambda - z_pivot
    return Helix(d0, phi0, helix.omega + 0.0 * d0, z0, helix.tan_lambda + 0.0 * d0), arc_length


def distance_to(helix: Helix, ip_mm: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the distances of tracks to the interaction point.

    Parameters
    ----------
    helix
        Tracks about the origin.
    ip_mm
        Interaction point, shape (..., 3).

    Returns
    -------
    dr ≥ 0, the smallest transverse distance, and dz, the signed z distance at that point, both in mm.
    """
    about_ip, _ = move_pivot(helix, ip_mm)
    return np.abs(about_ip.d0), about_ip.z0


def position_at(helix: Helix, arc_length_mm: ArrayLike) -> FloatArray:
    """Return the points, shape (..., 3) in mm, at transverse arc lengths from the perigee."""
    s = np.asarray(arc_length_mm, dtype=np.float64)
    half_turn = 0.5 * helix.omega * s
    # np.sinc(x) is sin(πx)/(πx): the chord stays exact for stiff tracks, where the textbook form cancels.
    chord = s * np.sinc(half_turn / np.pi)
    direction = helix.phi0 - half_turn
    return np.stack(
        [
            helix.d0 * np.sin(helix.phi0) + chord * np.cos(direction),
            -helix.d0 * np.cos(helix.phi0) + chord * np.sin(direction),
            helix.z0 + s * helix.tan_lambda,
        ],
        axis=-1,
    )


def momentum_at(helix: Helix, arc_length_mm: ArrayLike, field_tesla: float) -> FloatArray:
    """Return the momenta, shape (..., 3) in GeV, at transverse arc lengths from the perigee."""
    direction = helix.phi0 - helix.omega * np.asarray(arc_length_mm, dtype=np.float64)
    transverse = pt_gev(helix, field_tesla)
    return np.stack(
        np.broadcast_arrays(
            transverse * np.cos(direction), transverse * np.sin(direction), transverse * helix.tan_lambda
        ),
        axis=-1,
    )


def pt_gev(helix: Helix, field_tesla: float) -> FloatArray:
    """Return the transverse momenta in GeV of tracks in a field along +z.

    >>> zero = np.zeros(1)
    >>> helix = Helix(zero, zero, np.array([-0.000449688687]), zero, zero)
    >>> pt_gev(helix, 1.5).round(9).tolist()
    [1.0]
    """
    return np.asarray(field_tesla * CURVATURE_PER_TESLA_GEV_PER_MM / np.abs(helix.omega))
