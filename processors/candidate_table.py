"""From events that may hold a φ to the rows of a candidate file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.errors import LeptophileError
from models.search import Search
from processors.configuration import CandidateSettings
from processors.corrections import corrected_weights
from processors.cutflow import Cut, Cutflow, EventCounter
from processors.features import candidate_features
from processors.four_track_events import FourTrackEvents
from processors.phi_candidates import PhiCandidates, find_phi_candidates, true_candidates, true_leptons
from processors.selection import (
    LeptonFlags,
    MissingMomentum,
    identify_leptons,
    missing_momentum,
    track_four_momenta,
)

Columns = dict[str, NDArray[Any]]


class CandidateColumnError(LeptophileError):
    """A candidate column holds a number that is not finite; the message names the column and the event."""


class SelectedCandidates(NamedTuple):
    """Rows of one search under one kinematics."""

    columns: Columns
    """Name → values, one per kept candidate."""
    cutflow: Cutflow
    """From the missing mass on; the cuts before do not depend on kinematics."""
    n_in_event: NDArray[np.int64]
    """Candidates each event had to choose from."""


def lepton_flags(events: FourTrackEvents, settings: CandidateSettings) -> LeptonFlags:
    """Return which tracks are identified as leptons, masks of shape (n_events, 4)."""
    return identify_leptons(
        events.electron_likelihood, events.muon_likelihood, events.muon_quality, settings.identification
    )


def select_candidates(
    events: FourTrackEvents, search: Search, settings: CandidateSettings, counter: EventCounter | None = None
) -> SelectedCandidates:
    """Return the candidates of events that have a lepton pair.

    Parameters
    ----------
    events
        Events of net charge zero with an identified lepton of either charge, kinematics possibly shifted.
    search
        What is searched for.
    settings
        The selection.
    counter
        Counts what passes; without, all events are independent.

    Returns
    -------
    Rows and the remaining cuts.

    Raises
    ------
    CandidateColumnError
        If anything computed is not a finite number.
    """
    events = replace(events, photons=events.photons.above(settings.features.min_photon_energy_gev))
    missing = _missing_momentum(events, settings)
    mass_passes = missing.mass_passes(settings.missing_momentum)
    passes = mass_passes & missing.angle_passes(settings.missing_momentum)
    counter = counter or EventCounter()
    cutflow = {
        cut: counter.count(events.weight[mask], events.run[mask], events.event[mask])
        for cut, mask in ((Cut.MISSING_MASS, mass_passes), (Cut.MISSING_ANGLE, passes))
    }
    events, missing = events.select(passes), _select(missing, passes)

    is_lepton = lepton_flags(events, settings).of(search.channel)
    candidates = find_phi_candidates(
        events, is_lepton, search.channel, field_tesla=settings.field_tesla, settings=settings.vertex_fit
    )
    found = np.zeros(events.n_events, dtype=bool)
    found[candidates.event] = True
    events, missing = events.select(found), _select(missing, found)
    candidates = replace(candidates, event=np.arange(events.n_events))
    cutflow[Cut.PHI_CANDIDATE] = counter.count(events.weight, events.run, events.event)
    return SelectedCandidates(_columns(events, missing, candidates, search, settings), cutflow, candidates.n_in_event)


def _missing_momentum(events: FourTrackEvents, settings: CandidateSettings) -> MissingMomentum:
    tracks = track_four_momenta(events.momentum_gev, lepton_flags(events, settings))
    return missing_momentum(events.beam, tracks, events.photons.sum_per_event, settings.positron_direction)


def _select(missing: MissingMomentum, mask: NDArray[np.bool_]) -> MissingMomentum:
    return MissingMomentum(*(values[mask] for values in missing))


def _columns(
    events: FourTrackEvents,
    missing: MissingMomentum,
    candidates: PhiCandidates,
    search: Search,
    settings: CandidateSettings,
) -> Columns:
    channel = search.channel
    leptons = lepton_flags(events, settings)
    columns: Columns = {
        "experiment": events.experiment.astype(np.int32),
        "run": events.run.astype(np.int32),
        "event": events.event.astype(np.int32),
        **candidate_features(events, leptons, missing, candidates, channel, settings.features),
        "m_ll_gev": candidates.mass_gev,
        "m_ll_error_gev": candidates.mass_error_gev.astype(np.float32),
        "vertex_chi2": candidates.chi2.astype(np.float32),
        "n_candidates": candidates.n_in_event.astype(np.int16),
        "weight": events.weight,
    }
    if events.truth is not None:
        row = candidates.event[:, np.newaxis]
        weights = corrected_weights(
            events.weight,
            events.momentum_gev[row, candidates.daughters],
            true_leptons(events.truth, candidates, channel),
            channel,
            settings.corrections,
        )
        columns["weight"] = weights.nominal
        for source in weights.up:
            columns[f"weight_{source}_up"] = weights.up[source]
            columns[f"weight_{source}_down"] = weights.down[source]
        columns["is_true_candidate"] = true_candidates(events.truth, candidates, channel)
        columns["true_proper_length_mm"] = events.truth.proper_length_mm
    _require_finite(columns)
    return columns


def _require_finite(columns: Columns) -> None:
    for name, column in columns.items():
        finite = np.isfinite(column)
        if not finite.all():
            first = int(np.argmin(finite))
            event = ", ".join(f"{key} {columns[key][first]}" for key in ("experiment", "run", "event"))
            raise CandidateColumnError(f"candidate column '{name}' is {column[first]} in {event}")
