"""Leaving out events that cannot have four good tracks, before the detector spends time on them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulation.configuration import SkimConfig
from simulation.detector.species import CHARGED_SPECIES, PHOTON, is_one_of
from simulation.generated import FINAL_STATE, GeneratedEvents

BoolArray = NDArray[np.bool_]


def may_pass_skim(events: GeneratedEvents, config: SkimConfig) -> BoolArray:
    """Return which laboratory events can still pass the skim once photons convert, shape (n_events,).

    Conversion only adds charged particles: two at most for each photon with the least transverse momentum, at whatever
    angle, because the pair need not fly exactly along the photon.
    """
    n_charged = charged_in_acceptance(events, config)
    photons = np.flatnonzero((events.pdg == PHOTON) & (events.status == FINAL_STATE))
    photons = photons[np.hypot(events.px[photons], events.py[photons]) > config.pt_min_gev]
    most = n_charged + 2 * np.bincount(events.event_index[photons], minlength=events.n_events)
    return np.asarray((most >= config.n_charged_min) & (n_charged <= config.n_charged_max))


def passes_skim(events: GeneratedEvents, config: SkimConfig) -> BoolArray:
    """Return which laboratory events have a charged multiplicity worth reconstructing, shape (n_events,).

    Photons must have been converted before.
    """
    n_charged = charged_in_acceptance(events, config)
    return np.asarray((n_charged >= config.n_charged_min) & (n_charged <= config.n_charged_max))


def charged_in_acceptance(events: GeneratedEvents, config: SkimConfig) -> NDArray[np.int64]:
    """Return the number of stable charged particles in the acceptance of each laboratory event, shape (n_events,)."""
    charged = np.flatnonzero(is_one_of(events.pdg, CHARGED_SPECIES) & (events.status == FINAL_STATE))
    transverse = np.hypot(events.px[charged], events.py[charged])
    polar = np.arctan2(transverse, events.pz[charged])
    low, high = np.deg2rad(config.polar_range_deg)
    inside = (polar > low) & (polar < high) & (transverse > config.pt_min_gev)
    return np.bincount(events.event_index[charged[inside]], minlength=events.n_events)
