"""A source of hard processes for Pythia, made in array code and taken up one event after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import pythia8mc
from numpy.typing import NDArray

from simulation.generated import GeneratedEvents
from simulation.pythia_events import event_batches, pythia_seed, start_pythia

HARD_PROCESS_SETTINGS: Final = (
    "Beams:frameType = 5",
    "PDF:lepton = off",
    "PartonLevel:ISR = off",
    "PartonLevel:FSR = off",
    "PartonLevel:MPI = off",
    "LesHouches:setLeptonMass = 0",
)
"""Settings with which Pythia takes such processes as they are: no structure of the beams, no showers."""
_UNWEIGHTED: Final = 3
_PROCESS: Final = 1
_NO_SPIN: Final = 9.0
_INCOMING, _OUTGOING = -1, 1


class HardProcesses(NamedTuple):
    """Outgoing particles of n hard processes, k each, in the c.m. frame of colliding e⁻e⁺."""

    pdg: NDArray[np.int64]
    """Shape (n, k)."""
    momentum: NDArray[np.float64]
    """Four-momenta in GeV, shape (n, k, 4)."""
    mass_gev: NDArray[np.float64]
    """Shape (n, k)."""
    colour: NDArray[np.int64]
    """Les Houches colour and anticolour tags, shape (n, k, 2); zero for what has none."""


class HardProcessSource(pythia8mc.LHAup):  # type: ignore[misc]  # Pythia's extension module has no types
    """Hands hard processes to Pythia in the Les Houches convention.

    Pythia asks for one event at a time, from C++. After the last one it starts again from the first: that happens only
    when Pythia gave up on some events and has to replace them.
    """

    def __init__(self, processes: HardProcesses, sqrt_s_gev: float) -> None:
        pythia8mc.LHAup.__init__(self, _UNWEIGHTED)
        self._events = list(zip(*(column.tolist() for column in processes), strict=True))
        self._sqrt_s_gev = sqrt_s_gev
        self._next = 0

    def setInit(self) -> bool:  # noqa: N802  (name given by Pythia)
        """Declare the beams and the one process."""
        self.setBeamA(11, 0.5 * self._sqrt_s_gev, 0, 0)
        self.setBeamB(-11, 0.5 * self._sqrt_s_gev, 0, 0)
        self.addProcess(_PROCESS, 1.0, 0.0, 1.0)
        return True

    def setEvent(self, process: int = 0) -> bool:  # noqa: N802, ARG002  (name and argument given by Pythia)
        """Hand over the next hard process."""
        event = self._events[self._next % len(self._events)]
        self._next += 1
        energy = 0.5 * self._sqrt_s_gev
        self.setProcess(_PROCESS, 1.0, self._sqrt_s_gev)
        for beam, along in ((11, energy), (-11, -energy)):
            self.addParticle(beam, _INCOMING, 0, 0, 0, 0, 0.0, 0.0, along, energy, 0.0, 0.0, _NO_SPIN)
        for code, momentum, mass, colours in zip(*event, strict=True):
            self.addParticle(code, _OUTGOING, 1, 2, *colours, *momentum, mass, 0.0, _NO_SPIN)
        return True


def continued_events(
    processes: HardProcesses,
    batch: int,
    sqrt_s_gev: float,
    rng: np.random.Generator,
    purpose: str,
    settings: Sequence[str] = (),
) -> Iterator[GeneratedEvents]:
    """Yield batches of the events that Pythia makes of hard processes by hadronisation and decays, one for each.

    Parameters
    ----------
    processes
        What comes out of the collisions.
    batch
        Most events in a batch.
    sqrt_s_gev
        Centre-of-mass energy.
    rng
        Random stream that Pythia's seed is taken from.
    purpose
        What is generated, for the message of a failure.
    settings
        Further lines as Pythia reads them.

    Raises
    ------
    PythiaError
        If Pythia cannot be set up or gives up.
    """
    # Pythia keeps no reference to the Python side of the source: it has to live as long as this generator.
    source = HardProcessSource(processes, sqrt_s_gev)
    pythia = start_pythia((*HARD_PROCESS_SETTINGS, *settings), pythia_seed(rng), purpose, lha_up=source)
    yield from event_batches(pythia, len(processes.pdg), batch, purpose)
