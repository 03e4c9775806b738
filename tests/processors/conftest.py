"""Small ntuple contents that several tests write, read and spoil."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from coffea.nanoevents import NanoEventsFactory
from numpy.typing import NDArray

from models.constants import ELECTRON_MASS_GEV, MUON_MASS_GEV, PION_MASS_GEV
from models.helix import helix_from_vertex
from models.kinematics import boost_from_rest_frame, with_mass
from models.search import PHI_PDG
from processors.belle_schema import BelleSchema
from processors.chunk import Chunk
from processors.ntuple import (
    COLLECTIONS,
    COVARIANCE_INDICES,
    CROSS_REFERENCES,
    EVENT_BRANCHES,
    GEN,
    HELIX_PARAMETERS,
    PI0,
    TREE_NAME,
)
from processors.ntuple_writer import write_ntuple
from processors.sample import SampleMetadata, read_sample_metadata

N_EVENTS = 25


@pytest.fixture
def columns() -> dict[str, NDArray[Any]]:
    """Every branch of the table filled with random numbers of its kind; indices are 0 or 1, or −1 for want of those."""
    rng = np.random.default_rng(5)

    def random(dtype: str, size: int) -> NDArray[Any]:
        if dtype == "bool":
            return np.zeros(size, dtype=bool)
        return rng.integers(0, 2, size) if dtype.startswith("int") else rng.normal(size=size)

    flat = {branch.name: random(branch.dtype, N_EVENTS) for branch in EVENT_BRANCHES}
    for collection in COLLECTIONS:
        counts = rng.integers(0, 6, N_EVENTS)
        flat[collection.counter] = counts
        flat |= {
            f"{collection.name}_{branch.name}": random(branch.dtype, counts.sum()) for branch in collection.branches
        }
    for name, target in CROSS_REFERENCES.items():
        last = np.repeat(flat[f"n{target}"], flat[f"n{name.split('_')[0]}"]) - 1
        flat[name] = np.minimum(flat[name], last)
    return flat


@pytest.fixture
def tautau_metadata() -> SampleMetadata:
    """Metadata of a simulated file with `N_EVENTS` events."""
    return SampleMetadata(
        name="tautau",
        process="tautau",
        is_data=False,
        cross_section_fb=919e3,
        n_generated=N_EVENTS,
        sum_weights=25.0,
        sum_weights2=25.0,
        generator="test",
    )


PRIMARY = {"e": 11, "mu": 13, "pi": 211}


@dataclass(frozen=True)
class ToyTrack:
    """A charged particle, momentum in the c.m. frame."""

    charge: int
    momentum_cm_gev: tuple[float, float, float]
    species: str = "pi"
    """What it is, and what it is identified as."""
    vertex_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    mother_pdg: int = 15


@dataclass(frozen=True)
class ToyEvent:
    """A hand-made event."""

    tracks: tuple[ToyTrack, ...]
    photons_cm_gev: tuple[tuple[float, float, float], ...] = ()
    weight: float = 1.0

    def with_track(self, index: int, **changes: object) -> "ToyEvent":
        """Return the event with one track changed."""
        tracks = list(self.tracks)
        tracks[index] = replace(tracks[index], **changes)
        return replace(self, tracks=tuple(tracks))


def good_event(lepton: str) -> ToyEvent:
    """Return an event that passes every cut: φ → ℓ⁺ℓ⁻ of tracks 0 and 1, two pions, one photon."""
    return ToyEvent(
        (
            ToyTrack(+1, (0.9, 0.1, 0.2), lepton, mother_pdg=PHI_PDG),
            ToyTrack(-1, (0.8, 0.05, 0.25), lepton, mother_pdg=PHI_PDG),
            ToyTrack(+1, (-1.5, 0.6, 0.3)),
            ToyTrack(-1, (0.3, -1.4, -0.2)),
        ),
        ((0.2, 0.3, 0.1),),
    )


def random_event(rng: np.random.Generator) -> ToyEvent:
    """Return an event near the edges of every cut."""
    n_tracks = rng.choice([0, 2, 3, 4, 5], p=[0.05, 0.1, 0.1, 0.7, 0.05])
    charges = rng.permutation([1, -1, 1, -1, 1])[:n_tracks] if n_tracks != 4 else rng.permutation([1, -1, 1, -1])
    tracks = tuple(
        ToyTrack(
            int(charge),
            tuple(rng.normal(0.0, 0.8, 3)),
            str(rng.choice(["e", "mu", "pi"])),
            (*rng.normal(0.0, 2.0, 2), rng.normal(0.0, 4.0)),
            int(rng.choice([15, PHI_PDG])),
        )
        for charge in charges
    )
    photons = tuple(tuple(rng.normal(0.0, 0.3, 3)) for _ in range(rng.integers(0, 5)))
    return ToyEvent(tracks, photons, float(rng.uniform(0.5, 1.5)))


def toy_columns(events: Sequence[ToyEvent], first_event: int = 0) -> dict[str, NDArray[Any]]:
    """Return the ntuple columns of hand-made events: exact helices, perfect identification, collisions at rest at 0."""
    n_events = len(events)
    beam = np.array([8.0 * np.sin(0.022), 0.0, 8.0 * np.cos(0.022) - 3.5, 11.5])
    tracks = [track for event in events for track in event.tracks]
    photons = np.array([p for event in events for p in event.photons_cm_gev]).reshape(-1, 3)
    species = np.array([track.species for track in tracks], dtype=object)
    charge = np.array([track.charge for track in tracks], dtype=np.int8)
    masses = {"e": ELECTRON_MASS_GEV, "mu": MUON_MASS_GEV, "pi": PION_MASS_GEV}
    mass = np.array([masses[track.species] for track in tracks])
    momentum_cm = np.array([track.momentum_cm_gev for track in tracks]).reshape(-1, 3)
    momentum = boost_from_rest_frame(with_mass(momentum_cm, mass), beam)[:, :3]
    photon = boost_from_rest_frame(with_mass(photons, np.zeros(len(photons))), beam)
    helix = helix_from_vertex(
        np.array([track.vertex_mm for track in tracks]).reshape(-1, 3), momentum, charge.astype(float), 1.5
    )
    columns: dict[str, NDArray[Any]] = {
        "experiment": np.full(n_events, 31),
        "run": np.full(n_events, 7),
        "event": first_event + np.arange(n_events),
        "production": np.zeros(n_events, dtype=int),
        **{f"beam_{name}": np.full(n_events, value) for name, value in zip(("px", "py", "pz", "E"), beam, strict=True)},
        **{f"ip_{axis}": np.zeros(n_events) for axis in "xyz"},
        "weight": np.array([event.weight for event in events]),
        "is_data": np.zeros(n_events, dtype=bool),
        "nTrack": np.array([len(event.tracks) for event in events], dtype=int),
        "Track_charge": charge,
        **{f"Track_{name}": momentum[:, axis] for axis, name in enumerate(("px", "py", "pz"))},
        **{f"Track_{name}": column for name, column in zip(HELIX_PARAMETERS, helix, strict=True)},
        "Track_eID": np.where(species == "e", 0.99, 0.01),
        "Track_muID": np.where(species == "mu", 0.99, 0.01),
        "Track_muIDQuality": np.ones(len(tracks)),
        "Track_KpiID": np.full(len(tracks), 0.2),
        "Track_pdg": np.array([-track.charge * PRIMARY[track.species] for track in tracks], dtype=int),
        "Track_mother_pdg": np.array([track.mother_pdg for track in tracks], dtype=int),
        "Track_gen": np.full(len(tracks), -1),
        "nPhoton": np.array([len(event.photons_cm_gev) for event in events], dtype=int),
        **{f"Photon_{name}": photon[:, axis] for axis, name in enumerate(("px", "py", "pz", "E"))},
        "Photon_E9E25": np.full(len(photons), 0.95),
    }
    variance = dict(zip(HELIX_PARAMETERS, (0.03**2, 0.001**2, 1e-6**2, 0.05**2, 0.001**2), strict=True))
    for i, j in COVARIANCE_INDICES:
        value = variance[HELIX_PARAMETERS[i]] if i == j else 0.0
        columns[f"Track_cov{i}{j}"] = np.full(len(tracks), value)
    for collection in (PI0, GEN):
        columns[collection.counter] = np.zeros(n_events, dtype=int)
        columns |= {f"{collection.name}_{b.name}": np.zeros(0, dtype=b.dtype) for b in collection.branches}
    return columns


def toy_metadata(name: str, n_events: int, *, is_data: bool = False, cross_section_fb: float = 919e3) -> SampleMetadata:
    """Return metadata of a toy file."""
    return SampleMetadata(
        name=name,
        process="data" if is_data else "tautau",
        is_data=is_data,
        cross_section_fb=None if is_data else cross_section_fb,
        n_generated=n_events,
        sum_weights=float(n_events),
        sum_weights2=float(n_events),
        equivalent_luminosity_fb=0.5,
        generator="toy",
    )


class ToyNtuples:
    """Writes hand-made events as ntuples below a folder."""

    good_event = staticmethod(good_event)
    random_event = staticmethod(random_event)
    columns = staticmethod(toy_columns)
    metadata = staticmethod(toy_metadata)

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(
        self,
        events: Sequence[ToyEvent],
        sample: str = "tautau",
        number: int = 0,
        *,
        is_data: bool = False,
        cross_section_fb: float = 919e3,
    ) -> Path:
        """Write one file; files of different number hold different event numbers."""
        columns = toy_columns(events, first_event=1000 * number)
        columns["is_data"][:] = is_data
        path = self.folder / sample / f"{sample}_{number:03d}.root"
        write_ntuple(
            path, columns, toy_metadata(sample, len(events), is_data=is_data, cross_section_fb=cross_section_fb)
        )
        return path

    @staticmethod
    def events(path: Path) -> ak.Array:
        """Return all entries of a file with the metadata that coffea's runner attaches."""
        n_events = uproot.open(path)[TREE_NAME].num_entries
        entries = {"dataset": path.parent.name, "filename": str(path), "entrystart": 0, "entrystop": n_events}
        return NanoEventsFactory.from_root(
            {str(path): TREE_NAME},
            mode="virtual",
            schemaclass=BelleSchema,
            metadata=entries | read_sample_metadata(path).model_dump(mode="json"),
        ).events()

    def chunk(self, path: Path) -> Chunk:
        """Return all entries of a file as the selection reads them."""
        return Chunk(self.events(path))

    def write_spoiled(
        self,
        columns: dict[str, NDArray[Any]],
        sample: str = "tautau",
        tree: str = TREE_NAME,
        *,
        as_rntuple: bool = False,
    ) -> Path:
        """Write columns as they are, whatever they hold: the ntuple writer would refuse."""
        path = self.folder / sample / f"{sample}_000.root"
        path.parent.mkdir(parents=True, exist_ok=True)
        counters = {collection.counter for collection in COLLECTIONS}
        jagged = {
            name: ak.unflatten(column, columns[f"n{name.split('_')[0]}"])
            for name, column in columns.items()
            if "_" in name and f"n{name.split('_')[0]}" in columns
        }
        flat = {name: column for name, column in columns.items() if name not in jagged and name not in counters}
        with uproot.recreate(path) as file:
            file["sample"] = toy_metadata(sample, len(columns["event"])).model_dump_json()
            if as_rntuple:
                file.mkrntuple(tree, flat | jagged)
                return path
            types = {name: column.dtype for name, column in flat.items()}
            types |= {name: f"var * {column.layout.content.dtype}" for name, column in jagged.items()}
            file.mktree(tree, types, counter_name=lambda branch: f"n{branch.split('_')[0]}").extend(flat | jagged)
        return path


@pytest.fixture
def toy_ntuples(tmp_path: Path) -> ToyNtuples:
    """Hand-made events and their ntuples."""
    return ToyNtuples(tmp_path / "ntuples")


@pytest.fixture(scope="session")
def toys() -> type[ToyNtuples]:
    """The class behind `toy_ntuples`, for fixtures that outlive a test."""
    return ToyNtuples
