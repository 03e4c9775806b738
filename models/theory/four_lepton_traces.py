"""Σ|M|² of e⁺e⁻ → τ⁺τ⁻ℓ⁺ℓ⁻ from Dirac traces: the independent check of the helicity amplitudes.

No spinor appears and no current is contracted before squaring: each fermion line becomes the trace tensors of its one-
and two-vertex parts, and the tensors are joined by the photons. A thousand times slower than `four_lepton`.
"""

from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.constants import ALPHA_EM
from models.theory.four_lepton import FermionLines, FourLeptons, fermion_lines
from models.theory.trace_evaluation import GAMMA

_METRIC: Final = np.diag([1.0, -1.0, -1.0, -1.0])
_LOWERED: Final = np.einsum("mn,nij->mij", _METRIC, GAMMA)


def traced_four_lepton_weights(events: FourLeptons, lepton_mass_gev: float) -> NDArray[np.float64]:
    """Return |M|² in GeV⁻⁴, summed over helicities of the final state and averaged over the beams', shape (N,)."""
    return summed_squares_of_lines(fermion_lines(events, lepton_mass_gev))


def summed_squares_of_lines(lines: FermionLines) -> NDArray[np.float64]:
    """Return the same for given fermion lines, of which only momenta and masses are used."""
    weights = [
        _summed_square(p, q, lines.mass_gev)
        for p, q in zip(lines.row_momentum.swapaxes(0, 1), lines.column_momentum.swapaxes(0, 1), strict=True)
    ]
    return 0.25 * (4.0 * np.pi * ALPHA_EM) ** 4 * np.array(weights)


def _slash(momentum: NDArray[np.float64]) -> NDArray[np.complex128]:
    slashed: NDArray[np.complex128] = np.einsum("m,mij->ij", momentum, _LOWERED)
    return slashed


def _summed_square(
    row_momentum: NDArray[np.float64], column_momentum: NDArray[np.float64], mass: NDArray[np.float64]
) -> float:
    """Return Σ|M|² of one event from the outgoing momenta of its three lines, each of shape (3, 4)."""
    photon = row_momentum + column_momentum
    square = np.einsum("lm,mn,ln->l", photon, _METRIC, photon)
    tensors = [
        _line_tensors(*line, photon, index)
        for index, line in enumerate(zip(row_momentum, column_momentum, mass, strict=True))
    ]
    total = 0.0
    for one, other in product(range(3), repeat=2):
        # A photon is called by its end line, in capitals in the conjugate.
        subscripts = ",".join(_photons(line, one) + _photons(line, other).upper() for line in range(3))
        operands = [tensor[line == one, line == other] for line, tensor in enumerate(tensors)]
        scale = square[one] * square[other] / np.prod(square) ** 2
        total += scale * np.einsum(f"{subscripts}->", *operands, optimize=True).real
    return float(total)


def _photons(line: int, middle: int) -> str:
    """Return the photons that meet a line, each called a, b or c by the end line it belongs to.

    >>> _photons(0, 0), _photons(1, 0)
    ('bc', 'b')
    """
    return "abc".replace("abc"[line], "") if line == middle else "abc"[line]


def _line_tensors(
    row_momentum: NDArray[np.float64],
    column_momentum: NDArray[np.float64],
    mass: float,
    photon: NDArray[np.float64],
    line: int,
) -> dict[tuple[bool, bool], NDArray[np.complex128]]:
    """Return Tr[(p̸ + m) A (p̸' − m) Ā] of one line, by whether A and Ā have two vertices; indices of A lowered."""
    first, second = (photon[end] for end in range(3) if end != line)

    def propagator(momentum: NDArray[np.float64]) -> NDArray[np.complex128]:
        numerator: NDArray[np.complex128] = _slash(momentum) + mass * np.eye(4)
        return numerator / (momentum @ _METRIC @ momentum - mass**2)

    two = np.einsum("aij,jk,bkl->abil", _LOWERED, propagator(row_momentum + first), _LOWERED)
    two += np.einsum("bij,jk,akl->abil", _LOWERED, propagator(row_momentum + second), _LOWERED)
    vertices = {False: GAMMA, True: two.reshape(16, 4, 4)}
    shapes = {False: (4,), True: (4, 4)}
    before, after = _slash(row_momentum) + mass * np.eye(4), _slash(column_momentum) - mass * np.eye(4)
    tensors = {}
    for left, right in product((False, True), repeat=2):
        conjugate = GAMMA[0] @ np.swapaxes(vertices[right].conj(), 1, 2) @ GAMMA[0]
        traces = np.einsum("xij,yji->xy", before @ vertices[left] @ after, conjugate)
        tensors[left, right] = traces.reshape(shapes[left] + shapes[right])
    return tensors
