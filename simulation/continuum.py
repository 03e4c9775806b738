"""e⁺e⁻ → qq̄ with initial-state radiation, showers and hadronisation by Pythia."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulation.charm_decays import boost_semileptonic_charm
from simulation.configuration import ContinuumConfig
from simulation.detector.species import CHARGED_SPECIES, is_one_of
from simulation.generated import FINAL_STATE, GeneratedEvents
from simulation.hadronic_multiplicity import multiplicity_enrichment
from simulation.importance import NATURAL, ImportanceSampling
from simulation.pythia_events import event_batches, pythia_seed, start_pythia

PURPOSE: Final = "qq̄ continuum"
_LIGHT_AND_CHARM_QUARKS: Final = "1 2 3 4"


def continuum_events(
    n: int,
    batch: int,
    sqrt_s_gev: float,
    config: ContinuumConfig,
    rng: np.random.Generator,
    importance: ImportanceSampling = NATURAL,
) -> Iterator[GeneratedEvents]:
    """Yield batches of e⁺e⁻ → qq̄ events, q = u, d, s, c, in the centre-of-mass frame, neutral pions undecayed.

    With `semileptonic_boost`, charm hadrons decay to leptons more often. With `low_multiplicity_enrichment`, events of
    multiplicities that rarely make four tracks are kept with less probability, and those kept count for those left out:
    there are then fewer than `n` events, whose weights add up to `n` on average.

    Parameters
    ----------
    n
        Number of events that Pythia makes.
    batch
        Most events in a batch.
    sqrt_s_gev
        Centre-of-mass energy.
    config
        Smallest hadronic mass, and how the chance of four tracks is estimated.
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
    charm = boost_semileptonic_charm(pythia, importance.semileptonic_boost)
    for events in event_batches(pythia, n, batch, PURPOSE):
        kept_fraction = _kept_fraction(events, config, importance)
        weighted = events.reweighted(charm.weight(events) / kept_fraction)
        yield weighted.select(rng.random(events.n_events) < kept_fraction)


def _kept_fraction(
    events: GeneratedEvents, config: ContinuumConfig, importance: ImportanceSampling
) -> NDArray[np.float64]:
    """Return the probability to go on with each event, shape (n_events,)."""
    charged = is_one_of(events.pdg, CHARGED_SPECIES) & (events.status == FINAL_STATE)
    n_charged = np.bincount(events.event_index[charged], minlength=events.n_events)
    enrichment = importance.low_multiplicity_enrichment
    return np.minimum(multiplicity_enrichment(n_charged, enrichment, config.multiplicity) / enrichment, 1.0)
