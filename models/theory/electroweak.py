"""γ* and Z exchange between an electron and a τ current of definite chirality."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.constants import ALPHA_EM, SIN2_THETA_W, Z_MASS_GEV, Z_WIDTH_GEV

Z_CHARGES: Final = np.array([-0.5 + SIN2_THETA_W, SIN2_THETA_W])
"""T₃ − Q sin²θ_W of a left- and a right-handed charged lepton."""


def exchange_couplings(s_gev2: ArrayLike, *, with_z: bool = True) -> NDArray[np.complex128]:
    """Return the products of couplings and propagator that join the electron to the τ current.

    Parameters
    ----------
    s_gev2
        Squared centre-of-mass energy in GeV², a number or shape (N,).
    with_z
        Whether Z exchange is added to the photon's.

    Returns
    -------
    ndarray
        Shape (2, 2) or (2, 2, N), in GeV⁻²: [electron chirality, τ chirality], each (left, right);
        e²/s + e²/(sin²θ cos²θ) g_e g_τ/(s − M_Z² + i M_Z Γ_Z), with e² at zero momentum transfer.

    Examples
    --------
    >>> photon = exchange_couplings(10.58**2, with_z=False)
    >>> bool(abs(exchange_couplings(10.58**2)[0, 0] / photon[0, 0] - 1) < 0.01)
    True
    """
    e_squared = 4.0 * np.pi * ALPHA_EM
    s = np.asarray(s_gev2, dtype=np.float64)
    photon = np.broadcast_to(e_squared / s, (2, 2, *s.shape)).astype(np.complex128)
    if not with_z:
        return photon
    propagator = 1.0 / (s - Z_MASS_GEV**2 + 1j * Z_MASS_GEV * Z_WIDTH_GEV)
    strength = e_squared / (SIN2_THETA_W * (1.0 - SIN2_THETA_W))
    couplings: NDArray[np.complex128] = photon + strength * np.multiply.outer(
        np.outer(Z_CHARGES, Z_CHARGES), propagator
    )
    return couplings
