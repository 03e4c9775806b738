"""e⁺e⁻ → γ* → τ⁺τ⁻ with τ mass: helicities and angular distribution.

With massless electrons the helicity amplitudes are proportional to (1 ± cos θ) for opposite τ helicities and to
(2 m_τ/√s) sin θ for equal ones. The Z is left out: at 10.58 GeV it changes the rate by less than 10⁻³.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.constants import ALPHA_EM, GEV_M2_TO_FB, TAU_MASS_GEV
from models.theory.errors import BelowThresholdError

HELICITIES: Final = (-1, 1)
"""Twice the τ helicity, in the order of every helicity axis in this package."""


def mass_ratio(s_gev2: ArrayLike) -> NDArray[np.float64]:
    """Return 4 m_τ²/s = 1 − β².

    Raises
    ------
    BelowThresholdError
        If s is below 4 m_τ².
    """
    ratio = 4.0 * TAU_MASS_GEV**2 / np.asarray(s_gev2, dtype=np.float64)
    if not np.all((ratio > 0.0) & (ratio <= 1.0)):
        raise BelowThresholdError(f"e⁺e⁻ → τ⁺τ⁻ needs s ≥ {4.0 * TAU_MASS_GEV**2:.4f} GeV², but a smaller s was given.")
    return ratio


def tau_pair_angular_density(cos_theta: ArrayLike, s_gev2: ArrayLike) -> NDArray[np.float64]:
    """Return the probability density of the τ⁻ polar angle in e⁺e⁻ → τ⁺τ⁻.

    Parameters
    ----------
    cos_theta
        Cosine of the c.m. angle between the τ⁻ and the e⁻, any shape.
    s_gev2
        Squared centre-of-mass energy in GeV², broadcast against `cos_theta`.

    Returns
    -------
    ndarray
        Density in cos θ, normalised to one over [−1, 1]: ∝ 1 + cos²θ + (4m_τ²/s) sin²θ.

    Raises
    ------
    BelowThresholdError
        If s is below 4 m_τ².

    Examples
    --------
    >>> bool(tau_pair_angular_density(1.0, 10.58**2) > tau_pair_angular_density(0.0, 10.58**2))
    True
    """
    cosine = np.asarray(cos_theta, dtype=np.float64)
    ratio = mass_ratio(s_gev2)
    shape: NDArray[np.float64] = 1.0 + cosine**2 + ratio * (1.0 - cosine**2)
    return shape / (8.0 / 3.0 + ratio * 4.0 / 3.0)


def tau_pair_helicity_fractions(cos_theta: ArrayLike, s_gev2: ArrayLike) -> NDArray[np.float64]:
    """Return the probabilities of the four τ helicity configurations at a given polar angle.

    Parameters
    ----------
    cos_theta
        Cosine of the c.m. angle between the τ⁻ and the e⁻, any shape.
    s_gev2
        Squared centre-of-mass energy in GeV², broadcast against `cos_theta`.

    Returns
    -------
    ndarray
        Shape (…, 2, 2): [τ⁻ helicity, τ⁺ helicity], each axis in the order of `HELICITIES`; sums to one.

    Raises
    ------
    BelowThresholdError
        If s is below 4 m_τ².

    Examples
    --------
    >>> fractions = tau_pair_helicity_fractions(0.0, 10.58**2)
    >>> float(round(fractions[0, 0] + fractions[1, 1], 3))
    0.101
    """
    cosine = np.asarray(cos_theta, dtype=np.float64)
    ratio = mass_ratio(s_gev2)
    opposite = 1.0 + cosine**2
    same = ratio * (1.0 - cosine**2)
    same_fraction = same / (opposite + same)
    fractions = np.empty((*same_fraction.shape, 2, 2), dtype=np.float64)
    fractions[..., 0, 0] = fractions[..., 1, 1] = 0.5 * same_fraction
    fractions[..., 0, 1] = fractions[..., 1, 0] = 0.5 * (1.0 - same_fraction)
    return fractions


def same_helicity_fraction(s_gev2: float) -> float:
    """Return the fraction of τ pairs whose two helicities are equal, integrated over the polar angle.

    >>> round(same_helicity_fraction(10.58**2), 4)
    0.0534
    """
    ratio = float(mass_ratio(s_gev2))
    return ratio / (2.0 + ratio)


def tau_pair_cross_section_fb(s_gev2: ArrayLike) -> NDArray[np.float64]:
    """Return the Born cross-section of e⁺e⁻ → γ* → τ⁺τ⁻ in fb: 4πα²/(3s) · β(3 − β²)/2.

    >>> float(round(tau_pair_cross_section_fb(10.58**2) / 1e6, 3))
    0.772
    """
    s = np.asarray(s_gev2, dtype=np.float64)
    beta = np.sqrt(1.0 - mass_ratio(s))
    cross_section: NDArray[np.float64] = (
        4.0 * np.pi * ALPHA_EM**2 / (3.0 * s) * beta * (3.0 - beta**2) / 2.0 * GEV_M2_TO_FB
    )
    return cross_section
