"""Polarimeter vectors of τ⁻ decays: how the density of a decay depends on the spin of the τ.

A decay of given momenta in the rest frame of a τ⁻ of polarisation s has a density ∝ 1 + s·h. For the τ⁺ the same
holds with the h of the CP conjugate decay, whose momenta are reversed. Pythia's helicity matrix elements (P. Ilten,
arXiv:1211.6730) give h for every channel they describe; the few channels that Pythia decays by phase space, 0.3 % in
all, have h = 0 there, as they have no dependence on the spin either.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pythia8mc
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

LEPTONIC_MODE: Final = 1531
"""Pythia's code of the matrix element of leptonic decays."""
_MATRIX_ELEMENTS: Final = {
    1521: "HMETau2Meson",
    LEPTONIC_MODE: "HMETau2TwoLeptons",
    1532: "HMETau2TwoMesonsViaVector",
    1533: "HMETau2TwoMesonsViaVectorScalar",
    1541: "HMETau2ThreePions",
    1542: "HMETau2ThreeMesonsWithKaons",
    1543: "HMETau2ThreeMesonsGeneric",
    1544: "HMETau2TwoPionsGamma",
    1551: "HMETau2FourPions",
    1561: "HMETau2FivePions",
}
_SPIN_DENSITIES: Final = (
    # Unpolarised, then along x, y and z; Pythia counts helicities from −1.
    [[0.5, 0.0], [0.0, 0.5]],
    [[0.5, 0.5], [0.5, 0.5]],
    [[0.5, 0.5j], [-0.5j, 0.5]],
    [[0.0, 0.0], [0.0, 1.0]],
)


class TauPolarimeter:
    """Pythia's matrix elements of τ⁻ decays, evaluated for decays that Pythia has made."""

    def __init__(self, pythia: pythia8mc.Pythia) -> None:
        self._particle_data = pythia.particleData
        self._matrix_elements = {mode: getattr(pythia8mc, name)() for mode, name in _MATRIX_ELEMENTS.items()}
        for matrix_element in self._matrix_elements.values():
            matrix_element.initPointers(pythia.particleData, pythia.coupSM, pythia.settings)

    def __call__(self, event: pythia8mc.Event, tau: int, mode: int) -> FloatArray:
        """Return the polarimeter vector of one decay from Pythia's matrix element.

        Parameters
        ----------
        event
            Pythia's event record.
        tau
            Line of a τ⁻ that moves along +z and has decayed.
        mode
            Pythia's code of the matrix element of its decay channel.

        Returns
        -------
        Shape (3,), in the axes of the event record; zero if the channel has no matrix element.
        """
        if mode not in self._matrix_elements:
            return np.zeros(3)
        lines = range(event[tau].daughter1(), event[tau].daughter2() + 1)
        particles = [pythia8mc.HelicityParticle(event[line], self._particle_data) for line in (tau, *lines)]
        for particle, direction in zip(particles, (-1, *[1] * len(lines)), strict=True):
            particle.direction = direction
        matrix_element = self._matrix_elements[mode].initChannel(particles)
        weights = []
        for density in _SPIN_DENSITIES:
            particles[0].rho = density
            weights.append(matrix_element.decayWeight(particles))
        return np.asarray(np.array(weights[1:]) / weights[0] - 1.0)


def leptonic_polarimeter(antineutrino: FloatArray) -> FloatArray:
    """Return the polarimeter vector of τ⁻ → ℓ⁻ν̄ν: the direction of the antineutrino in the τ rest frame.

    |M|² ∝ (p_τ − m_τ s)·p_ν̄ p_ℓ·p_ν (Tsai 1971), which is much quicker than Pythia's general evaluation.

    Parameters
    ----------
    antineutrino
        Momenta in the rest frame of the τ⁻, shape (n, 3) or more components.
    """
    momentum = antineutrino[:, :3]
    direction: FloatArray = momentum / np.linalg.norm(momentum, axis=1)[:, None]
    return direction
