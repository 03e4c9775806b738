"""What the collections of a Belle ntuple can do: four-momenta, helices, distances, generator references."""

from __future__ import annotations

from typing import Any, Final

import awkward as ak
import numpy as np
from coffea.nanoevents.methods import base, candidate, vector
from numpy.typing import NDArray

from models.constants import ELECTRON_MASS_GEV, MUON_MASS_GEV
from models.errors import BadInputError
from models.helix import Helix, distance_to
from processors.ntuple import COVARIANCE_INDICES, HELIX_PARAMETERS

behavior: Final[dict[object, Any]] = {**base.behavior, **candidate.behavior}
"""Awkward behaviours by record name, for `BelleSchema`; filled once, when this module is imported."""


def helix_of(tracks: ak.Array) -> Helix:
    """Return the helices of tracks as flat numpy arrays.

    Parameters
    ----------
    tracks
        Tracks, jagged or flat, without missing entries.

    Returns
    -------
    Helices about the origin, arrays of shape (n_tracks,).
    """
    return Helix(*(_flat(tracks[name]) for name in HELIX_PARAMETERS))


def covariance_of(tracks: ak.Array) -> NDArray[np.float64]:
    """Return the covariance matrices of the helix parameters of tracks, shape (n_tracks, 5, 5).

    Parameters
    ----------
    tracks
        Tracks, jagged or flat, without missing entries.
    """
    elements = [_flat(tracks[f"cov{i}{j}"]) for i, j in COVARIANCE_INDICES]
    covariance = np.empty((len(elements[0]), 5, 5))
    for (i, j), element in zip(COVARIANCE_INDICES, elements, strict=True):
        covariance[:, i, j] = element
        covariance[:, j, i] = element
    return covariance


def _flat(column: ak.Array) -> NDArray[np.float64]:
    return np.asarray(ak.to_numpy(ak.flatten(column, axis=None)), dtype=np.float64)


def _refer(collection: ak.Array, target: str, index: str) -> ak.Array:
    """Return the entries of another collection that an index column points to, None where it is −1."""
    events = collection._events()
    if target not in events.fields or index not in collection.fields:
        raise BadInputError(f"these events have no '{target}' to look up: real data and pseudo-data carry no truth")
    return events[target]._apply_global_index(collection[index])


behavior.update(ak._util.copy_behaviors("Candidate", "Track", behavior))


@ak.mixin_class(behavior)
class Track(candidate.Candidate, base.NanoCollection):  # type: ignore[misc]  # coffea is untyped
    """Charged track; its four-momentum has the pion mass unless another hypothesis is asked for."""

    def with_mass(self, mass_gev: float) -> ak.Array:
        """Return the tracks' four-momenta, with charge, under another mass hypothesis.

        In the precision of the stored momenta: for the mass of a displaced pair use `processors.vertexing`.
        """
        return ak.zip(
            {
                "px": self.px,
                "py": self.py,
                "pz": self.pz,
                "mass": ak.full_like(self.px, mass_gev),
                "charge": self.charge,
            },
            with_name="Candidate",
            behavior=self.behavior,
        )

    @property
    def as_electron(self) -> ak.Array:
        """Four-momenta under the electron hypothesis."""
        return self.with_mass(ELECTRON_MASS_GEV)

    @property
    def as_muon(self) -> ak.Array:
        """Four-momenta under the muon hypothesis."""
        return self.with_mass(MUON_MASS_GEV)

    @property
    def helix(self) -> Helix:
        """Helices about the origin, flat numpy arrays in the order of the tracks."""
        return helix_of(self)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Helix covariances, shape (n_tracks, 5, 5), in the order of the tracks."""
        return covariance_of(self)

    @property
    def dr(self) -> ak.Array:
        """Transverse distance to the event's interaction point in mm, ≥ 0."""
        return self._distances()[0]

    @property
    def dz(self) -> ak.Array:
        """Signed z distance in mm to the interaction point, where the track is transversally closest to it."""
        return self._distances()[1]

    def _distances(self) -> tuple[ak.Array, ak.Array]:
        ip = self._events().ip
        ip_mm = np.stack([ak.to_numpy(ip[axis]).astype(np.float64) for axis in ("x", "y", "z")], axis=-1)
        event = ak.to_numpy(ak.flatten(self.event_index, axis=None))
        dr, dz = (ak.Array(values) for values in distance_to(helix_of(self), ip_mm[event]))
        if self.ndim == 1:
            return dr, dz
        counts = ak.num(self, axis=1)
        return ak.unflatten(dr, counts), ak.unflatten(dz, counts)

    @property
    def matched_gen(self) -> ak.Array:
        """Matched generator particle, None where there is none."""
        return _refer(self, "Gen", "genG")


behavior.update(ak._util.copy_behaviors("LorentzVector", "Photon", behavior))


@ak.mixin_class(behavior)
class Photon(vector.LorentzVector, base.NanoCollection):  # type: ignore[misc]
    """Photon candidate."""


behavior.update(ak._util.copy_behaviors("LorentzVector", "Pi0", behavior))


@ak.mixin_class(behavior)
class Pi0(vector.LorentzVector, base.NanoCollection):  # type: ignore[misc]
    """Neutral-pion candidate."""

    @property
    def first_photon(self) -> ak.Array:
        """First of the two photons it is made of, None where unknown."""
        return _refer(self, "Photon", "photon0G")

    @property
    def second_photon(self) -> ak.Array:
        """Second of the two photons it is made of, None where unknown."""
        return _refer(self, "Photon", "photon1G")


behavior.update(ak._util.copy_behaviors("LorentzVector", "Gen", behavior))


@ak.mixin_class(behavior)
class Gen(vector.LorentzVector, base.NanoCollection):  # type: ignore[misc]
    """Generator particle."""

    @property
    def parent(self) -> ak.Array:
        """Mother particle, None for those without one."""
        return _refer(self, "Gen", "motherG")

    @property
    def children(self) -> ak.Array:
        """Daughters, one list for each particle."""
        return _refer(self, "Gen", "childrenG")


def _let_sums_be_lorentz_vectors(*names: str) -> None:
    """Tell `vector` what the results of arithmetic on these collections are."""
    for name in names:
        for kind, suffix in ((behavior["*", name], "Array"), (behavior[name], "Record")):
            kind.ProjectionClass2D = getattr(vector, f"TwoVector{suffix}")
            kind.ProjectionClass3D = getattr(vector, f"ThreeVector{suffix}")
            kind.ProjectionClass4D = kind
            kind.MomentumClass = getattr(vector, f"LorentzVector{suffix}")


_let_sums_be_lorentz_vectors("Track", "Photon", "Pi0", "Gen")
