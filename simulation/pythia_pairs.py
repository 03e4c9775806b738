"""A source of hard processes for Pythia: pairs of particles made in array code, taken up one event after another."""

from __future__ import annotations

from typing import Final

import numpy as np
import pythia8mc
from numpy.typing import NDArray

PAIR_SETTINGS: Final = (
    "Beams:frameType = 5",
    "PDF:lepton = off",
    "PartonLevel:ISR = off",
    "PartonLevel:MPI = off",
    "LesHouches:setLeptonMass = 0",
)
"""Settings with which Pythia takes such pairs as they are, without structure of the beams."""
_UNWEIGHTED: Final = 3
_PROCESS: Final = 1
_NO_SPIN: Final = 9.0
_INCOMING, _OUTGOING = -1, 1


class PairSource(pythia8mc.LHAup):  # type: ignore[misc]  # Pythia's extension module has no types
    """Pairs at rest in the centre-of-mass frame of colliding e⁻e⁺, in the Les Houches convention.

    Pythia asks for one event at a time, from C++. After the last pair it starts again from the first one: that happens
    only when Pythia gave up on some events and has to replace them.
    """

    def __init__(self, pdg: NDArray[np.int64], momentum: NDArray[np.float64], mass_gev: NDArray[np.float64]) -> None:
        """Take pairs of PDG codes, shape (n, 2), four-momenta in GeV, shape (n, 2, 4), and masses, shape (n, 2)."""
        pythia8mc.LHAup.__init__(self, _UNWEIGHTED)
        self._pairs = [
            [(code, *four, mass) for code, four, mass in zip(codes, fours, masses, strict=True)]
            for codes, fours, masses in zip(pdg.tolist(), momentum.tolist(), mass_gev.tolist(), strict=True)
        ]
        self._next = 0

    def setInit(self) -> bool:  # noqa: N802  (name given by Pythia)
        """Declare the beams and the one process."""
        beam_energy = 0.5 * sum(particle[4] for particle in self._pairs[0])
        self.setBeamA(11, beam_energy, 0, 0)
        self.setBeamB(-11, beam_energy, 0, 0)
        self.addProcess(_PROCESS, 1.0, 0.0, 1.0)
        return True

    def setEvent(self, process: int = 0) -> bool:  # noqa: N802, ARG002  (name and argument given by Pythia)
        """Hand over the next pair."""
        pair = self._pairs[self._next % len(self._pairs)]
        self._next += 1
        energy = sum(particle[4] for particle in pair)
        self.setProcess(_PROCESS, 1.0, energy)
        for beam, direction in ((11, 0.5), (-11, -0.5)):
            self.addParticle(
                beam, _INCOMING, 0, 0, 0, 0, 0.0, 0.0, direction * energy, 0.5 * energy, 0.0, 0.0, _NO_SPIN
            )
        for code, px, py, pz, e, mass in pair:
            self.addParticle(code, _OUTGOING, 1, 2, 0, 0, px, py, pz, e, mass, 0.0, _NO_SPIN)
        return True
