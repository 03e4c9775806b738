"""What is searched for where: the decay channels, the searches made in them, and the processes that populate them."""

from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.constants import ELECTRON_MASS_GEV, MUON_MASS_GEV

PHI_PDG: Final = 25
"""PDG code that stands for φ in generator records: the code of a scalar that couples in proportion to mass."""


class Channel(StrEnum):
    """Decay channel of φ; one classifier is trained per channel."""

    EE = "ee"
    MUMU = "mumu"

    @property
    def lepton_mass_gev(self) -> float:
        """Mass of the φ daughters."""
        return ELECTRON_MASS_GEV if self is Channel.EE else MUON_MASS_GEV

    @property
    def lepton_pdg(self) -> int:
        """PDG code of the negative φ daughter."""
        return 11 if self is Channel.EE else 13


class MassWindow(NamedTuple):
    """Range of the candidate mass m(ℓℓ) that a search histograms and fits."""

    low_gev: float
    high_gev: float

    def contains(self, mass_gev: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which masses are inside, shape as `mass_gev`."""
        return (mass_gev >= self.low_gev) & (mass_gev < self.high_gev)


class Search(StrEnum):
    """A selection of events that is histogrammed and fitted together.

    `EE_DISPLACED` is the `ee` channel with tracks accepted further from the interaction point; it serves
    the mass points below 0.1 GeV, where φ flies. The other two use the tight track requirement.
    """

    EE_DISPLACED = "ee_displaced"
    EE = "ee"
    MUMU = "mumu"

    @property
    def channel(self) -> Channel:
        """Decay channel the search is made in."""
        return Channel.MUMU if self is Search.MUMU else Channel.EE

    @property
    def window(self) -> MassWindow:
        """Candidate-mass window, from threshold to the end of the published fits.

        >>> Search.EE.window.high_gev
        0.25
        """
        high = 7.0 if self is Search.MUMU else 0.25
        return MassWindow(2.0 * self.channel.lepton_mass_gev, high)


class Process(StrEnum):
    """Physics process of a sample; the component names of histograms, scale factors and fits."""

    SIGNAL = "signal"
    TAUTAU = "tautau"
    BHABHA = "bhabha"
    DIMUON = "dimuon"
    QQBAR = "qqbar"
    BBBAR = "bbbar"
    TWOPHOTON = "twophoton"
    TAUTAULL = "tautaull"
    DATA = "data"
    UNKNOWN = "unknown"
    """Simulation of which nobody has said what it is; it can be stored, but not be analysed."""

    @property
    def is_background(self) -> bool:
        """Whether this is a simulated background component."""
        return self not in (Process.SIGNAL, Process.DATA, Process.UNKNOWN)


BACKGROUNDS = tuple(process for process in Process if process.is_background)


def classifier_classes(channel: Channel) -> tuple[Process, ...]:
    """Return the five classes of a channel's classifier, in the order of its score columns.

    >>> [str(c) for c in classifier_classes(Channel.MUMU)]
    ['signal', 'tautau', 'dimuon', 'qqbar', 'bbbar']
    """
    dilepton = Process.BHABHA if channel is Channel.EE else Process.DIMUON
    return (Process.SIGNAL, Process.TAUTAU, dilepton, Process.QQBAR, Process.BBBAR)
