"""Born cross-section of e⁺e⁻ → τ⁺τ⁻φ by deterministic quadrature over the helicity amplitudes.

The electron tensor is quadratic in the beam direction, so averaging |M|² over the six directions of an octahedron, a
spherical 3-design, integrates the orientation exactly. Two dimensions remain and are smooth in the variables of
`models.theory.phase_space`.
"""

from typing import Final

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray

from models.constants import GEV_M2_TO_FB
from models.theory.configuration import QuadratureSettings
from models.theory.matrix_element import helicity_weights, scalar_radiation_amplitudes
from models.theory.phase_space import BodyMomenta, body_momenta, orient

_X, _Y, _Z = np.eye(3)[:, np.newaxis, :]
_OCTAHEDRON: Final = ((_X, _Z), (_X, -_Z), (_Z, _X), (-_Z, _X), (_Y, _X), (_X, _Y))
"""(x axis, z axis) of body frames in which the electron flies along ±z, ±x and ±y."""


def orientation_averaged_weights(body: BodyMomenta, *, sqrt_s_gev: float, with_z: bool = True) -> NDArray[np.float64]:
    """Return |M|² summed over τ helicities and averaged over the orientation of the event.

    Parameters
    ----------
    body
        Configurations of shape (N,).
    sqrt_s_gev
        Centre-of-mass energy.
    with_z
        Whether Z exchange is added to the photon's.

    Returns
    -------
    ndarray
        Shape (N,), in GeV⁻², at ξ = 1.
    """
    total = np.zeros_like(body.density)
    for x_axis, z_axis in _OCTAHEDRON:
        amplitudes = scalar_radiation_amplitudes(*orient(body, x_axis, z_axis), sqrt_s_gev=sqrt_s_gev, with_z=with_z)
        total += helicity_weights(amplitudes).sum(axis=(0, 1))
    return total / len(_OCTAHEDRON)


def born_cross_section_fb(
    m_phi_gev: float,
    *,
    sqrt_s_gev: float,
    quadrature: QuadratureSettings | None = None,
    with_z: bool = True,
) -> float:
    """Return the Born cross-section of e⁺e⁻ → γ*/Z → τ⁺τ⁻φ at ξ = 1.

    Parameters
    ----------
    m_phi_gev, sqrt_s_gev
        Mass of φ and centre-of-mass energy.
    quadrature
        Orders of the two integrals.
    with_z
        Whether Z exchange is added to the photon's.

    Returns
    -------
    float
        Cross-section in fb with α at zero momentum transfer.

    Raises
    ------
    BelowThresholdError
        If √s does not exceed 2 m_τ + m_φ.

    Examples
    --------
    >>> 1.0 < born_cross_section_fb(1.0, sqrt_s_gev=10.58) < 10.0
    True
    """
    orders = quadrature or QuadratureSettings()
    u, u_weights = leggauss(orders.recoil_points)
    v, v_weights = leggauss(orders.pair_points)
    u_grid, v_grid = (0.5 * (grid.ravel() + 1.0) for grid in np.meshgrid(u, v, indexing="ij"))
    body = body_momenta(u_grid, v_grid, m_phi_gev=m_phi_gev, sqrt_s_gev=sqrt_s_gev)
    integrand = body.density * orientation_averaged_weights(body, sqrt_s_gev=sqrt_s_gev, with_z=with_z)
    integral = float(0.25 * np.outer(u_weights, v_weights).ravel() @ integrand)
    return integral / (2.0 * sqrt_s_gev**2) * GEV_M2_TO_FB
