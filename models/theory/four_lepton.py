"""Helicity amplitudes of e⁺e⁻ → τ⁺τ⁻ℓ⁺ℓ⁻ in QED at tree level, all masses kept.

Three fermion lines exchange two photons: one line, the middle one, has two vertices, each of the others has one. With
three choices of the middle line and two orders of its vertices there are six diagrams,

    M = e⁴ Σ_m [ψ̄ (c̸_b S γ·c_a + γ·c_a S c̸_b) ψ'] / (K_a² K_b²),

where c are the currents of the two end lines and K their momenta. For ℓ = e the outgoing electron can also be that of
the beam: six more diagrams with the electron lines connected the other way and the opposite sign. The Z is left out:
its share is below 10⁻³ as for τ pairs.

The sums are in `four_lepton_kernel`, the spinors those of `models.theory.spinors`. The lines are written with all
momenta outgoing, so that the beams enter with reversed momenta.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.constants import ALPHA_EM, ELECTRON_MASS_GEV, TAU_MASS_GEV
from models.theory.four_lepton_kernel import amplitude_table, summed_squares
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
    amplitudes = _COUPLING * _line_amplitudes(*lines)
    return amplitudes - exchange_amplitudes(events, lepton_mass_gev) if with_exchange else amplitudes


def exchange_amplitudes(events: FourLeptons, lepton_mass_gev: float) -> NDArray[np.complex128]:
    """Return the helicity amplitudes of the six diagrams in which the outgoing ℓ is the electron of the beam.

    Arguments and shape are those of `four_lepton_amplitudes`, from which these are subtracted.
    """
    crossed = _line_amplitudes(*fermion_lines(events, lepton_mass_gev).exchanged())
    # the exchange has the helicity of e⁺ where the other has that of ℓ⁻
    return _COUPLING * np.swapaxes(crossed, 2, 6)


def four_lepton_weights(events: FourLeptons, lepton_mass_gev: float) -> FloatArray:
    """Return |M|² in GeV⁻⁴, summed over helicities of the final state and averaged over the beams', shape (N,).

    Without exchange. By parity, the electrons of one helicity give half of it.
    """
    lines = fermion_lines(events, lepton_mass_gev)
    return _COUPLING**2 * 0.5 * summed_squares(*lines)


def _adjoint(spinors: ComplexArray) -> ComplexArray:
    """Return the Dirac adjoint of spinors of shape (2, 4, N)."""
    adjoint: ComplexArray = spinors[:, [2, 3, 0, 1]].conj()
    return adjoint


def _line_amplitudes(
    row: ComplexArray, column: ComplexArray, row_momentum: FloatArray, column_momentum: FloatArray, mass: FloatArray
) -> ComplexArray:
    """Return the amplitudes of three lines, shape (N, 2, 2, 2, 2, 2, 2): column and row helicity of each line."""
    table: ComplexArray = amplitude_table(row, column, row_momentum, column_momentum, mass)
    return table.reshape(-1, 2, 2, 2, 2, 2, 2)
