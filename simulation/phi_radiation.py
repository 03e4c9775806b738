"""Photons that the daughters of a scalar radiate: φ → ℓ⁺ℓ⁻γ with the complete first-order matrix element.

With 2K = (p₊ + p₋)·k, P = p₊·p₋, the velocity β of the leptons in the rest frame of their pair, the cosine c between
lepton and photon there and t = 1 − β²c²,

    Σ|M|² = e² y² [A + 2B − 4B/t] / t,  A = 8P(P − m²)/K² + 16 + 16P/K,  B = 4m²(P − m²)/K² + 8m²/K,

all masses kept, for one photon of energy v m_φ/2 in the rest frame of φ. Soft photons are exponentiated: the spectrum
is b v^(b−1) g(v), where b g(v)/v with g(0) = 1 is that of first order. It is normalised to one, from which it is 1 %
away: summed over photons, logarithms of the masses cancel in the width (T. Kinoshita, J. Math. Phys. 3, 650 (1962)).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.constants import ALPHA_EM
from simulation.configuration import RadiationSettings
from simulation.radiation import RadiationSpectrum

FloatArray = NDArray[np.float64]


class _Coefficients(NamedTuple):
    """What Σ|M|² is made of at some radiated fractions."""

    a: FloatArray
    b: FloatArray
    velocity: FloatArray
    """Of the leptons in the rest frame of their pair."""


def _coefficients(fraction: FloatArray, m_phi_gev: float, lepton_mass_gev: float) -> _Coefficients:
    s, m2 = m_phi_gev**2, lepton_mass_gev**2
    product = 0.5 * s * (1.0 - fraction) - m2
    half_sum = 0.25 * s * fraction
    a = 8.0 * product * (product - m2) / half_sum**2 + 16.0 + 16.0 * product / half_sum
    b = 4.0 * m2 * (product - m2) / half_sum**2 + 8.0 * m2 / half_sum
    velocity = np.sqrt(np.maximum(1.0 - 4.0 * m2 / (s * (1.0 - fraction)), 0.0))
    return _Coefficients(a, b, velocity)


def first_order_spectrum(fraction: ArrayLike, m_phi_gev: float, lepton_mass_gev: float) -> FloatArray:
    """Return v dΓ(φ → ℓ⁺ℓ⁻γ)/dv over Γ(φ → ℓ⁺ℓ⁻), at first order.

    Parameters
    ----------
    fraction
        Photon energy v in units of m_φ/2, below 1 − 4m²/m_φ², shape (n,).
    m_phi_gev, lepton_mass_gev
        Masses.

    Examples
    --------
    Radiation collinear to a light lepton has the splitting function 1 + (1 − v)²:

    >>> soft, hard = first_order_spectrum(np.array([1e-6, 0.5]), 100.0, 1e-6)
    >>> round(float(hard / soft), 2)
    0.62
    """
    v = np.asarray(fraction, dtype=np.float64)
    a, b, velocity = _coefficients(v, m_phi_gev, lepton_mass_gev)
    s, m2 = m_phi_gev**2, lepton_mass_gev**2
    # mean over c of 1/t is artanh β/β, that of 1/t² is [1/(1 − β²) + artanh β/β]/2
    inverse = 0.25 * s * (1.0 - v) / m2
    artanh = np.log((1.0 + velocity) * np.sqrt(inverse))
    averaged = a * artanh / velocity - 2.0 * b * inverse
    leading = 2.0 * (s - 4.0 * m2)
    leading_velocity = np.sqrt(1.0 - 4.0 * m2 / s)
    spectrum: FloatArray = ALPHA_EM / (4.0 * np.pi) * s * v**2 * velocity / leading_velocity * averaged / leading
    return spectrum


def phi_radiation_spectrum(m_phi_gev: float, lepton_mass_gev: float, settings: RadiationSettings) -> RadiationSpectrum:
    """Return the distribution of the radiated fraction v.

    Parameters
    ----------
    m_phi_gev, lepton_mass_gev
        Masses.
    settings
        Softest photon that is followed, and the size of the table.
    """
    largest = 1.0 - 4.0 * (lepton_mass_gev / m_phi_gev) ** 2
    lowest = min(settings.fraction_min, 0.5 * largest)
    nodes = np.linspace(np.log(lowest), np.log(largest), settings.table_points)
    middle = np.exp(0.5 * (nodes[1:] + nodes[:-1]))
    strength = float(first_order_spectrum(np.array([1e-3 * lowest]), m_phi_gev, lepton_mass_gev)[0])
    density = middle**strength * first_order_spectrum(middle, m_phi_gev, lepton_mass_gev)
    cumulative = lowest**strength + np.concatenate([[0.0], np.cumsum(density * np.diff(nodes))])
    return RadiationSpectrum(nodes, cumulative / cumulative[-1], float(cumulative[-1]))


def sample_lepton_cosine(
    fraction: FloatArray, m_phi_gev: float, lepton_mass_gev: float, rng: np.random.Generator
) -> FloatArray:
    """Return the cosine between lepton and photon in the rest frame of the pair, for given v > 0, shape (n,)."""
    cosine = np.zeros_like(fraction)
    pending = np.arange(len(fraction))
    while len(pending):
        a, b, velocity = _coefficients(fraction[pending], m_phi_gev, lepton_mass_gev)
        # βc = tanh η makes 1/t flat; t Σ|M|² grows with t, which is largest at c = 0
        smallest = 4.0 * (lepton_mass_gev / m_phi_gev) ** 2 / (1.0 - fraction[pending])
        eta = rng.uniform(-1.0, 1.0, len(pending)) * np.log((1.0 + velocity) / np.sqrt(smallest))
        inverse = np.cosh(eta) ** 2
        accepted = rng.random(len(pending)) * (a - 2.0 * b) < a + 2.0 * b - 4.0 * b * inverse
        slow = np.maximum(velocity[accepted], np.finfo(float).tiny)
        cosine[pending[accepted]] = np.tanh(eta[accepted]) / slow
        pending = pending[~accepted]
    return np.clip(cosine, -1.0, 1.0)
