"""φ candidates: every lepton pair fitted to a vertex, and the one that is kept in each event."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from models.helix import Helix
from models.search import PHI_PDG, Channel
from processors.combinatorics import opening_angle, opposite_charge_pairs, other_tracks, smallest_per_event
from processors.configuration import VertexFitSettings
from processors.four_track_events import FourTrackEvents, TrackTruth, unpack_covariance
from processors.selection import N_TRACKS
from processors.vertexing import fit_vertices

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class PhiCandidates:
    """One φ candidate per event that has any, by increasing event; arrays of shape (n_candidates, ...)."""

    event: IntArray
    """Event of each candidate."""
    daughters: IntArray
    """Indices of the positive and the negative daughter among the event's tracks, shape (n_candidates, 2)."""
    tau_tracks: IntArray
    """Indices of the other two tracks, shape (n_candidates, 2)."""
    n_in_event: IntArray
    """Candidates that the event had to choose from."""
    vertex_mm: FloatArray
    """Shape (n_candidates, 3)."""
    chi2: FloatArray
    """Of the vertex fit, one degree of freedom."""
    momentum_gev: FloatArray
    """Of the daughters at the vertex, shape (n_candidates, 2, 3)."""
    mass_gev: FloatArray
    mass_error_gev: FloatArray
    opening_angle_rad: FloatArray
    """Between the daughters in the laboratory."""

    def of_events(self, mask: BoolArray) -> PhiCandidates:
        """Return the candidates of the events where `mask` is true, with their indices among those events."""
        kept = mask[self.event]
        columns = {column.name: getattr(self, column.name)[kept] for column in fields(self)}
        return PhiCandidates(**{**columns, "event": (np.cumsum(mask) - 1)[columns["event"]]})


def find_phi_candidates(
    events: FourTrackEvents, is_lepton: BoolArray, channel: Channel, field_tesla: float, settings: VertexFitSettings
) -> PhiCandidates:
    """Return the kept candidate of each event that has a pair with a good vertex.

    Parameters
    ----------
    events
        Events with four tracks.
    is_lepton
        Tracks identified as the channel's lepton, shape (n_events, 4).
    channel
        Decay channel of φ.
    field_tesla
        Field along +z.
    settings
        Of the vertex fit.

    Returns
    -------
    The candidates with the smallest opening angle at their vertex; events without a candidate have none.
    """
    pairs = opposite_charge_pairs(events.charge, is_lepton)
    (helix_a, covariance_a), (helix_b, covariance_b) = (
        (
            Helix.from_parameters(events.helix[pairs.event, track]),
            unpack_covariance(events.packed_covariance[pairs.event, track]),
        )
        for track in (pairs.positive, pairs.negative)
    )
    fit = fit_vertices(helix_a, covariance_a, helix_b, covariance_b, channel.lepton_mass_gev, field_tesla, settings)
    angle = opening_angle(fit.momentum_gev[:, 0], fit.momentum_gev[:, 1])
    fitted = np.flatnonzero(fit.converged)
    kept = fitted[smallest_per_event(angle[fitted], pairs.event[fitted])]
    chosen = pairs.take(kept)
    return PhiCandidates(
        event=chosen.event,
        daughters=np.stack([chosen.positive, chosen.negative], axis=-1),
        tau_tracks=other_tracks(chosen, N_TRACKS),
        n_in_event=np.bincount(pairs.event[fitted], minlength=events.n_events)[chosen.event],
        vertex_mm=fit.position_mm[kept],
        chi2=fit.chi2[kept],
        momentum_gev=fit.momentum_gev[kept],
        mass_gev=fit.mass_gev[kept],
        mass_error_gev=fit.mass_error_gev[kept],
        opening_angle_rad=angle[kept],
    )


def true_leptons(truth: TrackTruth, candidates: PhiCandidates, channel: Channel) -> BoolArray:
    """Return which daughters are leptons of the channel's flavour in truth, shape (n_candidates, 2)."""
    pdg = truth.pdg[candidates.event[:, np.newaxis], candidates.daughters]
    return np.asarray(np.abs(pdg) == channel.lepton_pdg)


def true_candidates(truth: TrackTruth, candidates: PhiCandidates, channel: Channel) -> BoolArray:
    """Return which candidates are the true one: both daughters match leptons from φ, shape (n_candidates,)."""
    mother = truth.mother_pdg[candidates.event[:, np.newaxis], candidates.daughters]
    return np.asarray(np.all(true_leptons(truth, candidates, channel) & (mother == PHI_PDG), axis=1))
