"""Amplitude of three fermion lines that exchange two photons, one event after another in machine code.

Vectors are (t, x, y, z), contravariant; spinors and γ matrices are those of `models.theory.spinors`.
"""

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]


@compiled
def _slash_column(vector: ComplexArray, column: ComplexArray, result: ComplexArray) -> None:
    """Put a̸ψ of one spinor into `result`."""
    plus, minus = vector[0] + vector[3], vector[0] - vector[3]
    raising, lowering = vector[1] - 1j * vector[2], vector[1] + 1j * vector[2]
    result[0] = minus * column[2] - raising * column[3]
    result[1] = plus * column[3] - lowering * column[2]
    result[2] = plus * column[0] + raising * column[1]
    result[3] = minus * column[1] + lowering * column[0]


@compiled
def _row_slash(vector: ComplexArray, row: ComplexArray, result: ComplexArray) -> None:
    """Put ψ̄a̸ of one spinor into `result`."""
    plus, minus = vector[0] + vector[3], vector[0] - vector[3]
    raising, lowering = vector[1] - 1j * vector[2], vector[1] + 1j * vector[2]
    result[0] = plus * row[2] + lowering * row[3]
    result[1] = minus * row[3] + raising * row[2]
    result[2] = minus * row[0] - lowering * row[1]
    result[3] = plus * row[1] - raising * row[0]


@compiled
def _add_current(row: ComplexArray, column: ComplexArray, factor: float, result: ComplexArray) -> None:
    """Add `factor`·ψ̄γ^μψ to `result`, contravariant components."""
    a, b = row[2] * column[0], row[3] * column[1]
    c, d = row[0] * column[2], row[1] * column[3]
    e, f = row[2] * column[1], row[3] * column[0]
    g, h = row[0] * column[3], row[1] * column[2]
    result[0] += factor * (a + b + c + d)
    result[1] += factor * (g + h - e - f)
    result[2] += factor * 1j * (e - f - g + h)
    result[3] += factor * (c - d - a + b)


@compiled
def _dot(a: ComplexArray, b: ComplexArray) -> complex:
    product: complex = a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3]
    return product


@compiled
def add_tensor(
    row: ComplexArray,
    column: ComplexArray,
    row_momentum: ComplexArray,
    column_momentum: ComplexArray,
    mass: float,
    inserted: ComplexArray,
    inserted_momentum: ComplexArray,
    factor: float,
    columns: int,
    result: ComplexArray,
) -> None:
    """Add a line with a photon inserted, and a free index μ, in both orders of the two.

    `inserted` has shape (currents, 4); `result`, shape (currents, helicity of the column, helicity of the row, 4).
    Only the first `columns` helicities of the column are made.
    """
    square = _dot(inserted_momentum, inserted_momentum).real
    behind_row = factor / (square + 2.0 * _dot(row_momentum, inserted_momentum).real)
    behind_column = factor / (square + 2.0 * _dot(column_momentum, inserted_momentum).real)
    row_sum = row_momentum + inserted_momentum
    column_sum = column_momentum + inserted_momentum
    off_rows = np.empty((2, 4), dtype=np.complex128)
    off_columns = np.empty((2, 4), dtype=np.complex128)
    first = np.empty(4, dtype=np.complex128)
    for k in range(len(inserted)):
        for h in range(2):
            # ψ̄ c̸ (p̸ + K̸ + m)
            _row_slash(inserted[k], row[h], first)
            _row_slash(row_sum, first, off_rows[h])
            for i in range(4):
                off_rows[h, i] += mass * first[i]
        for h in range(columns):
            # (−p̸' − K̸ + m) c̸ ψ
            _slash_column(inserted[k], column[h], first)
            _slash_column(column_sum, first, off_columns[h])
            for i in range(4):
                off_columns[h, i] = mass * first[i] - off_columns[h, i]
        for h in range(columns):
            for j in range(2):
                _add_current(off_rows[j], column[h], behind_row, result[k, h, j])
                _add_current(row[j], off_columns[h], behind_column, result[k, h, j])


@compiled
def _event_amplitudes(
    row: ComplexArray,
    column: ComplexArray,
    row_momentum: FloatArray,
    column_momentum: FloatArray,
    mass: FloatArray,
    helicities: int,
    amplitude: ComplexArray,
) -> None:
    """Put the amplitudes of one event into `amplitude`, shape (helicities, 2, 4, 4), without the coupling."""
    row_p, column_p = row_momentum.astype(np.complex128), column_momentum.astype(np.complex128)
    photon = row_p + column_p
    square = np.empty(3)
    currents = np.zeros((3, 4, 4), dtype=np.complex128)
    for line in range(3):
        square[line] = _dot(photon[line], photon[line]).real
        for h in range(2):
            for j in range(2):
                _add_current(row[line, j], column[line, h], 1.0, currents[line, 2 * h + j])
    beam = np.zeros((4, helicities, 2, 4), dtype=np.complex128)
    tau = np.zeros((4, 2, 2, 4), dtype=np.complex128)
    lepton = np.zeros((4, 2, 2, 4), dtype=np.complex128)
    add_tensor(
        row[0], column[0], row_p[0], column_p[0], mass[0], currents[2], photon[2],
        1.0 / (square[1] * square[2]), helicities, beam,
    )  # fmt: skip
    add_tensor(
        row[1], column[1], row_p[1], column_p[1], mass[1], currents[2], photon[2],
        1.0 / (square[0] * square[2]), 2, tau,
    )  # fmt: skip
    add_tensor(
        row[2], column[2], row_p[2], column_p[2], mass[2], currents[1], photon[1],
        1.0 / (square[0] * square[1]), 2, lepton,
    )  # fmt: skip
    final = np.empty(4, dtype=np.complex128)
    for t in range(4):
        for k in range(4):
            for i in range(4):
                final[i] = tau[k, t // 2, t % 2, i] + lepton[t, k // 2, k % 2, i]
            for h in range(helicities):
                for j in range(2):
                    amplitude[h, j, t, k] = _dot(final, currents[0, 2 * h + j]) + _dot(beam[k, h, j], currents[1, t])


@compiled
def amplitude_table(
    row: ComplexArray, column: ComplexArray, row_momentum: FloatArray, column_momentum: FloatArray, mass: FloatArray
) -> ComplexArray:
    """Return the amplitudes of three lines without the coupling, shape (N, 2, 2, 4, 4).

    Axes: event; column and row of the first line; column and row together of the second and the third. Arguments are
    the fields of `models.theory.four_lepton.FermionLines`.
    """
    n = row.shape[1]
    amplitudes = np.empty((n, 2, 2, 4, 4), dtype=np.complex128)
    for event in range(n):
        _event_amplitudes(
            row[:, event], column[:, event], row_momentum[:, event], column_momentum[:, event], mass, 2,
            amplitudes[event],
        )  # fmt: skip
    return amplitudes


@compiled
def summed_squares(
    row: ComplexArray, column: ComplexArray, row_momentum: FloatArray, column_momentum: FloatArray, mass: FloatArray
) -> FloatArray:
    """Return Σ|M|² for the first helicity of the electron, without the coupling, shape (N,)."""
    n = row.shape[1]
    summed = np.zeros(n)
    amplitude = np.empty((1, 2, 4, 4), dtype=np.complex128)
    for event in range(n):
        _event_amplitudes(
            row[:, event], column[:, event], row_momentum[:, event], column_momentum[:, event], mass, 1, amplitude
        )
        for value in amplitude.flat:
            summed[event] += value.real**2 + value.imag**2
    return summed
