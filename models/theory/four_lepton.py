"""Helicity amplitudes of e⁺e⁻ → τ⁺τ⁻ℓ⁺ℓ⁻ in QED at tree level, all masses kept.

Three fermion lines exchange two photons: one line, the middle one, has two vertices, each of the others has one. With
three choices of the middle line and two orders of its vertices there are six diagrams,

    M = e⁴ Σ_m [ψ̄ (c̸_b S γ·c_a + γ·c_a S c̸_b) ψ'] / (K_a² K_b²),

where c are the currents of the two end lines and K their momenta. For ℓ = e the outgoing electron can also be that of
the beam: six more diagrams with the electron lines connected the other way and the opposite sign. The Z is left out:
its share is below 10⁻³ as for τ pairs.

Spinors are those of `models.theory.spinors`. The lines are written with all momenta outgoing, so that the beams enter
with reversed momenta.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.constants import ALPHA_EM, ELECTRON_MASS_GEV, TAU_MASS_GEV
from models.theory.spinors import Momenta, outgoing_antifermions, outgoing_fermions

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]

_COUPLING: Final = (4.0 * np.pi * ALPHA_EM) ** 2
"""e⁴."""


class FourLeptons(NamedTuple):
    """Momenta (E, px, py, pz) in GeV of the final state in the c.m. frame, electron beam along +z, each (N, 4)."""

    tau_minus: Momenta
    tau_plus: Momenta
    lepton_minus: Momenta
    lepton_plus: Momenta

    @property
    def energy_gev(self) -> FloatArray:
        """Centre-of-mass energy of each event, shape (N,)."""
        energy: FloatArray = self.tau_minus[:, 0] + self.tau_plus[:, 0] + self.lepton_minus[:, 0]
        return energy + self.lepton_plus[:, 0]


class FermionLines(NamedTuple):
    """The three fermion lines of each event: beams, τ, ℓ."""

    row: ComplexArray
    """ψ̄ of the outgoing fermion or incoming antifermion, shape (3, N, 2, 4): [line, event, helicity, component]."""
    column: ComplexArray
    """ψ of the outgoing antifermion or incoming fermion, likewise."""
    row_momentum: FloatArray
    """Outgoing momentum (E, px, py, pz) at the row's end, shape (3, N, 4); negative for an incoming particle."""
    column_momentum: FloatArray
    mass_gev: FloatArray
    """Shape (3,)."""

    def exchanged(self) -> "FermionLines":
        """Return the lines with the beams' positron and the outgoing lepton of negative charge exchanged."""
        order = [2, 1, 0]
        return self._replace(row=self.row[order].copy(), row_momentum=self.row_momentum[order].copy())


def fermion_lines(events: FourLeptons, lepton_mass_gev: float) -> FermionLines:
    """Return spinors and momenta of the three fermion lines.

    Parameters
    ----------
    events
        The final state.
    lepton_mass_gev
        Mass of ℓ.
    """
    beam = 0.5 * events.energy_gev
    along = np.sqrt((beam - ELECTRON_MASS_GEV) * (beam + ELECTRON_MASS_GEV))
    zero = np.zeros_like(beam)
    electron = np.column_stack([beam, zero, zero, along])
    positron = np.column_stack([beam, zero, zero, -along])
    # ū and v of outgoing particles are Dirac adjoints of u and v̄: conjugate and exchange the chiral halves.
    columns = [
        _adjoint(outgoing_fermions(electron, ELECTRON_MASS_GEV)),
        outgoing_antifermions(events.tau_plus, TAU_MASS_GEV),
        outgoing_antifermions(events.lepton_plus, lepton_mass_gev),
    ]
    rows = [
        _adjoint(outgoing_antifermions(positron, ELECTRON_MASS_GEV)),
        outgoing_fermions(events.tau_minus, TAU_MASS_GEV),
        outgoing_fermions(events.lepton_minus, lepton_mass_gev),
    ]
    return FermionLines(
        row=np.ascontiguousarray(np.stack(rows).transpose(0, 3, 1, 2)),
        column=np.ascontiguousarray(np.stack(columns).transpose(0, 3, 1, 2)),
        row_momentum=np.stack([-positron, events.tau_minus, events.lepton_minus]),
        column_momentum=np.stack([-electron, events.tau_plus, events.lepton_plus]),
        mass_gev=np.array([ELECTRON_MASS_GEV, TAU_MASS_GEV, lepton_mass_gev]),
    )


