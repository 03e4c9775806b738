"""Semileptonic decays of charm hadrons in Pythia, made more often than in nature, with the weights that undo it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pythia8mc
from numpy.typing import NDArray

from simulation.detector.species import ELECTRON, MUON, is_one_of
from simulation.generated import DECAYED, GeneratedEvents

FloatArray = NDArray[np.float64]
CHARM_HADRONS: Final = (411, 421, 431, 4122, 4132, 4232, 4332)
"""PDG codes of the charm hadrons that decay weakly: D⁺, D⁰, D_s⁺, Λ_c⁺, Ξ_c⁰, Ξ_c⁺, Ω_c⁰."""
_LEPTONS: Final = (ELECTRON, MUON)


@dataclass(frozen=True)
class CharmWeights:
    """Probability in nature over that in Pythia of the decays of each of `CHARM_HADRONS`."""

    semileptonic: FloatArray
    """Decays to an electron or a muon, shape (n_hadrons,)."""
    other: FloatArray

    def weight(self, events: GeneratedEvents) -> FloatArray:
        """Return the product over the charm hadrons of each event, shape (n_events,)."""
        has_mother = np.flatnonzero(events.mother >= 0)
        mother = events.mother[has_mother] + events.offsets[events.event_index[has_mother]]
        to_lepton = np.zeros(len(events.pdg), dtype=np.bool_)
        to_lepton[mother[is_one_of(events.pdg[has_mother], _LEPTONS)]] = True
        charm = np.flatnonzero(is_one_of(events.pdg, CHARM_HADRONS) & (events.status == DECAYED))
        hadron = np.searchsorted(CHARM_HADRONS, np.abs(events.pdg[charm]))
        of_decay = np.where(to_lepton[charm], self.semileptonic[hadron], self.other[hadron])
        return np.exp(np.bincount(events.event_index[charm], np.log(of_decay), events.n_events))


def boost_semileptonic_charm(pythia: pythia8mc.Pythia, boost: float) -> CharmWeights:
    """Multiply the branching fractions of charm hadrons to electrons and muons in a Pythia that has been initialised.

    Parameters
    ----------
    pythia
        It decays charm hadrons so from now on.
    boost
        Factor, before Pythia divides by the sum of all.

    Returns
    -------
    The weights of the decays.
    """
    sums = []
    for code in CHARM_HADRONS:
        entry = pythia.particleData.findParticle(code)
        channels = [entry.channel(index) for index in range(entry.sizeChannels())]
        leptonic = [
            channel
            for channel in channels
            if any(abs(channel.product(index)) in _LEPTONS for index in range(channel.multiplicity()))
        ]
        sums.append((sum(channel.bRatio() for channel in channels), sum(channel.bRatio() for channel in leptonic)))
        for channel in leptonic:
            channel.bRatio(channel.bRatio() * boost)
    total, to_leptons = np.array(sums).T
    other = 1.0 + (boost - 1.0) * to_leptons / total
    return CharmWeights(semileptonic=other / boost, other=other)
