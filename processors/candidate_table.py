"""From events that may hold a φ to the rows of a candidate file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.errors import LeptophileError
from models.search import Channel
from processors.configuration import CandidateSettings
from processors.correction_sets import CorrectionSets
from processors.corrections import CorrectedEvents, TrackCoordinates, corrected_weights
from processors.cutflow import Cut
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
    """Candidates of one channel under one kinematics."""

    columns: Columns
    """Name → values, one per kept candidate."""
    event: NDArray[np.intp]
    """Index of each candidate's event among the events that were searched, increasing."""
    n_in_event: NDArray[np.int64]
    """Candidates each event had to choose from."""
    passed: Mapping[Cut, NDArray[np.bool_]]
    """Which events pass, mask of shape (n_events,), from the missing mass on: the cuts before do not depend on
    kinematics."""

    def of_events(self, mask: NDArray[np.bool_]) -> SelectedCandidates:
        """Return the candidates, and what passes, of the events where `mask`, shape (n_events,), is true."""
        rows = mask[self.event]
        return SelectedCandidates(
            {name: column[rows] for name, column in self.columns.items()},
            self.event[rows],
            self.n_in_event[rows],
            {cut: passes & mask for cut, passes in self.passed.items()},
        )


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
    channel: Channel,
    settings: CandidateSettings,
    corrections: CorrectionSets,
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
    channel
        Decay channel of φ.
    settings
        The selection.
    corrections
        That weights are corrected with.
    varied_weights
        Whether columns of varied weights are wanted.

    Returns
    -------
    Candidates and the remaining cuts.

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
    found = np.zeros(events.n_events, dtype=bool)
    found[candidates.event] = True
    kept = passes & found
    events, missing, candidates = events.select(kept), _select(missing, kept), candidates.of_events(kept)
    columns = _columns(events, missing, candidates, channel, settings)
    if events.truth is not None:
        columns |= _truth_columns(events, candidates, channel, corrections, columns, varied=varied_weights)
    _require_finite(columns)
    passed = {Cut.MISSING_MASS: mass_passes, Cut.MISSING_ANGLE: passes, Cut.PHI_CANDIDATE: kept}
    return SelectedCandidates(columns, np.flatnonzero(kept), candidates.n_in_event, passed)


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
    channel: Channel,
    settings: CandidateSettings,
) -> Columns:
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
    channel: Channel,
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
    weights = corrected_weights(of_candidates, channel, corrections, varied=varied)
    return {
        "weight": weights.nominal,
        **{f"weight_{source}_up": weight for source, weight in weights.up.items()},
        **{f"weight_{source}_down": weight for source, weight in weights.down.items()},
        "is_true_candidate": true_candidates(events.truth, candidates, channel),
        "true_proper_length_mm": events.truth.proper_length_mm,
    }


def _require_finite(columns: Columns) -> None:
    for name, column in columns.items():
        finite = np.isfinite(column)
        if not finite.all():
            first = int(np.argmin(finite))
            event = ", ".join(f"{key} {columns[key][first]}" for key in ("experiment", "run", "event"))
            raise CandidateColumnError(f"candidate column '{name}' is {column[first]} in {event}")
