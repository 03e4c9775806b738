"""The scalar's one-loop contribution to the muon's anomalous magnetic moment, and the coupling it favours."""

from typing import NamedTuple

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import ArrayLike, NDArray

from models.constants import HIGGS_VEV_GEV, MUON_MASS_GEV
from models.theory.configuration import MuonG2Settings

_ORDER = 64
"""Gauss–Legendre order of the loop integral: exact to 10⁻¹⁰ at every φ mass in the search."""


class CouplingBand(NamedTuple):
    """Range of ξ, each of the shape of the mass."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


def delta_a_mu(m_phi_gev: ArrayLike, xi: ArrayLike = 1.0) -> NDArray[np.float64]:
    """Return Δa_μ = (ξ m_μ/v)²/(8π²) ∫₀¹ dz (1 + z)(1 − z)²/[(1 − z)² + z m_φ²/m_μ²].

    Parameters
    ----------
    m_phi_gev
        Mass of φ in GeV, any shape.
    xi
        Coupling strength, broadcast against the mass.

    Returns
    -------
    ndarray
        Contribution to a_μ = (g − 2)/2, positive. Source: J. P. Leveille, Nucl. Phys. B 137, 63 (1978).

    Examples
    --------
    >>> float(np.round(delta_a_mu(1e-6) / (3.0 * (MUON_MASS_GEV / HIGGS_VEV_GEV) ** 2 / (16 * np.pi**2)), 4))
    1.0
    """
    ratio = (np.asarray(m_phi_gev, dtype=np.float64) / MUON_MASS_GEV) ** 2
    nodes, weights = leggauss(_ORDER)
    u = 0.5 * (nodes + 1.0)
    # x = 1 − z. The integrand turns over at x ~ m_φ/m_μ for a light φ and at 1 − x ~ (m_μ/m_φ)² for a heavy one; the
    # smooth step crowds the nodes at both ends.
    smooth = u**3 * (10.0 - 15.0 * u + 6.0 * u**2)
    jacobian = 30.0 * u**2 * (1.0 - u) ** 2
    integrand = (2.0 - smooth) * smooth**2 / (smooth**2 + (1.0 - smooth) * ratio[..., np.newaxis])
    loop = integrand @ (0.5 * weights * jacobian)
    coupling = np.asarray(xi, dtype=np.float64) * MUON_MASS_GEV / HIGGS_VEV_GEV
    contribution: NDArray[np.float64] = coupling**2 / (8.0 * np.pi**2) * loop
    return contribution


def xi_favoured_band(m_phi_gev: ArrayLike, settings: MuonG2Settings | None = None) -> CouplingBand:
    """Return the range of ξ in which φ explains the muon g−2 difference.

    Parameters
    ----------
    m_phi_gev
        Mass of φ in GeV, any shape.
    settings
        The measured difference; by default the one the published search compares with.

    Returns
    -------
    CouplingBand
        ξ at the lower and upper end of the band. The lower end is zero where the difference is compatible with none;
        both are zero where it is significantly negative, which no scalar explains.

    Examples
    --------
    >>> band = xi_favoured_band(0.1)
    >>> bool(band.low < 1.5 < band.high)
    True
    """
    measured = settings or MuonG2Settings()
    half_width = measured.n_sigma * measured.uncertainty
    per_unit_coupling = delta_a_mu(m_phi_gev)
    low, high = (
        np.sqrt(max(end, 0.0) / per_unit_coupling)
        for end in (measured.difference - half_width, measured.difference + half_width)
    )
    return CouplingBand(low, high)
