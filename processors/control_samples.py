"""Probes of control samples: tracks whose kind is known from how they were found, not from their identification.

Every sample is read by the same code whether it is data or simulation; truth is not looked at. Samples:

===================  =====================================  ===========================  ==============================
sample               events                                 peak in                      the other track of the pair is
===================  =====================================  ===========================  ==============================
`jpsi_ee`, `_mumu`   pairs that fit a vertex                m(ℓℓ) at the J/ψ             identified as the lepton
`kshort_pipi`        pairs whose vertex is displaced        m(ππ) at the K_S             anything
`conversion`         pairs of small mass                    difference of tan λ at 0     identified as an electron
`radiative_ee`,      two tracks and a photon                visible energy in the c.m.   identified as the lepton
`radiative_mumu`     (radiative Bhabha, μμγ)                frame over √s at 1
`recoil_mumu`        a muon and a photon (μμγ), the other   measured over expected       identified as a muon
                     muon found or not (`recoil`)           photon energy at 1
===================  =====================================  ===========================  ==============================
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import uproot
from coffea.nanoevents import NanoEventsFactory
from numpy.typing import NDArray

from models.constants import ELECTRON_MASS_GEV, JPSI_MASS_GEV, MUON_MASS_GEV, PION_MASS_GEV
from models.helix import Helix
from models.kinematics import boost_to_rest_frame, mass_of, with_mass
from models.tag_and_probe import PeakWindow
from processors.belle_schema import BelleSchema
from processors.chunk import Chunk
from processors.configuration import CandidateSettings
from processors.correction_sets import CorrectionName
from processors.corrections import TrackCoordinates
from processors.four_track_events import track_helices, unpack_covariance
from processors.ntuple import COVARIANCE_INDICES, TREE_NAME
from processors.recoil import find_recoils
from processors.selection import LeptonFlags, identify_leptons
from processors.vertexing import fit_vertices

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

_KAON_SHORT_MASS_GEV: Final = 0.497611
"""PDG 2024."""
_KAON_ABOVE: Final = 0.5
_SHORTEST_FLIGHT_MM: Final = 3.0
"""Least transverse distance of a K_S vertex to the interaction point."""
_LARGEST_CONVERSION_MASS_GEV: Final = 0.2
"""Of momenta at the perigees, which are not those at the vertex."""


class ControlSample(StrEnum):
    """A way to find tracks of a known kind; also the name of the folder of its ntuples."""

    JPSI_EE = "jpsi_ee"
    JPSI_MUMU = "jpsi_mumu"
    KSHORT_PIPI = "kshort_pipi"
    CONVERSION = "conversion"
    RADIATIVE_EE = "radiative_ee"
    RADIATIVE_MUMU = "radiative_mumu"
    RECOIL_MUMU = "recoil_mumu"

    @property
    def mass_gev(self) -> float:
        """Mass of the probes."""
        if self is ControlSample.KSHORT_PIPI:
            return PION_MASS_GEV
        return MUON_MASS_GEV if self.endswith("_mumu") else ELECTRON_MASS_GEV

    @property
    def measures(self) -> tuple[CorrectionName, ...]:
        """Corrections to a probability that the probes measure."""
        if self is ControlSample.RECOIL_MUMU:
            return (CorrectionName.TRACKING,)
        if self is ControlSample.KSHORT_PIPI:
            return (
                CorrectionName.MISIDENTIFICATION_ELECTRON,
                CorrectionName.MISIDENTIFICATION_MUON,
                CorrectionName.KAON_PION,
            )
        lepton = "muon" if self.mass_gev == MUON_MASS_GEV else "electron"
        return (CorrectionName(f"identification_{lepton}"),)

    @property
    def window(self) -> PeakWindow:
        """Where its peak is."""
        return _WINDOWS[self]


_WINDOWS: Final = {
    ControlSample.JPSI_EE: PeakWindow(low=2.90, high=3.25, centre=JPSI_MASS_GEV, width=0.012),
    ControlSample.JPSI_MUMU: PeakWindow(low=2.95, high=3.25, centre=JPSI_MASS_GEV, width=0.010),
    ControlSample.KSHORT_PIPI: PeakWindow(low=0.46, high=0.54, centre=_KAON_SHORT_MASS_GEV, width=0.003),
    ControlSample.CONVERSION: PeakWindow(low=-0.2, high=0.2, centre=0.0, width=0.01),
    ControlSample.RADIATIVE_EE: PeakWindow(low=0.85, high=1.1, centre=1.0, width=0.015),
    ControlSample.RADIATIVE_MUMU: PeakWindow(low=0.85, high=1.1, centre=1.0, width=0.015),
    ControlSample.RECOIL_MUMU: PeakWindow(low=0.85, high=1.15, centre=1.0, width=0.02),
}


class Probes(NamedTuple):
    """Probes of one control sample, arrays of shape (n_probes,)."""

    value: FloatArray
    """The quantity that peaks."""
    tracks: TrackCoordinates
    leptons: LeptonFlags
    is_pion_like: BoolArray
    """Whether the K/π likelihood ratio is on the pion's side."""
    is_found: BoolArray
    """Whether there is a track at all; only where it was looked for without one (`recoil_mumu`) may it be false."""
    photon_energy_gev: FloatArray
    """Energy of the photon of the event that the value is about, NaN in samples without one."""
    photon_theta_deg: FloatArray

    def passes(self, name: CorrectionName) -> BoolArray:
        """Return which probes meet the requirement whose probability a correction is about."""
        if name in (CorrectionName.IDENTIFICATION_ELECTRON, CorrectionName.MISIDENTIFICATION_ELECTRON):
            return self.leptons.electron
        if name in (CorrectionName.IDENTIFICATION_MUON, CorrectionName.MISIDENTIFICATION_MUON):
            return self.leptons.muon
        return self.is_found if name is CorrectionName.TRACKING else self.is_pion_like

    def take(self, mask: BoolArray) -> Probes:
        """Return the probes where a mask is true."""
        return Probes(*(_taken(column, mask) for column in self))

    @classmethod
    def concatenated(cls, parts: list[Probes]) -> Probes:
        """Return the probes of several files."""
        return cls(*(_joined(columns) for columns in zip(*parts, strict=True)))


