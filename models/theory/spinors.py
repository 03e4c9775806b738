"""Dirac spinors of definite helicity in the chiral representation, for arrays of momenta.

A spinor is (ψ_L, ψ_R) with γ^μ = ((0, σ^μ), (σ̄^μ, 0)). Helicity is measured in the frame the momenta are given in.
Conventions as in H. Murayama, I. Watanabe, K. Hagiwara, KEK-91-11 (HELAS), appendix A.
"""

import numpy as np
from numpy.typing import NDArray

from models.theory.tau_pair import HELICITIES

Momenta = NDArray[np.float64]
"""Four-momenta (E, px, py, pz) in GeV, shape (N, 4)."""


def _helicity_states(momenta: Momenta) -> dict[int, NDArray[np.complex128]]:
    """Return the two-component eigenstates of σ·p̂ with eigenvalue −1 and +1, each of shape (2, N)."""
    transverse = np.hypot(momenta[:, 1], momenta[:, 2])
    half_angle = 0.5 * np.arctan2(transverse, momenta[:, 3])
    cosine, sine = np.cos(half_angle), np.sin(half_angle)
    along_z = transverse == 0.0
    phase = (momenta[:, 1] + 1j * momenta[:, 2] + along_z) / (transverse + along_z)
    return {1: np.stack([cosine + 0j, sine * phase]), -1: np.stack([-sine * phase.conj(), cosine + 0j])}


def _light_cone_roots(momenta: Momenta, mass_gev: float) -> dict[int, NDArray[np.float64]]:
    """Return √(E ± |p|), the smaller from the mass so that it keeps its digits for fast particles."""
    momentum = np.sqrt(np.sum(momenta[:, 1:] ** 2, axis=1))
    large = np.sqrt(momenta[:, 0] + momentum)
    return {1: large, -1: mass_gev / large}


def outgoing_fermions(momenta: Momenta, mass_gev: float) -> NDArray[np.complex128]:
    """Return the row spinors ū(p, λ) of outgoing fermions.

    Parameters
    ----------
    momenta
        Shape (N, 4), in GeV.
    mass_gev
        Mass of the fermion.

    Returns
    -------
    ndarray
        Shape (2, 4, N): [helicity in the order of `HELICITIES`, spinor component, event].
    """
    states, roots = _helicity_states(momenta), _light_cone_roots(momenta, mass_gev)
    # u = (√(E−λp) χ_λ, √(E+λp) χ_λ); ū = u†γ⁰ exchanges the halves.
    return np.stack(
        [
            np.concatenate([roots[helicity] * states[helicity].conj(), roots[-helicity] * states[helicity].conj()])
            for helicity in HELICITIES
        ]
    )


def outgoing_antifermions(momenta: Momenta, mass_gev: float) -> NDArray[np.complex128]:
    """Return the column spinors v(p, λ) of outgoing antifermions.

    Parameters
    ----------
    momenta
        Shape (N, 4), in GeV.
    mass_gev
        Mass of the fermion.

    Returns
    -------
    ndarray
        Shape (2, 4, N): [helicity in the order of `HELICITIES`, spinor component, event].
    """
    states, roots = _helicity_states(momenta), _light_cone_roots(momenta, mass_gev)
    return np.stack(
        [
            np.concatenate(
                [-helicity * roots[helicity] * states[-helicity], helicity * roots[-helicity] * states[-helicity]]
            )
            for helicity in HELICITIES
        ]
    )


def slash_on_column(momenta: Momenta, column: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return p̸ψ for column spinors of shape (2, 4, N)."""
    energy, px, py, pz = momenta.T
    minus, plus = px - 1j * py, px + 1j * py
    left_up, left_down, right_up, right_down = column[:, 0], column[:, 1], column[:, 2], column[:, 3]
    return np.stack(
        [
            (energy - pz) * right_up - minus * right_down,
            (energy + pz) * right_down - plus * right_up,
            (energy + pz) * left_up + minus * left_down,
            (energy - pz) * left_down + plus * left_up,
        ],
        axis=1,
    )


def row_slash(momenta: Momenta, row: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return ψ̄p̸ for row spinors of shape (2, 4, N)."""
    energy, px, py, pz = momenta.T
    minus, plus = px - 1j * py, px + 1j * py
    # Components of ψ̄ multiply the rows of p̸: the first two meet p·σ, the last two p·σ̄.
    first, second, third, fourth = row[:, 0], row[:, 1], row[:, 2], row[:, 3]
    return np.stack(
        [
            (energy + pz) * third + plus * fourth,
            (energy - pz) * fourth + minus * third,
            (energy - pz) * first - plus * second,
            (energy + pz) * second - minus * first,
        ],
        axis=1,
    )