def four_lepton_amplitudes(
    events: FourLeptons, lepton_mass_gev: float, *, with_exchange: bool = False
) -> NDArray[np.complex128]:
    """Return the helicity amplitudes of e⁺e⁻ → τ⁺τ⁻ℓ⁺ℓ⁻.

    Parameters
    ----------
    events
        The final state.
    lepton_mass_gev
        Mass of ℓ.
    with_exchange
        Whether the outgoing ℓ may be the beams' electrons; only sensible for ℓ = e.

    Returns
    -------
    ndarray
        Shape (N, 2, 2, 2, 2, 2, 2), in GeV⁻²: [event, e⁻, e⁺, τ⁺, τ⁻, ℓ⁺, ℓ⁻], helicities −1 and +1.
    """
    lines = fermion_lines(events, lepton_mass_gev)
    amplitudes = _line_amplitudes(*lines)
    if with_exchange:
        crossed = _line_amplitudes(*lines.exchanged())
        # the exchange has the helicity of e⁺ where the other has that of ℓ⁻
        amplitudes = amplitudes - np.swapaxes(crossed, 2, 6)
    return _COUPLING * amplitudes


def four_lepton_weights(events: FourLeptons, lepton_mass_gev: float) -> FloatArray:
    """Return |M|² in GeV⁻⁴, summed over helicities of the final state and averaged over the beams', shape (N,).

    Without exchange. By parity, the electrons of one helicity give half of it.
    """
    lines = fermion_lines(events, lepton_mass_gev)
    return _COUPLING**2 * 0.5 * _summed_squares(*lines)


def _adjoint(spinors: ComplexArray) -> ComplexArray:
    """Return the Dirac adjoint of spinors of shape (2, 4, N)."""
    adjoint: ComplexArray = spinors[:, [2, 3, 0, 1]].conj()
    return adjoint


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
def _add_tensor(
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
    _add_tensor(
        row[0], column[0], row_p[0], column_p[0], mass[0], currents[2], photon[2],
        1.0 / (square[1] * square[2]), helicities, beam,
    )  # fmt: skip
    _add_tensor(
        row[1], column[1], row_p[1], column_p[1], mass[1], currents[2], photon[2],
        1.0 / (square[0] * square[2]), 2, tau,
    )  # fmt: skip
    _add_tensor(
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
def _amplitude_table(
    row: ComplexArray, column: ComplexArray, row_momentum: FloatArray, column_momentum: FloatArray, mass: FloatArray
) -> ComplexArray:
    n = row.shape[1]
    amplitudes = np.empty((n, 2, 2, 4, 4), dtype=np.complex128)
    for event in range(n):
        _event_amplitudes(
            row[:, event], column[:, event], row_momentum[:, event], column_momentum[:, event], mass, 2,
            amplitudes[event],
        )  # fmt: skip
    return amplitudes


@compiled
def _summed_squares(
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


def _line_amplitudes(
    row: ComplexArray, column: ComplexArray, row_momentum: FloatArray, column_momentum: FloatArray, mass: FloatArray
) -> ComplexArray:
    """Return the amplitudes of three lines, shape (N, 2, 2, 2, 2, 2, 2): column and row helicity of each line."""
    table: ComplexArray = _amplitude_table(row, column, row_momentum, column_momentum, mass)
    return table.reshape(-1, 2, 2, 2, 2, 2, 2)
