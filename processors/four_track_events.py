"""Events with four good tracks as regular arrays: all that is known about the few events that survive."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.constants import NEUTRAL_PION_MASS_GEV
from models.helix import Helix
from models.kinematics import mass_of
from models.search import PHI_PDG
from processors.chunk import Chunk
from processors.ntuple import COVARIANCE_INDICES, HELIX_PARAMETERS

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Jagged:
    """Arrays of one collection, flat over events; `counts` has shape (n_events,), all others (n_entries, ...)."""

    counts: IntArray

    @property
    def event(self) -> IntArray:
        """Event of each entry, shape (n_entries,)."""
        return np.repeat(np.arange(len(self.counts)), self.counts)


@dataclass(frozen=True)
class Photons(Jagged):
    """Photons."""

    four_momentum: FloatArray
    """Shape (n_photons, 4), GeV."""

    @property
    def sum_per_event(self) -> FloatArray:
        """Summed four-momentum of each event, shape (n_events, 4), GeV."""
        components = (np.bincount(self.event, p, minlength=len(self.counts)) for p in self.four_momentum.T)
        return np.stack(list(components), axis=-1)

    def above(self, min_energy_gev: float) -> Photons:
        """Return the photons of at least an energy."""
        kept = self.four_momentum[:, 3] >= min_energy_gev
        return Photons(np.bincount(self.event[kept], minlength=len(self.counts)), self.four_momentum[kept])


@dataclass(frozen=True)
class NeutralPions(Jagged):
    """Neutral-pion candidates."""

    two_photon_mass_gev: FloatArray
    """Mass of the photon pair before the mass constraint; the π⁰ mass where the photons are unknown."""
    min_photon_energy_gev: FloatArray
    """Energy of the softer photon; infinite where the photons are unknown."""
    photon: IntArray
    """Indices of the two photons among those of the event, −1 where unknown, shape (n_entries, 2)."""

    def made_of(self, photons: Photons) -> NeutralPions:
        """Return the same pairs of the same photons with other energies."""
        mass, energy = _pair_mass_and_energy(self.photon, self.event, photons)
        return replace(self, two_photon_mass_gev=mass, min_photon_energy_gev=energy)


@dataclass(frozen=True)
class TrackTruth:
    """Generator information of the events and their tracks; what is of tracks has shape (n_events, 4)."""

    pdg: IntArray
    """PDG code of the matched particle, 0 if none."""
    mother_pdg: IntArray
    """PDG code of its mother, 0 if none."""
    momentum_gev: FloatArray
    """Momentum of the matched particle at its production, 0 if none."""
    proper_length_mm: FloatArray
    """Proper flight length of φ, shape (n_events,); −1 where there is no φ."""


@dataclass(frozen=True)
class FourTrackEvents:
    """Events and their four good tracks, in the order of the ntuple."""

    experiment: IntArray
    run: IntArray
    event: IntArray
    weight: FloatArray
    """Generator weight, shape (n_events,); 1 in data."""
    beam: FloatArray
    """Four-momentum of the beams, shape (n_events, 4), GeV."""
    ip_mm: FloatArray
    """Interaction point, shape (n_events, 3)."""
    charge: NDArray[np.int8]
    """Shape (n_events, 4), like everything of tracks."""
    momentum_gev: FloatArray
    """At the perigee, shape (n_events, 4, 3)."""
    helix: FloatArray
    """Perigee parameters in the order of `Helix`, shape (n_events, 4, 5)."""
    packed_covariance: FloatArray
    """Upper triangle of the helix covariance in the order of `COVARIANCE_INDICES`, shape (n_events, 4, 15)."""
    electron_likelihood: FloatArray
    muon_likelihood: FloatArray
    muon_quality: FloatArray
    kaon_likelihood: FloatArray
    """Kaon against pion."""
    photons: Photons
    neutral_pions: NeutralPions
    truth: TrackTruth | None
    """None in data."""

    @property
    def n_events(self) -> int:
        """Number of events."""
        return len(self.event)

    def select(self, mask: BoolArray) -> FourTrackEvents:
        """Return the events where `mask`, shape (n_events,), is true."""
        if mask.all():
            return self
        return replace(self, **{column.name: _select(getattr(self, column.name), mask) for column in fields(self)})


def _select(value: Any, mask: BoolArray) -> Any:
    if value is None:
        return None
    if isinstance(value, TrackTruth):
        return TrackTruth(*(getattr(value, column.name)[mask] for column in fields(value)))
    if isinstance(value, Jagged):
        entries = np.repeat(mask, value.counts)
        columns = (column.name for column in fields(value))
        return replace(value, **{name: getattr(value, name)[mask if name == "counts" else entries] for name in columns})
    return value[mask]


def track_helices(chunk: Chunk) -> Helix:
    """Return the helices of all tracks of a chunk about the origin, arrays of shape (n_tracks,)."""
    return Helix(*(chunk.flat("Track", name).astype(np.float64, copy=False) for name in HELIX_PARAMETERS))


def interaction_points(chunk: Chunk) -> FloatArray:
    """Return the interaction point of each event of a chunk, shape (n_events, 3), mm."""
    return _stack([chunk.event_column("ip", axis) for axis in ("x", "y", "z")])


def read_four_track_events(
    chunk: Chunk, tracks: NDArray[np.intp], *, is_data: bool, m_phi_gev: float | None = None
) -> FourTrackEvents:
    """Return all columns of the events whose good tracks are given.

    Parameters
    ----------
    chunk
        Where to read from.
    tracks
        Indices of the good tracks among all tracks of the chunk, shape (n_events, 4).
    is_data
        Data have weight 1 and no truth.
    m_phi_gev
        Mass of φ in a signal sample.

    Raises
    ------
    BadInputError
        If a value is not finite, a charge is not ±1 or contradicts the curvature, a variance is not positive, or
        a π⁰ points to a photon that its event does not have.
    """
    event = chunk.event_index("Track")[tracks[:, 0]]
    helix = np.stack([column[tracks] for column in track_helices(chunk)], axis=-1)
    charge = chunk.flat("Track", "charge")[tracks]
    chunk.require("Track_charge", charge * np.sign(helix[..., _OMEGA]) == 1, charge, event)
    photons, neutral_pions = _read_neutrals(chunk, event)
    return FourTrackEvents(
        experiment=chunk.event_column("experiment")[event].astype(np.int64),
        run=chunk.event_column("run")[event].astype(np.int64),
        event=chunk.event_column("event")[event].astype(np.int64),
        weight=np.ones(len(event)) if is_data else chunk.event_column("weight")[event].astype(np.float64),
        beam=_stack([chunk.event_column("beam", axis) for axis in _FOUR_MOMENTUM])[event],
        ip_mm=interaction_points(chunk)[event],
        charge=charge,
        momentum_gev=_stack([chunk.flat("Track", axis)[tracks] for axis in ("px", "py", "pz")]),
        helix=helix,
        packed_covariance=_read_covariance(chunk, tracks, event),
        electron_likelihood=chunk.flat("Track", "eID")[tracks],
        muon_likelihood=chunk.flat("Track", "muID")[tracks],
        muon_quality=chunk.flat("Track", "muIDQuality")[tracks],
        kaon_likelihood=chunk.flat("Track", "KpiID")[tracks],
        photons=photons,
        neutral_pions=neutral_pions,
        truth=None
        if is_data
        else TrackTruth(
            chunk.flat("Track", "pdg")[tracks].astype(np.int64),
            chunk.flat("Track", "mother_pdg")[tracks].astype(np.int64),
            _true_momenta(chunk, tracks, event),
            np.full(len(event), -1.0) if m_phi_gev is None else _proper_lengths(chunk, event, m_phi_gev),
        ),
    )


_OMEGA: Final = HELIX_PARAMETERS.index("omega")
_FOUR_MOMENTUM: Final = ("px", "py", "pz", "E")


def _stack(columns: list[NDArray[Any]]) -> FloatArray:
    return np.stack(columns, axis=-1).astype(np.float64, copy=False)


def unpack_covariance(packed: FloatArray) -> FloatArray:
    """Return symmetric matrices, shape (..., 5, 5), from their upper triangles, shape (..., 15)."""
    return packed[..., _UNPACK]


_UNPACK: Final = np.array([[COVARIANCE_INDICES.index((min(i, j), max(i, j))) for j in range(5)] for i in range(5)])


def _read_covariance(chunk: Chunk, tracks: NDArray[np.intp], event: IntArray) -> FloatArray:
    packed = _stack([chunk.flat("Track", f"cov{i}{j}")[tracks] for i, j in COVARIANCE_INDICES])
    for index, (i, j) in enumerate(COVARIANCE_INDICES):
        if i == j:
            chunk.require(f"Track_cov{i}{j}", packed[..., index] > 0.0, packed[..., index], event)
    return packed


def _read_neutrals(chunk: Chunk, event: IntArray) -> tuple[Photons, NeutralPions]:
    """Return photons and π⁰ candidates of some events, given by increasing index."""
    rows, photon_counts = _rows_of(chunk.counts("Photon"), event)
    photons = Photons(photon_counts, _stack([chunk.flat("Photon", axis)[rows] for axis in _FOUR_MOMENTUM]))
    rows, pion_counts = _rows_of(chunk.counts("Pi0"), event)
    pion_event = np.repeat(np.arange(len(event)), pion_counts)
    daughters = np.empty((len(rows), 2), dtype=np.int64)
    for column, name in enumerate(("photon0", "photon1")):
        daughters[:, column] = index = chunk.flat("Pi0", name)[rows]
        exists = (index >= -1) & (index < photon_counts[pion_event])
        chunk.require(f"Pi0_{name}", exists, index, event[pion_event])
    mass, energy = _pair_mass_and_energy(daughters, pion_event, photons)
    return photons, NeutralPions(pion_counts, mass, energy, daughters)


def _pair_mass_and_energy(photon: IntArray, event: IntArray, photons: Photons) -> tuple[FloatArray, FloatArray]:
    """Return the mass of pairs of photons and the energy of the softer one, shape (n_pairs,)."""
    known = np.all(photon >= 0, axis=1)
    first_photon = np.cumsum(photons.counts) - photons.counts
    first, second = (first_photon[event[known], np.newaxis] + photon[known]).T
    momentum = photons.four_momentum
    mass = np.full(len(known), NEUTRAL_PION_MASS_GEV)
    energy = np.full(len(known), np.inf)
    mass[known] = mass_of(momentum[first] + momentum[second])
    energy[known] = np.minimum(momentum[first, 3], momentum[second, 3])
    return mass, energy


def _true_momenta(chunk: Chunk, tracks: NDArray[np.intp], event: IntArray) -> FloatArray:
    """Return the momentum of the particle that each track is matched to, 0 if none, shape (n_events, 4)."""
    index = chunk.flat("Track", "gen")[tracks]
    counts = chunk.counts("Gen")
    chunk.require("Track_gen", (index >= -1) & (index < counts[event, np.newaxis]), index, event)
    matched = index >= 0
    row = ((np.cumsum(counts) - counts)[event, np.newaxis] + index)[matched]
    components = (chunk.flat("Gen", axis)[row].astype(np.float64) for axis in ("px", "py", "pz"))
    momentum = np.zeros(tracks.shape)
    momentum[matched] = np.sqrt(sum(component**2 for component in components))
    return momentum


def _proper_lengths(chunk: Chunk, event: IntArray, m_phi_gev: float) -> FloatArray:
    """Return the proper flight length of φ in events given by increasing index, −1 where no φ decayed.

    A φ that decays where it is made has exactly zero: its daughters were written with the same vertex.
    """
    rows, counts = _rows_of(chunk.counts("Gen"), event)
    pdg, mother = (chunk.flat("Gen", name)[rows] for name in ("pdg", "mother"))
    of_event = np.repeat(np.arange(len(event)), counts)
    mother_row = (np.cumsum(counts) - counts)[of_event] + mother
    is_daughter = (mother >= 0) & (pdg[np.where(mother >= 0, mother_row, 0)] == PHI_PDG)
    found, first = np.unique(of_event[is_daughter], return_index=True)
    daughter = np.flatnonzero(is_daughter)[first]
    phi = mother_row[daughter]
    vertex = _stack([chunk.flat("Gen", axis)[rows] for axis in ("vx", "vy", "vz")])
    momentum = _stack([chunk.flat("Gen", axis)[rows] for axis in ("px", "py", "pz")])[phi]
    lengths = np.full(len(event), -1.0)
    distance = np.linalg.norm(vertex[daughter] - vertex[phi], axis=1)
    # The mass is that of the sample: the single-precision momentum has too few digits for it.
    lengths[found] = distance * m_phi_gev / np.linalg.norm(momentum, axis=1)
    return lengths


def _rows_of(counts: IntArray, event: IntArray) -> tuple[NDArray[np.intp], IntArray]:
    """Return which entries of a collection belong to some events, given by increasing index, and how many each has."""
    kept = np.zeros(len(counts), dtype=bool)
    kept[event] = True
    return np.flatnonzero(np.repeat(kept, counts)), counts[event]
