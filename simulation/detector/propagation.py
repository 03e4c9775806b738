"""How far particles fly to a cylinder around the z axis, straight or on a helix."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.helix import Helix

FloatArray = NDArray[np.float64]


def flight_to_cylinder(origin_mm: FloatArray, direction: FloatArray, radius_mm: ArrayLike) -> FloatArray:
    """Return the distance at which straight flights leave cylinders, infinite where they start outside or never do.

    Parameters
    ----------
    origin_mm, direction
        Start and unit direction, shape (n, 3).
    radius_mm
        Shape () or (m,).

    Returns
    -------
    Distance in mm, shape (n,) or (n, m).

    Examples
    --------
    >>> flight_to_cylinder(np.array([[-3.0, 0.0, 7.0]]), np.array([[0.6, 0.0, 0.8]]), [15.0, 2.0]).tolist()
    [[30.0, inf]]
    """
    radius = np.asarray(radius_mm, dtype=np.float64)
    column = (slice(None),) + (None,) * radius.ndim
    transverse = np.hypot(direction[:, 0], direction[:, 1])
    moving = np.where(transverse > 0.0, transverse, 1.0)
    along = ((origin_mm[:, 0] * direction[:, 0] + origin_mm[:, 1] * direction[:, 1]) / moving)[column]
    depth = radius**2 - (origin_mm[:, 0] ** 2 + origin_mm[:, 1] ** 2)[column]
    leaves = (depth > 0.0) & (transverse > 0.0)[column]
    distance = (np.sqrt(np.where(leaves, depth + along**2, 0.0)) - along) / moving[column]
    return np.where(leaves, distance, np.inf)


def arc_to_cylinder(helix: Helix, radius_mm: float) -> FloatArray:
    """Return the transverse arc length from the perigee to the way out through a cylinder, infinite if not reached.

    On the circle ρ(s)² = d0² + 4 (1 + ω d0) sin²(ωs/2) / ω².

    >>> one = np.ones(1)
    >>> arc_to_cylinder(Helix(0 * one, 0 * one, 0.001 * one, 0 * one, 0 * one), 1000.0).round(3).tolist()
    [1047.198]
    """
    squared_sine = helix.omega**2 * (radius_mm**2 - helix.d0**2) / (4.0 * np.abs(1.0 + helix.omega * helix.d0))
    reached = (squared_sine > 0.0) & (squared_sine < 1.0)
    half_turn = np.arcsin(np.sqrt(np.where(reached, squared_sine, 0.0)))
    return np.where(reached, 2.0 * half_turn / np.abs(helix.omega), np.inf)
