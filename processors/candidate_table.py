"""From events that may hold a φ to the rows of a candidate file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.errors import LeptophileError
from models.search import Search
from processors.configuration import CandidateSettings
from processors.correction_sets import CorrectionSets
from processors.corrections import CorrectedEvents, TrackCoordinates, corrected_weights
from processors.cutflow import Cut, Cutflow, EventCounter
from processors.features import candidate_features
from processors.four_track_events import FourTrackEvents
from processors.phi_candidates import PhiCandidates, true_candidates
from processors.selection import (
    LeptonFlags,
    MissingMomentum,
    identify_leptons,
    missing_momentum,
    track_four_momenta,
)
from processors.topology_features import topology_features

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


def passes_missing_momentum(events: FourTrackEvents, settings: CandidateSettings) -> NDArray[np.bool_]:
    """Return which events pass the requirements on the missing momentum, shape (n_events,)."""
    missing = _missing_momentum(_with_counted_photons(events, settings), settings)
    return missing.mass_passes(settings.missing_momentum) & missing.angle_passes(settings.missing_momentum)


def select_candidates(
    events: FourTrackEvents,
    candidates: PhiCandidates,
    search: Search,
    settings: CandidateSettings,
    corrections: CorrectionSets,
    counter: EventCounter | None = None,
    *,
    varied_weights: bool = True,
) -> SelectedCandidates:
    """Return the candidates of events that have a lepton pair.

    Parameters
    ----------
    events
        Events of net charge zero with an identified lepton of either charge, kinematics possibly shifted.
    candidates
        φ candidates of these events.
    search
        What is searched for.
    settings
        The selection.
    corrections
        That weights are corrected with.
    counter
        Counts what passes; without, all events are independent.
    varied_weights
        Whether columns of varied weights are wanted.

    Returns
    -------
    Rows and the remaining cuts.

    Raises
    ------
    CandidateColumnError
        If anything computed is not a finite number.
    CorrectionError
        If a correction does not cover an event.
    """
    events = _with_counted_photons(events, settings)
    missing = _missing_momentum(events, settings)
    mass_passes = missing.mass_passes(settings.missing_momentum)
    passes = mass_passes & missing.angle_passes(settings.missing_momentum)
    counter = counter or EventCounter()
    cutflow = {
        cut: counter.count(events.weight[mask], events.run[mask], events.event[mask])
        for cut, mask in ((Cut.MISSING_MASS, mass_passes), (Cut.MISSING_ANGLE, passes))
    }
    found = np.zeros(events.n_events, dtype=bool)
    found[candidates.event] = True
    kept = passes & found
    events, missing, candidates = events.select(kept), _select(missing, kept), candidates.of_events(kept)
    cutflow[Cut.PHI_CANDIDATE] = counter.count(events.weight, events.run, events.event)
    columns = _columns(events, missing, candidates, search, settings)
    if events.truth is not None:
        columns |= _truth_columns(events, candidates, search, corrections, columns, varied=varied_weights)
    _require_finite(columns)
    return SelectedCandidates(columns, cutflow, candidates.n_in_event)


def _with_counted_photons(events: FourTrackEvents, settings: CandidateSettings) -> FourTrackEvents:
    return replace(events, photons=events.photons.above(settings.features.min_photon_energy_gev))


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
    return {
        "experiment": events.experiment.astype(np.int32),
        "run": events.run.astype(np.int32),
        "event": events.event.astype(np.int32),
        **candidate_features(events, leptons, missing, candidates, channel, settings.features),
        **topology_features(
            events,
            candidates,
            track_four_momenta(events.momentum_gev, leptons),
            channel,
            settings.positron_direction,
            settings.features.no_photon_mass_gev,
        ),
        "m_ll_gev": candidates.mass_gev,
        "m_ll_error_gev": candidates.mass_error_gev.astype(np.float32),
        "n_candidates": candidates.n_in_event.astype(np.int16),
        "weight": events.weight,
    }


def _truth_columns(
    events: FourTrackEvents,
    candidates: PhiCandidates,
    search: Search,
    corrections: CorrectionSets,
    columns: Columns,
    *,
    varied: bool,
) -> Columns:
    """Return what only simulation has: corrected weights, and the truth about the candidate."""
    assert events.truth is not None
    row = candidates.event[:, np.newaxis]
    tracks = TrackCoordinates.of(events.momentum_gev, events.charge)
    of_candidates = CorrectedEvents(
        generator_weight=events.weight,
        tracks=tracks,
        daughters=TrackCoordinates(*(column[row, candidates.daughters] for column in tracks)),
        daughter_pdg=events.truth.pdg[row, candidates.daughters],
        daughter_kaon_likelihood=events.kaon_likelihood[row, candidates.daughters],
        visible_energy_cm_gev=columns["visible_energy_cm_gev"].astype(np.float64),
    )
    weights = corrected_weights(of_candidates, search.channel, corrections, varied=varied)
    return {
        "weight": weights.nominal,
        **{f"weight_{source}_up": weight for source, weight in weights.up.items()},
        **{f"weight_{source}_down": weight for source, weight in weights.down.items()},
        "is_true_candidate": true_candidates(events.truth, candidates, search.channel),
        "true_proper_length_mm": events.truth.proper_length_mm,
    }


def _require_finite(columns: Columns) -> None:
    for name, column in columns.items():
        finite = np.isfinite(column)
        if not finite.all():
            first = int(np.argmin(finite))
            event = ", ".join(f"{key} {columns[key][first]}" for key in ("experiment", "run", "event"))
            raise CandidateColumnError(f"candidate column '{name}' is {column[first]} in {event}")
