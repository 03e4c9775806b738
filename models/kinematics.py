"""Four-vector algebra on plain arrays: masses, boosts and rotations.

A set of four-vectors is one array whose last axis holds (p_x, p_y, p_z, E); positions transform alike
as (x, y, z, c·t).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def invariant_mass(energy: ArrayLike, px: ArrayLike, py: ArrayLike, pz: ArrayLike) -> FloatArray:
    """Return the mass of four-momenta given by component.

    Rounding can leave a light-like momentum slightly space-like; its mass is then zero.

    Parameters
    ----------
    energy, px, py, pz
        Components in GeV, of any shapes that broadcast.

    Returns
    -------
    Mass in GeV.

    Examples
    --------
    >>> float(invariant_mass(5.0, 3.0, 0.0, 0.0))
    4.0
    """
    e, x, y, z = (np.asarray(component, dtype=np.float64) for component in (energy, px, py, pz))
    momentum = np.sqrt(x * x + y * y + z * z)
    # (E − p)(E + p) keeps the digits that E² − p² loses for fast, light particles.
    return np.sqrt(np.maximum((e - momentum) * (e + momentum), 0.0))


def mass_of(four_momentum: FloatArray) -> FloatArray:
    """Return the mass in GeV of four-momenta of shape (..., 4)."""
    return invariant_mass(four_momentum[..., 3], four_momentum[..., 0], four_momentum[..., 1], four_momentum[..., 2])


def dot(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the scalar product of vectors of shape (..., 3): component by component, which reductions are slow at."""
    return np.asarray(a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2])


def length(vector: FloatArray) -> FloatArray:
    """Return the length of vectors of shape (..., 3).

    >>> float(length(np.array([2.0, 3.0, 6.0])))
    7.0
    """
    return np.sqrt(dot(vector, vector))


def with_mass(momentum_gev: ArrayLike, mass_gev: ArrayLike) -> FloatArray:
    """Return four-momenta, shape (..., 4), of momenta of shape (..., 3) and masses of shape (...).

    >>> with_mass([3.0, 0.0, 0.0], 4.0).tolist()
    [3.0, 0.0, 0.0, 5.0]
    """
    momentum = np.asarray(momentum_gev, dtype=np.float64)
    result = np.empty((*np.broadcast_shapes(momentum.shape[:-1], np.shape(mass_gev)), 4))
    result[..., :3] = momentum
    result[..., 3] = np.sqrt(dot(momentum, momentum) + np.square(mass_gev))
    return result


def boost_from_rest_frame(four_vector: FloatArray, parent: FloatArray) -> FloatArray:
    """Return four-vectors known in the rest frame of `parent` as seen where `parent` has the momentum given.

    Parameters
    ----------
    four_vector
        Shape (..., 4), any unit.
    parent
        Four-momenta that define the frame, shape (..., 4) in GeV, time-like; must broadcast with `four_vector`.

    Returns
    -------
    Boosted four-vectors, shape (..., 4).

    Notes
    -----
    Written with γβ = P/M and γ = E/M, which needs no 1 − β².

    Examples
    --------
    >>> boost_from_rest_frame(np.array([0.0, 0.0, 0.0, 4.0]), np.array([3.0, 0.0, 0.0, 5.0])).tolist()
    [3.0, 0.0, 0.0, 5.0]
    """
    return _boost(four_vector, parent[..., :3], parent)


def boost_to_rest_frame(four_vector: FloatArray, parent: FloatArray) -> FloatArray:
    """Return four-vectors as seen in the rest frame of `parent`: the inverse of `boost_from_rest_frame`."""
    return _boost(four_vector, -parent[..., :3], parent)


def _boost(four_vector: FloatArray, momentum: FloatArray, parent: FloatArray) -> FloatArray:
    mass = mass_of(parent)
    energy = parent[..., 3]
    time = four_vector[..., 3]
    along = dot(momentum, four_vector)
    shift = (along / (energy + mass) + time) / mass
    result = np.empty((*shift.shape, 4))
    for axis in range(3):
        result[..., axis] = four_vector[..., axis] + momentum[..., axis] * shift
    result[..., 3] = (energy * time + along) / mass
    return result


def unit_vector(cos_theta: ArrayLike, phi: ArrayLike) -> FloatArray:
    """Return unit vectors, shape (..., 3), of polar angle cosine `cos_theta` and azimuth `phi` in rad."""
    cosine, azimuth = np.broadcast_arrays(np.asarray(cos_theta, dtype=np.float64), np.asarray(phi, dtype=np.float64))
    sine = np.sqrt(np.maximum(1.0 - cosine**2, 0.0))
    return np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine], axis=-1)


def rotate_z_to(vector: FloatArray, direction: FloatArray) -> FloatArray:
    """Return vectors turned by the rotation R_z(φ) R_y(θ) that takes the z axis to `direction`.

    Parameters
    ----------
    vector
        Shape (..., 3).
    direction
        Shape (..., 3), of any non-zero length.

    Returns
    -------
    Rotated vectors, shape (..., 3).

    Examples
    --------
    >>> rotate_z_to(np.array([0.0, 0.0, 2.0]), np.array([5.0, 0.0, 0.0])).round(12).tolist()
    [2.0, 0.0, 0.0]
    """
    theta = np.arctan2(np.hypot(direction[..., 0], direction[..., 1]), direction[..., 2])
    phi = np.arctan2(direction[..., 1], direction[..., 0])
    x, y, z = vector[..., 0], vector[..., 1], vector[..., 2]
    transverse = x * np.cos(theta) + z * np.sin(theta)
    return np.stack(
        [
            transverse * np.cos(phi) - y * np.sin(phi),
            transverse * np.sin(phi) + y * np.cos(phi),
            z * np.cos(theta) - x * np.sin(theta),
        ],
        axis=-1,
    )


def two_body_momentum(mass_gev: ArrayLike, mass_a_gev: ArrayLike, mass_b_gev: ArrayLike) -> FloatArray:
    """Return the momentum in GeV of either daughter of a two-body decay in the rest frame of the mother.

    A decay below threshold has zero momentum (PDG 2024, Kinematics, eq. 49.17).

    >>> float(two_body_momentum(10.0, 3.0, 3.0))
    4.0
    """
    mass, a, b = (np.asarray(value, dtype=np.float64) for value in (mass_gev, mass_a_gev, mass_b_gev))
    kallen = (mass - a - b) * (mass + a + b) * (mass - a + b) * (mass + a - b)
    return np.sqrt(np.maximum(kallen, 0.0)) / (2.0 * mass)
