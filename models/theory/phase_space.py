"""Three-body phase space of e⁺e⁻ → τ⁺τ⁻φ, mapped to the unit square and an orientation.

The body frame is the c.m. frame turned so that φ flies along +z and the τ's lie in the x–z plane. Two numbers u, v in
[0, 1] fix the shape of an event; the map absorbs what makes |M|² vary: the logarithm of a soft light φ (by steps in the
rapidity of φ), the square root where the τ's are at rest relative to each other, and radiation along a τ.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.constants import TAU_MASS_GEV
from models.theory.errors import BelowThresholdError
from models.theory.spinors import Momenta

Axes = NDArray[np.float64]
"""Unit vectors, shape (N, 3) or (1, 3)."""

_AT_REST: Final = 1e-12
"""Smallest τ velocity in the τ⁺τ⁻ rest frame; keeps the map finite on the edge of phase space."""


class BodyMomenta(NamedTuple):
    """Energies and momentum components in the body frame in GeV, each of shape (N,)."""

    tau_minus_energy: NDArray[np.float64]
    tau_plus_energy: NDArray[np.float64]
    phi_energy: NDArray[np.float64]
    transverse: NDArray[np.float64]
    """x component of the τ⁻; the τ⁺ has the opposite one."""
    tau_minus_z: NDArray[np.float64]
    tau_plus_z: NDArray[np.float64]
    phi_z: NDArray[np.float64]
    density: NDArray[np.float64]
    """dΦ₃/(du dv) averaged over orientations, in GeV²."""


def body_momenta(u: ArrayLike, v: ArrayLike, *, m_phi_gev: float, sqrt_s_gev: ArrayLike) -> BodyMomenta:
    """Map points of the unit square to τ⁺τ⁻φ configurations and their phase-space density.

    Parameters
    ----------
    u, v
        Shape (N,): u grows with the energy of φ, v with the energy of the τ⁻.
    m_phi_gev
        Mass of φ.
    sqrt_s_gev
        Centre-of-mass energy, a number or shape (N,).

    Returns
    -------
    BodyMomenta
        With dΦ₃ = p_φ β*/(32π³) dE_φ dcos θ*/2, where * is the τ⁺τ⁻ rest frame
        (Particle Data Group, Phys. Rev. D 110, 030001, kinematics review).

    Raises
    ------
    BelowThresholdError
        If √s does not exceed 2 m_τ + m_φ.
    """
    sqrt_s = np.asarray(sqrt_s_gev, dtype=np.float64)
    if np.any(sqrt_s <= 2.0 * TAU_MASS_GEV + m_phi_gev):
        raise BelowThresholdError(
            f"e⁺e⁻ → τ⁺τ⁻φ with m_φ = {m_phi_gev} GeV needs more than √s = {sqrt_s.min()} GeV (2 m_τ + m_φ)."
        )
    u, v = np.asarray(u, dtype=np.float64), np.asarray(v, dtype=np.float64)
    highest_energy = (sqrt_s**2 + m_phi_gev**2 - 4.0 * TAU_MASS_GEV**2) / (2.0 * sqrt_s)
    highest_rapidity = np.arccosh(highest_energy / m_phi_gev)
    rapidity = highest_rapidity * u * (2.0 - u)
    phi_energy, phi_momentum = m_phi_gev * np.cosh(rapidity), m_phi_gev * np.sinh(rapidity)

    pair_energy = sqrt_s - phi_energy
    # m_ττ² − 4m_τ² = 2√s (E_max − E_φ), without the cancellation at the edge.
    excess = np.maximum(2.0 * sqrt_s * (highest_energy - phi_energy), 0.0)
    pair_mass = np.sqrt(excess + 4.0 * TAU_MASS_GEV**2)
    tau_velocity = np.maximum(np.sqrt(excess) / pair_mass, _AT_REST)
    tau_rapidity = np.arctanh(tau_velocity)
    velocity_along = np.tanh((2.0 * v - 1.0) * tau_rapidity)
    cosine = np.clip(velocity_along / tau_velocity, -1.0, 1.0)

    half = 0.5 * tau_velocity
    energy_shift = half * phi_momentum * cosine
    momentum_shift = half * pair_energy * cosine
    rapidity_jacobian = 2.0 * highest_rapidity * (1.0 - u) * phi_momentum
    cosine_jacobian = tau_rapidity / tau_velocity * (1.0 - velocity_along**2)
    return BodyMomenta(
        tau_minus_energy=0.5 * pair_energy + energy_shift,
        tau_plus_energy=0.5 * pair_energy - energy_shift,
        phi_energy=phi_energy,
        transverse=half * pair_mass * np.sqrt(1.0 - cosine**2),
        tau_minus_z=-0.5 * phi_momentum - momentum_shift,
        tau_plus_z=-0.5 * phi_momentum + momentum_shift,
        phi_z=phi_momentum,
        density=phi_momentum * tau_velocity / (32.0 * np.pi**3) * rapidity_jacobian * cosine_jacobian,
    )


def orient(body: BodyMomenta, x_axis: Axes, z_axis: Axes) -> tuple[Momenta, Momenta, Momenta]:
    """Turn body-frame configurations into c.m. four-momenta of τ⁻, τ⁺ and φ.

    Parameters
    ----------
    body
        Configurations of shape (N,).
    x_axis, z_axis
        Directions in the c.m. frame of the body frame's x and z axes, orthogonal unit vectors.

    Returns
    -------
    tuple of ndarray
        (E, px, py, pz) in GeV of τ⁻, τ⁺ and φ, each of shape (N, 4).
    """
    across = body.transverse[:, np.newaxis] * x_axis
    tau_minus = np.column_stack([body.tau_minus_energy, body.tau_minus_z[:, np.newaxis] * z_axis + across])
    tau_plus = np.column_stack([body.tau_plus_energy, body.tau_plus_z[:, np.newaxis] * z_axis - across])
    phi = np.column_stack([body.phi_energy, body.phi_z[:, np.newaxis] * z_axis])
    return tau_minus, tau_plus, phi
