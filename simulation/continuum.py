"""e⁺e⁻ → qq̄ with initial-state radiation, showers and hadronisation by Pythia."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from simulation.configuration import ContinuumConfig
from simulation.detector.species import ELECTRON, MUON
from simulation.generated import GeneratedEvents, batch_sizes
from simulation.importance import NATURAL, ImportanceSampling
from simulation.lepton_decays import TAU, LeptonDecays
from simulation.pythia_events import event_batches, pythia_seed, start_pythia

PURPOSE: Final = "qq̄ continuum"
_LIGHT_AND_CHARM_QUARKS: Final = "1 2 3 4"
_LEPTONS: Final = (ELECTRON, MUON)


def continuum_events(
    n: int,
    batch: int,
    sqrt_s_gev: float,
    config: ContinuumConfig,
    rng: np.random.Generator,
    importance: ImportanceSampling = NATURAL,
) -> Iterator[GeneratedEvents]:
    """Yield batches of e⁺e⁻ → qq̄ events, q = u, d, s, c, in the centre-of-mass frame, neutral pions undecayed.

    In a share of the events (`semileptonic_share`), charm hadrons and η decay to electrons, or to muons, more often
    than in nature.

    Parameters
    ----------
    n
        Number of events that Pythia makes.
    batch
        Most events in a batch.
    sqrt_s_gev
        Centre-of-mass energy.
    config
        Smallest hadronic mass.
    rng
        Random stream that Pythia's seed is taken from.
    importance
        Which events are sampled more often.

    Raises
    ------
    PythiaError
        If Pythia cannot be set up or gives up.
    """
    settings = (
        "Beams:idA = 11",
        "Beams:idB = -11",
        f"Beams:eCM = {sqrt_s_gev}",
        "PDF:lepton = on",
        "WeakSingleBoson:ffbar2gmZ = on",
        f"23:mMin = {config.hadronic_mass_min_gev}",
        f"PhaseSpace:mHatMin = {config.hadronic_mass_min_gev}",
        "23:onMode = off",
        f"23:onIfAny = {_LIGHT_AND_CHARM_QUARKS}",
    )
    pythia = start_pythia(settings, pythia_seed(rng), PURPOSE)
    decays = LeptonDecays(pythia)
    share, boost = importance.semileptonic_share / len(_LEPTONS), importance.semileptonic_boost
    for size in batch_sizes(n, batch):
        ways = [(round(share * size), dict.fromkeys((lepton, TAU), boost)) for lepton in _LEPTONS]
        ways.append((size - sum(number for number, _ in ways), {}))
        parts = []
        for number, factors in ways:
            decays.boost(factors)
            parts += list(event_batches(pythia, number, batch, PURPOSE))
        events = GeneratedEvents.concatenate(parts)
        # However an event was made, each way could have made it: its density is that of their mixture.
        density = np.sum([number * decays.density(events, factors) for number, factors in ways], axis=0) / size
        yield events.reweighted(1.0 / density)
