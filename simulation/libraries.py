"""The libraries of decays that a production's events are made from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from simulation.decay_library import DecayLibrary
from simulation.tau_library import TauDecayLibrary


class LibraryRole(StrEnum):
    """Which samples a library of decays serves: pseudo-data share nothing with Monte Carlo."""

    MONTE_CARLO = "mc"
    PSEUDO_DATA = "data"


class LibraryKind(StrEnum):
    """Whose decays a library holds."""

    TAU = "tau"
    B = "b"

    def file_name(self, role: LibraryRole) -> str:
        """Return the name of the library's file.

        >>> LibraryKind.TAU.file_name(LibraryRole.MONTE_CARLO)
        'tau_library_mc.npz'
        """
        return f"{self}_library_{role}.npz"


@dataclass(frozen=True)
class DecayLibraries:
    """The libraries of one role, each read when it is asked for.

    A library that cannot be read raises `BadInputError`.
    """

    folder: Path
    role: LibraryRole

    @cached_property
    def tau(self) -> TauDecayLibrary:
        """Decays of τ⁻."""
        return TauDecayLibrary.load(self.folder / LibraryKind.TAU.file_name(self.role))

    @cached_property
    def b(self) -> DecayLibrary:
        """Decays of B⁺ and B⁰."""
        return DecayLibrary.load(self.folder / LibraryKind.B.file_name(self.role))
