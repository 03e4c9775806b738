"""Photon radiation from the colliding electrons, exponentiated and complete to order α² without pair production.

σ(s) = ∫ dx F(x, s) σ₀(s(1 − x)), where x is the radiated fraction of s and F the radiator of E. A. Kuraev and
V. S. Fadin, Sov. J. Nucl. Phys. 41, 466 (1985), eq. 28. The part of order β²L that stands for virtual e⁺e⁻ pairs is
kept with it, as is customary; real pairs are not counted.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import ArrayLike, NDArray

from models.constants import ALPHA_EM, ELECTRON_MASS_GEV


class RadiationNodes(NamedTuple):
    """Quadrature of the radiator: σ(s) ≈ Σ weight · σ₀(reduced energy)."""

    reduced_sqrt_s_gev: NDArray[np.float64]
    """Centre-of-mass energies left after radiation, shape (n,)."""
    weights: NDArray[np.float64]


def radiator_exponent(s_gev2: float) -> float:
    """Return β = (2α/π)(ln(s/m_e²) − 1), the strength of soft radiation.

    >>> round(radiator_exponent(10.58**2), 4)
    0.0877
    """
    return 2.0 * ALPHA_EM / math.pi * (math.log(s_gev2 / ELECTRON_MASS_GEV**2) - 1.0)


def soft_virtual_factor(s_gev2: float) -> float:
    """Return the factor on the exponentiated soft part β x^{β−1}, from virtual and soft photons to order α²."""
    beta = radiator_exponent(s_gev2)
    logarithm = math.log(s_gev2 / ELECTRON_MASS_GEV**2)
    first_order = ALPHA_EM / math.pi * (math.pi**2 / 3.0 - 0.5) + 0.75 * beta
    second_order = -(beta**2) / 24.0 * (logarithm / 3.0 + 2.0 * math.pi**2 - 37.0 / 4.0)
    return 1.0 + first_order + second_order


def hard_radiation(x: ArrayLike, s_gev2: float) -> NDArray[np.float64]:
    """Return the non-singular part of the radiator F(x, s) for 0 < x < 1."""
    beta = radiator_exponent(s_gev2)
    x = np.asarray(x, dtype=np.float64)
    hard: NDArray[np.float64] = -beta * (1.0 - 0.5 * x) + beta**2 / 8.0 * (
        -4.0 * (2.0 - x) * np.log(x) - (1.0 + 3.0 * (1.0 - x) ** 2) / x * np.log1p(-x) - 6.0 + x
    )
    return hard


def radiation_nodes(sqrt_s_gev: float, lowest_sqrt_s_gev: float, *, points: int) -> RadiationNodes:
    """Return the quadrature of the radiator down to a production threshold.

    Parameters
    ----------
    sqrt_s_gev
        Centre-of-mass energy before radiation.
    lowest_sqrt_s_gev
        Threshold of the process; no more is radiated than leaves this energy.
    points
        Gauss–Legendre order of each of two panels: soft, in t = x^β where the singularity is flat, and hard.

    Returns
    -------
    RadiationNodes
        2·points reduced energies, all above the threshold, and weights.
    """
    s = sqrt_s_gev**2
    beta = radiator_exponent(s)
    largest = 1.0 - (lowest_sqrt_s_gev / sqrt_s_gev) ** 2
    split = 0.5 * largest
    nodes, node_weights = leggauss(points)
    unit, unit_weights = 0.5 * (nodes + 1.0), 0.5 * node_weights

    t = split**beta * unit
    soft_x = t ** (1.0 / beta)
    soft = soft_virtual_factor(s) + hard_radiation(soft_x, s) * soft_x ** (1.0 - beta) / beta
    # From the split to the threshold, even steps in ln s′ that crowd at the threshold's square root.
    logarithmic_range = np.log((1.0 - split) / (1.0 - largest))
    hard_x = 1.0 - (1.0 - split) * np.exp(-logarithmic_range * unit * (2.0 - unit))
    hard = soft_virtual_factor(s) * beta * hard_x ** (beta - 1.0) + hard_radiation(hard_x, s)
    jacobian = (1.0 - hard_x) * logarithmic_range * 2.0 * (1.0 - unit)
    return RadiationNodes(
        sqrt_s_gev * np.sqrt(1.0 - np.concatenate([soft_x, hard_x])),
        np.concatenate([split**beta * unit_weights * soft, unit_weights * jacobian * hard]),
    )


def radiated_cross_section(
    cross_section: Callable[[float], float], *, sqrt_s_gev: float, lowest_sqrt_s_gev: float, points: int
) -> float:
    """Return a cross-section with initial-state radiation.

    Parameters
    ----------
    cross_section
        The cross-section without radiation as a function of √s in GeV.
    sqrt_s_gev, lowest_sqrt_s_gev
        Centre-of-mass energy and threshold of the process.
    points
        Order of the quadrature.

    Returns
    -------
    float
        In the unit of `cross_section`.

    Examples
    --------
    >>> constant = radiated_cross_section(lambda energy: 1.0, sqrt_s_gev=10.58, lowest_sqrt_s_gev=0.01, points=40)
    >>> abs(constant - 1.0) < 0.03
    True
    """
    nodes = radiation_nodes(sqrt_s_gev, lowest_sqrt_s_gev, points=points)
    return float(sum(w * cross_section(float(e)) for e, w in zip(*nodes, strict=True)))