def _taken(column: Any, mask: BoolArray) -> Any:
    return type(column)(*(part[mask] for part in column)) if isinstance(column, tuple) else column[mask]


def _joined(columns: Sequence[Any]) -> Any:
    if isinstance(columns[0], tuple):
        return type(columns[0])(*(np.concatenate(parts) for parts in zip(*columns, strict=True)))
    return np.concatenate(columns)


def read_probes(path: Path, sample: ControlSample, settings: CandidateSettings) -> Probes:
    """Return the probes of one ntuple.

    Parameters
    ----------
    path
        The ntuple, in the layout of `docs/branches.md`.
    sample
        What it was selected as.
    settings
        Working points of the identification, acceptance, field and vertex fit: those of the analysis.

    Raises
    ------
    BadInputError
        If a branch is missing or holds what is no number.
    """
    with uproot.open(path) as file:
        n_events = file[TREE_NAME].num_entries
    metadata = {"dataset": str(sample), "filename": str(path), "entrystart": 0, "entrystop": n_events}
    events = NanoEventsFactory.from_root(
        {str(path): TREE_NAME}, mode="virtual", schemaclass=BelleSchema, metadata=metadata
    ).events()
    chunk = Chunk(events)
    charge = chunk.flat("Track", "charge")
    momentum = np.stack([chunk.flat("Track", axis).astype(np.float64) for axis in ("px", "py", "pz")], axis=-1)
    tracks = TrackCoordinates.of(momentum, charge)
    electron, muon, quality = (chunk.flat("Track", name) for name in ("eID", "muID", "muIDQuality"))
    leptons = identify_leptons(electron, muon, quality, settings.identification)
    low, high = settings.tracks.min_theta_deg, settings.tracks.max_theta_deg
    in_acceptance = (tracks.theta_deg > low) & (tracks.theta_deg < high)
    if sample is ControlSample.RECOIL_MUMU:
        return _recoil_probes(chunk, momentum, charge, np.flatnonzero(leptons.muon & in_acceptance), settings)
    first, second = _pairs(chunk, charge, in_acceptance, only_two=sample in _RADIATIVE)
    value, good = _peak_value(sample, chunk, momentum, first, second, settings)
    first, second, value = first[good], second[good], value[good]
    probe, tag = np.concatenate([first, second]), np.concatenate([second, first])
    value = np.concatenate([value, value])
    kept = np.ones(len(probe), dtype=bool)
    if sample is not ControlSample.KSHORT_PIPI:
        kept = (leptons.muon if sample.mass_gev == MUON_MASS_GEV else leptons.electron)[tag]
    probe = probe[kept]
    return Probes(
        value[kept],
        TrackCoordinates(*(column[probe] for column in tracks)),
        LeptonFlags(*(flags[probe] for flags in leptons)),
        np.asarray(chunk.flat("Track", "KpiID")[probe] < _KAON_ABOVE),
        np.ones(len(probe), dtype=bool),
        *(np.full(len(probe), np.nan) for _ in range(2)),
    )


