"""|M|² of e⁺e⁻ → γ*/Z → τ⁺τ⁻φ from Dirac traces: the independent check of the helicity amplitudes.

No spinor appears. The τ helicities enter through covariant spin projectors (1 + γ⁵s̸)/2, the electrons through the
trace of their massless spin sum, and γ matrices are multiplied numerically in the Dirac representation. Momenta may be
given in any frame as long as the spin vectors are those of c.m. helicity, which is why the c.m. frame is asked for.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.constants import HIGGS_VEV_GEV, TAU_MASS_GEV
from models.theory.electroweak import exchange_couplings
from models.theory.spinors import Momenta
from models.theory.tau_pair import HELICITIES

_METRIC: Final = np.diag([1.0, -1.0, -1.0, -1.0])
_PAULI: Final = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
_GAMMA0: Final = np.kron(np.diag([1.0, -1.0]), np.eye(2)).astype(np.complex128)
GAMMA: Final = np.stack([_GAMMA0, *(np.kron([[0, 1], [-1, 0]], sigma) for sigma in _PAULI)])
"""γ^μ in the Dirac representation, shape (4, 4, 4)."""
_GAMMA5: Final = 1j * GAMMA[0] @ GAMMA[1] @ GAMMA[2] @ GAMMA[3]
_CHIRAL_PROJECTORS: Final = np.stack([(np.eye(4) - _GAMMA5) / 2.0, (np.eye(4) + _GAMMA5) / 2.0])
_CHIRAL_VERTICES: Final = np.einsum("mij,cjk->cmik", GAMMA, _CHIRAL_PROJECTORS)
"""γ^μ P_c, shape (2, 4, 4, 4)."""


def _slash(momenta: Momenta) -> NDArray[np.complex128]:
    slashed: NDArray[np.complex128] = np.einsum("nm,mij->nij", momenta @ _METRIC, GAMMA)
    return slashed


def _dirac_adjoint(matrices: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return γ⁰ A† γ⁰ for matrices in the last two axes."""
    adjoint: NDArray[np.complex128] = _GAMMA0 @ np.swapaxes(matrices.conj(), -1, -2) @ _GAMMA0
    return adjoint


def _helicity_projectors(momenta: Momenta, mass_sign: int) -> NDArray[np.complex128]:
    """Return (p̸ ± m)(1 + γ⁵s̸)/2 for both helicities, shape (2, N, 4, 4); s is the covariant spin vector."""
    momentum = np.linalg.norm(momenta[:, 1:], axis=1, keepdims=True)
    direction = momenta[:, 1:] / momentum
    spin = np.concatenate([momentum, momenta[:, :1] * direction], axis=1) / TAU_MASS_GEV
    spin_sum = _slash(momenta) + mass_sign * TAU_MASS_GEV * np.eye(4)
    return np.stack([spin_sum @ (np.eye(4) + helicity * (_GAMMA5 @ _slash(spin))) / 2.0 for helicity in HELICITIES])


def _propagator(momenta: Momenta, charge_sign: int) -> NDArray[np.complex128]:
    """Return (±q̸ + m)/(q² − m²), shape (N, 1, 4, 4), for a τ line carrying ±q."""
    virtuality = np.einsum("nm,mk,nk->n", momenta, _METRIC, momenta) - TAU_MASS_GEV**2
    numerator = charge_sign * _slash(momenta) + TAU_MASS_GEV * np.eye(4)
    propagator: NDArray[np.complex128] = numerator / virtuality[:, np.newaxis, np.newaxis]
    return propagator[:, np.newaxis]


def _traces(first: NDArray[np.complex128], second: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return Tr[A^μ B^ν] of matrices of shape (N, 4, 4, 4) for every pair of Lorentz indices, shape (N, 4, 4)."""
    transposed = np.swapaxes(second, -1, -2)
    traces: NDArray[np.complex128] = first.reshape(-1, 4, 16) @ np.swapaxes(transposed.reshape(-1, 4, 16), 1, 2)
    return traces


def traced_helicity_weights(
    p_tau_minus: Momenta,
    p_tau_plus: Momenta,
    p_phi: Momenta,
    *,
    p_electron: Momenta,
    with_z: bool = True,
) -> NDArray[np.float64]:
    """Return |M|² of e⁺e⁻ → τ⁺τ⁻φ at ξ = 1 for each τ helicity configuration, averaged over e± spins.

    Parameters
    ----------
    p_tau_minus, p_tau_plus, p_phi
        c.m. four-momenta in GeV, shape (N, 4).
    p_electron
        c.m. four-momentum of the massless e⁻ in GeV, shape (N, 4), in any direction.
    with_z
        Whether Z exchange is added to the photon's.

    Returns
    -------
    ndarray
        Shape (2, 2, N), in GeV⁻²: [τ⁻ helicity, τ⁺ helicity, event].
    """
    total = p_tau_minus + p_tau_plus + p_phi
    s_gev2 = float(np.mean(np.einsum("nm,mk,nk->n", total, _METRIC, total)))
    couplings = exchange_couplings(s_gev2, with_z=with_z)
    # Tr[p̸₊ γ_μ P p̸₋ γ_ν]: the electron tensor with lower indices, one for each electron chirality.
    positron, electron = (_slash(beam)[:, np.newaxis] for beam in (total - p_electron, p_electron))
    lowered = np.einsum("mn,nij->mij", _METRIC, GAMMA)
    electron_tensor = [_traces(positron @ (lowered @ chiral), electron @ lowered) for chiral in _CHIRAL_PROJECTORS]

    before = _propagator(p_tau_minus + p_phi, +1)
    after = _propagator(p_tau_plus + p_phi, -1)
    minus, plus = _helicity_projectors(p_tau_minus, +1), _helicity_projectors(p_tau_plus, -1)
    weights = np.zeros((2, 2, len(p_phi)))
    for chirality in range(2):
        vertex = np.einsum("c,cmij->mij", couplings[chirality], _CHIRAL_VERTICES)
        amplitude = TAU_MASS_GEV / HIGGS_VEV_GEV * (before @ vertex + vertex @ after)
        conjugate = _dirac_adjoint(amplitude)
        for a, projected_minus in enumerate(minus):
            for b, projected_plus in enumerate(plus):
                tau_tensor = _traces(
                    projected_minus[:, np.newaxis] @ amplitude, projected_plus[:, np.newaxis] @ conjugate
                )
                weights[a, b] += 0.25 * np.sum(electron_tensor[chirality] * tau_tensor, axis=(1, 2)).real
    return weights
