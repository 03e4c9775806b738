"""Decays to leptons in Pythia, made more often than in nature, and by how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pythia8mc
from numpy.typing import NDArray

from simulation.detector.species import ELECTRON, MUON, is_one_of
from simulation.generated import DECAYED, GeneratedEvents

FloatArray = NDArray[np.float64]
TAU: Final = 15
PARENTS: Final = (TAU, 221, 223, 411, 421, 431, 4122, 4132, 4232, 4332)
"""PDG codes of what is meant, ascending: τ (from D_s⁺), η and ω (their Dalitz decays) and the charm hadrons that decay
weakly, D⁺, D⁰, D_s⁺, Λ_c⁺, Ξ_c⁰, Ξ_c⁺ and Ω_c⁰."""
_LEPTONS: Final = (ELECTRON, MUON, TAU)


class LeptonDecays:
    """Decays of `PARENTS` in a Pythia that has been initialised, its branching fractions being those of nature."""

    def __init__(self, pythia: pythia8mc.Pythia) -> None:
        """Sort the decay channels by the lepton among their products."""
        self._channels: list[tuple[Any, float, int]] = []
        fractions = np.zeros((len(PARENTS), len(_LEPTONS)))
        for row, code in enumerate(PARENTS):
            entry = pythia.particleData.findParticle(code)
            channels = [entry.channel(index) for index in range(entry.sizeChannels())]
            total = sum(channel.bRatio() for channel in channels)
            for channel in channels:
                products = [abs(channel.product(index)) for index in range(channel.multiplicity())]
                for number, lepton in enumerate(_LEPTONS):
                    if lepton in products:
                        self._channels.append((channel, channel.bRatio(), lepton))
                        fractions[row, number] += channel.bRatio() / total
        self._fractions = fractions

    def boost(self, factors: Mapping[int, float]) -> None:
        """Multiply branching fractions of nature from now on; Pythia divides by the sum of all.

        Parameters
        ----------
        factors
            PDG code of a lepton → factor on decays to it, 1 if not listed.
        """
        for channel, fraction, lepton in self._channels:
            channel.bRatio(fraction * factors.get(lepton, 1.0))

    def density(self, events: GeneratedEvents, factors: Mapping[int, float]) -> FloatArray:
        """Return how much more often events are made with a boost than in nature, shape (n_events,).

        Parameters
        ----------
        events
            Events with all their decayed hadrons, made with whatever boost.
        factors
            As for `boost`.
        """
        factor = np.array([factors.get(lepton, 1.0) for lepton in _LEPTONS])
        other = 1.0 / (1.0 + self._fractions @ (factor - 1.0))
        has_mother = np.flatnonzero(events.mother >= 0)
        mother = events.mother[has_mother] + events.offsets[events.event_index[has_mother]]
        of_decay = np.ones(len(events.pdg))
        for lepton, of_lepton in zip(_LEPTONS, factor, strict=True):
            of_decay[mother[is_one_of(events.pdg[has_mother], (lepton,))]] = of_lepton
        parent = np.flatnonzero(is_one_of(events.pdg, PARENTS) & (events.status == DECAYED))
        row = np.searchsorted(PARENTS, np.abs(events.pdg[parent]))
        logarithm = np.log(of_decay[parent] * other[row])
        return np.exp(np.bincount(events.event_index[parent], logarithm, events.n_events))
