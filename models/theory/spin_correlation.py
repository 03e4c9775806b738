"""Spin correlation matrices of τ pairs: what a production process hands to the decays.

R_ab, a, b = 0, x, y, z, are the coefficients of the density matrix of both spins,

    ρ = ¼ Σ_ab R_ab σ_a ⊗ σ_b,   R_00 = 1,

the first index the τ⁻, the second the τ⁺. With polarimeter vectors h of both decays, (1, h) as four components, pairs
of decays come with the density Σ_ab R_ab h⁻_a h⁺_b (J. H. Kühn and F. Wagner, Nucl. Phys. B 236, 16 (1984);
S. Jadach et al., Comput. Phys. Commun. 64, 275 (1991)).

**Axes.** The components belong to one set of axes for each τ, in its own rest frame: z along the momentum of that τ,
y = b̂ × p̂ along the direction of growing azimuth, x = y × z along that of growing polar angle, where b̂, the polar
axis, is the electron beam. The rest frame is the one that a boost along that momentum leads to.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.theory.spinors import Momenta
from models.theory.tau_pair import mass_ratio

FloatArray = NDArray[np.float64]

_PAULI: Final = np.array(
    # Rows and columns in the order of `HELICITIES`, −1 first.
    [[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, 1j], [-1j, 0]], [[-1, 0], [0, 1]]],
    dtype=np.complex128,
)


def tau_pair_spin_correlation(cos_theta: ArrayLike, s_gev2: ArrayLike) -> FloatArray:
    """Return the spin correlation matrix of e⁺e⁻ → γ* → τ⁺τ⁻ with unpolarised beams.

    Parameters
    ----------
    cos_theta
        Cosine of the c.m. angle between the τ⁻ and the e⁻, shape (n,).
    s_gev2
        Squared centre-of-mass energy in GeV², a number or shape (n,).

    Returns
    -------
    ndarray
        Shape (n, 4, 4): [τ⁻, τ⁺] in the axes of this module. With m = 2m_τ/√s and N = 1 + cos²θ + m² sin²θ:
        R_xx = (1 + m²) sin²θ/N, R_yy = (1 − m²) sin²θ/N, R_zz = −(1 + cos²θ − m² sin²θ)/N, R_xz = −R_zx = m sin 2θ/N
        (Y.-S. Tsai, Phys. Rev. D 4, 2821 (1971), written in these axes). The Z, left out, moves no element by more than
        0.005 at 10.58 GeV.

    Raises
    ------
    BelowThresholdError
        If s is below 4 m_τ².

    Examples
    --------
    >>> tau_pair_spin_correlation([1.0], 10.58**2)[0].diagonal().tolist()
    [1.0, 0.0, 0.0, -1.0]
    """
    cosine = np.asarray(cos_theta, dtype=np.float64)
    ratio = np.broadcast_to(mass_ratio(s_gev2), cosine.shape)
    cosine2 = cosine**2
    sine2 = 1.0 - cosine2
    norm = 1.0 / (1.0 + cosine2 + ratio * sine2)
    correlation = np.zeros((len(cosine), 4, 4))
    correlation[:, 0, 0] = 1.0
    correlation[:, 1, 1] = (1.0 + ratio) * sine2 * norm
    correlation[:, 2, 2] = (1.0 - ratio) * sine2 * norm
    correlation[:, 3, 3] = (ratio * sine2 - 1.0 - cosine2) * norm
    correlation[:, 1, 3] = 2.0 * np.sqrt(ratio * np.maximum(sine2, 0.0)) * cosine * norm
    correlation[:, 3, 1] = -correlation[:, 1, 3]
    return correlation


def spin_correlation_from_amplitudes(
    amplitudes: NDArray[np.complex128], p_tau_minus: Momenta, p_tau_plus: Momenta
) -> FloatArray:
    """Return the spin correlation matrix of τ pairs from helicity amplitudes, summed over all other spins.

    Parameters
    ----------
    amplitudes
        Shape (…, 2, 2, n): [any other spins, τ⁻ helicity, τ⁺ helicity, event], helicities in the order of
        `HELICITIES`, computed with the spinors of `models.theory.spinors`, whose phases matter here.
    p_tau_minus, p_tau_plus
        The momenta (E, px, py, pz) that the spinors were made for, shape (n, 4).

    Returns
    -------
    ndarray
        Shape (n, 4, 4) in the axes of this module, the helicities' frame being that of the momenta.
    """
    flat = amplitudes.reshape(math.prod(amplitudes.shape[:-3]), 2, 2, amplitudes.shape[-1])
    density = np.einsum("klmn,kpqn->nlmpq", flat, flat.conj(), optimize=True)
    correlation = np.einsum("nlmpq,apl,bqm->nab", density, _PAULI, _PAULI, optimize=True).real
    correlation /= correlation[:, :1, :1]
    # The spinors are turned by R_z(φ) R_y(θ) R_z(−φ), the axes here by R_z(φ) R_y(θ).
    minus, plus = (_turn_about_z(-np.arctan2(p[:, 2], p[:, 1])) for p in (p_tau_minus, p_tau_plus))
    turned: FloatArray = minus @ correlation @ plus.transpose(0, 2, 1)
    return turned


def helicity_probabilities(correlation: FloatArray) -> FloatArray:
    """Return the probabilities of the helicities of a pair: the diagonal of its density matrix.

    Parameters
    ----------
    correlation
        Spin correlation matrices, shape (n, 4, 4).

    Returns
    -------
    Shape (n, 2, 2): [τ⁻ helicity, τ⁺ helicity], each axis in the order of `HELICITIES`; sums to one.
    """
    of_minus, of_plus, product = correlation[:, 3, 0], correlation[:, 0, 3], correlation[:, 3, 3]
    probabilities = np.empty((len(correlation), 2, 2))
    probabilities[:, 0, 0] = 1.0 - of_minus - of_plus + product
    probabilities[:, 0, 1] = 1.0 - of_minus + of_plus - product
    probabilities[:, 1, 0] = 1.0 + of_minus - of_plus - product
    probabilities[:, 1, 1] = 1.0 + of_minus + of_plus + product
    # Rounding may leave an impossible combination slightly below zero.
    return np.maximum(0.25 * probabilities, 0.0)


def _turn_about_z(angle: FloatArray) -> FloatArray:
    """Return matrices, shape (n, 4, 4), that turn the spatial part of a four-component vector about z."""
    turn = np.zeros((len(angle), 4, 4))
    turn[:, 0, 0] = turn[:, 3, 3] = 1.0
    turn[:, 1, 1] = turn[:, 2, 2] = np.cos(angle)
    turn[:, 2, 1] = np.sin(angle)
    turn[:, 1, 2] = -turn[:, 2, 1]
    return turn
