"""Running of the fine-structure constant in time-like photon exchange."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.constants import ALPHA_EM
from models.theory.configuration import HadronicPolarisationSettings
from models.theory.errors import BelowThresholdError
from models.theory.widths import Lepton


def leptonic_polarisation(s_gev2: ArrayLike) -> NDArray[np.complex128]:
    """Return the one-loop electron, muon and τ contribution to Δα(s).

    Parameters
    ----------
    s_gev2
        Squared momentum transfer in GeV², above 4 m_τ².

    Returns
    -------
    ndarray
        Complex Δα: α/(3π) Σ_ℓ [ β(3 − β²)/2 · (ln((1+β)/(1−β)) − iπ) − 8/3 + β² ], which tends to
        α/(3π) Σ_ℓ [ln(s/m_ℓ²) − 5/3 − iπ]. Source: Jegerlehner, hep-ph/0105283, sec. 2; Källén and Sabry (1955).

    Examples
    --------
    >>> round(float(leptonic_polarisation(10.58**2).real), 4)
    0.0213
    """
    s = np.asarray(s_gev2, dtype=np.float64)
    if not np.all(s >= 4.0 * Lepton.TAU.mass_gev**2):
        raise BelowThresholdError(f"The vacuum polarisation is coded for s ≥ 4 m_τ² only: got {s} GeV².")
    total = np.zeros(s.shape, dtype=np.complex128)
    for lepton in Lepton:
        beta = np.sqrt(1.0 - 4.0 * lepton.mass_gev**2 / s)
        # (1 − β) from the mass: for electrons 1 − β is 10⁻⁹.
        logarithm = np.log((1.0 + beta) ** 2 * s / (4.0 * lepton.mass_gev**2))
        total += 0.5 * beta * (3.0 - beta**2) * (logarithm - 1j * np.pi) - 8.0 / 3.0 + beta**2
    return ALPHA_EM / (3.0 * np.pi) * total


def hadronic_polarisation(
    s_gev2: ArrayLike, settings: HadronicPolarisationSettings | None = None
) -> NDArray[np.float64]:
    """Return the parametrised hadronic contribution to Δα(s).

    Parameters
    ----------
    s_gev2
        Squared momentum transfer in GeV².
    settings
        The parametrisation.

    Returns
    -------
    ndarray
        Real Δα_had(s); its imaginary part, −αR/3 ≈ −0.009, changes |1 − Δα|² by 2·10⁻⁴ and is left out.

    Examples
    --------
    >>> round(float(hadronic_polarisation(10.58**2)), 4)
    0.015
    """
    s = np.asarray(s_gev2, dtype=np.float64)
    ranges = np.asarray((settings or HadronicPolarisationSettings()).ranges)
    index = np.minimum(np.searchsorted(ranges[:, 0], np.sqrt(s)), len(ranges) - 1)
    constant, slope, scale = (ranges[index, column] for column in (1, 2, 3))
    polarisation: NDArray[np.float64] = constant + slope * np.log1p(scale * s)
    return polarisation


def vacuum_polarisation_factor(
    s_gev2: ArrayLike, settings: HadronicPolarisationSettings | None = None
) -> NDArray[np.float64]:
    """Return |α(s)/α(0)|² = 1/|1 − Δα(s)|², the factor on a cross-section by photon exchange.

    Parameters
    ----------
    s_gev2
        Squared momentum transfer in GeV², above 4 m_τ².
    settings
        The hadronic parametrisation.

    Returns
    -------
    ndarray
        Factor, about 1.077 at 10.58 GeV.

    Examples
    --------
    >>> round(float(vacuum_polarisation_factor(10.58**2)), 3)
    1.077
    """
    shift = leptonic_polarisation(s_gev2) + hadronic_polarisation(s_gev2, settings)
    factor: NDArray[np.float64] = 1.0 / np.abs(1.0 - shift) ** 2
    return factor
