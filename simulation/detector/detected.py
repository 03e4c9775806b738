"""What the detector saw, as flat arrays, and its spelling in the branches of the ntuple."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.helix import Helix
from processors.ntuple import COLLECTIONS, COVARIANCE_INDICES, HELIX_PARAMETERS
from simulation.generated import GeneratedEvents

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Tracks:
    """Reconstructed charged tracks, event after event."""

    counts: IntArray
    """Tracks in each event, shape (n_events,)."""
    momentum_gev: FloatArray
    """Momentum at the perigee, shape (n, 3)."""
    helix: Helix
    """Measured perigee parameters."""
    covariance: FloatArray
    """Covariance of (d0, φ0, ω, z0, tan λ) that they were smeared with, shape (n, 5, 5)."""
    electron_id: FloatArray
    muon_id: FloatArray
    muon_quality: FloatArray
    kaon_pion_id: FloatArray
    pdg: IntArray
    """PDG code of the generator particle."""
    mother_pdg: IntArray
    """PDG code of its mother, 0 if none."""
    gen: IntArray
    """Its index within the event."""


@dataclass(frozen=True)
class Photons:
    """Calorimeter clusters without a track, event after event."""

    counts: IntArray
    momentum_gev: FloatArray
    """Momentum of a photon from the interaction point, shape (n, 3)."""
    energy_gev: FloatArray
    e9_e25: FloatArray


@dataclass(frozen=True)
class NeutralPions:
    """π⁰ candidates, event after event."""

    counts: IntArray
    momentum_gev: FloatArray
    """Mass-constrained momentum, shape (n, 3)."""
    energy_gev: FloatArray
    first_photon: IntArray
    """Index within the event."""
    second_photon: IntArray
    """Index within the event, larger than the first."""


@dataclass(frozen=True)
class DetectedEvents:
    """Detector response to a set of events, in their order."""

    tracks: Tracks
    photons: Photons
    neutral_pions: NeutralPions
    generated: GeneratedEvents
    """The events with the particles that the material added; their weights include those of identification."""

    def columns(self, *, truth: bool = True) -> dict[str, NDArray[Any]]:
        """Return the ntuple's collections: counters of shape (n_events,), branches flat, in the types of the ntuple.

        Parameters
        ----------
        truth
            False leaves out generator information, as in real data and pseudo-data.
        """
        values = {
            "Track": self._track_values(),
            "Photon": {
                "counts": self.photons.counts,
                **_momentum_values(self.photons.momentum_gev, self.photons.energy_gev),
                "E9E25": self.photons.e9_e25,
            },
            "Pi0": {
                "counts": self.neutral_pions.counts,
                **_momentum_values(self.neutral_pions.momentum_gev, self.neutral_pions.energy_gev),
                "photon0": self.neutral_pions.first_photon,
                "photon1": self.neutral_pions.second_photon,
            },
            "Gen": {
                name: getattr(self.generated, name)
                for name in ("counts", "pdg", "status", "mother", "px", "py", "pz", "E", "vx", "vy", "vz")
            },
        }
        columns: dict[str, NDArray[Any]] = {}
        for collection in COLLECTIONS:
            if collection.truth and not truth:
                continue
            columns[collection.counter] = values[collection.name]["counts"].astype(np.int32)
            for branch in collection.branches:
                if truth or not branch.truth:
                    value = values[collection.name][branch.name]
                    columns[f"{collection.name}_{branch.name}"] = value.astype(branch.dtype)
        return columns

    def _track_values(self) -> dict[str, NDArray[Any]]:
        tracks = self.tracks
        return {
            "counts": tracks.counts,
            "charge": tracks.helix.charge,
            "px": tracks.momentum_gev[:, 0],
            "py": tracks.momentum_gev[:, 1],
            "pz": tracks.momentum_gev[:, 2],
            **dict(zip(HELIX_PARAMETERS, tracks.helix, strict=True)),
            **{f"cov{i}{j}": tracks.covariance[:, i, j] for i, j in COVARIANCE_INDICES},
            "eID": tracks.electron_id,
            "muID": tracks.muon_id,
            "muIDQuality": tracks.muon_quality,
            "KpiID": tracks.kaon_pion_id,
            "pdg": tracks.pdg,
            "mother_pdg": tracks.mother_pdg,
            "gen": tracks.gen,
        }


def _momentum_values(momentum_gev: FloatArray, energy_gev: FloatArray) -> dict[str, NDArray[Any]]:
    return {"px": momentum_gev[:, 0], "py": momentum_gev[:, 1], "pz": momentum_gev[:, 2], "E": energy_gev}