def _recoil_probes(
    chunk: Chunk,
    momentum: FloatArray,
    charge: NDArray[np.int8],
    tag: NDArray[np.intp],
    settings: CandidateSettings,
) -> Probes:
    photon = _four_momenta(chunk, "Photon")
    beam = np.stack([chunk.event_column("beam", name) for name in _COMPONENTS], axis=-1)
    event, photon_event = chunk.event_index("Track"), chunk.event_index("Photon")
    recoils = find_recoils(tag, event, momentum, charge, photon_event, photon, beam)
    tracks = TrackCoordinates.of(recoils.momentum_gev, recoils.charge)
    low, high = settings.tracks.min_theta_deg, settings.tracks.max_theta_deg
    inside = (tracks.theta_deg > low) & (tracks.theta_deg < high)
    px, py, pz, energy = photon[recoils.photon[inside]].T
    # Nothing else is known of a track that may not be there.
    unknown = np.zeros(int(inside.sum()), dtype=bool)
    return Probes(
        recoils.energy_ratio[inside],
        tracks.take(inside),
        LeptonFlags(*(unknown for _ in LeptonFlags._fields)),
        unknown,
        recoils.is_found[inside],
        energy,
        np.rad2deg(np.arctan2(np.hypot(px, py), pz)),
    )


def _four_momenta(chunk: Chunk, collection: str) -> FloatArray:
    return np.stack([chunk.flat(collection, name).astype(np.float64) for name in _COMPONENTS], axis=-1)


_COMPONENTS: Final = ("px", "py", "pz", "E")

_RADIATIVE: Final = (ControlSample.RADIATIVE_EE, ControlSample.RADIATIVE_MUMU)


def _pairs(
    chunk: Chunk, charge: NDArray[np.int8], usable: BoolArray, *, only_two: bool
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the tracks, positive and negative, of every pair in an event."""
    event = chunk.event_index("Track")
    if only_two:
        usable = usable & (chunk.counts("Track") == 2)[event]
    rows = [np.flatnonzero(usable & (sign * charge > 0)) for sign in (1, -1)]
    counts = [np.bincount(event[own], minlength=chunk.n_events) for own in rows]
    # each positive track meets every negative one of its event
    partners = counts[1][event[rows[0]]]
    positive = np.repeat(rows[0], partners)
    start = (np.cumsum(counts[1]) - counts[1])[event[rows[0]]]
    within = np.arange(len(positive)) - np.repeat(np.cumsum(partners) - partners, partners)
    return positive, rows[1][np.repeat(start, partners) + within]


def _peak_value(
    sample: ControlSample,
    chunk: Chunk,
    momentum: FloatArray,
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    settings: CandidateSettings,
) -> tuple[FloatArray, BoolArray]:
    """Return what peaks, for each pair, and which pairs to use."""
    event = chunk.event_index("Track")[first]
    four_momentum = [with_mass(momentum[rows], sample.mass_gev) for rows in (first, second)]
    helix = track_helices(chunk)
    if sample is ControlSample.CONVERSION:
        difference = helix.tan_lambda[first] - helix.tan_lambda[second]
        return difference, mass_of(four_momentum[0] + four_momentum[1]) < _LARGEST_CONVERSION_MASS_GEV
    if sample in _RADIATIVE:
        photon = _four_momenta(chunk, "Photon")
        photon_event = chunk.event_index("Photon")
        neutral = np.stack([np.bincount(photon_event, p, minlength=chunk.n_events) for p in photon.T], axis=-1)
        beam = np.stack([chunk.event_column("beam", name) for name in _COMPONENTS], axis=-1)
        visible = boost_to_rest_frame(four_momentum[0] + four_momentum[1] + neutral[event], beam[event])[:, 3]
        return visible / mass_of(beam[event]), chunk.counts("Photon")[event] > 0
    raw = mass_of(four_momentum[0] + four_momentum[1])
    near = np.flatnonzero(np.abs(raw - sample.window.centre) < 0.3 * sample.window.centre)
    covariance = unpack_covariance(
        np.stack([chunk.flat("Track", f"cov{i}{j}").astype(np.float64) for i, j in COVARIANCE_INDICES], axis=-1)
    )
    (helix_a, covariance_a), (helix_b, covariance_b) = (
        (Helix(*(column[rows[near]] for column in helix)), covariance[rows[near]]) for rows in (first, second)
    )
    fit = fit_vertices(
        helix_a, covariance_a, helix_b, covariance_b, sample.mass_gev, settings.field_tesla, settings.vertex_fit
    )
    value, good = np.zeros(len(first)), np.zeros(len(first), dtype=bool)
    value[near] = fit.mass_gev
    good[near] = fit.converged
    if sample is ControlSample.KSHORT_PIPI:
        ip = np.stack([chunk.event_column("ip", axis) for axis in ("x", "y")], axis=-1)[event[near]]
        good[near] &= np.hypot(*(fit.position_mm[:, :2] - ip).T) > _SHORTEST_FLIGHT_MM
    return value, good
