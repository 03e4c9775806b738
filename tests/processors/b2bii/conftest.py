"""B2BII files made from ntuples, in every dialect: an inverse of the conversion that shares no formula with it.

Lengths become cm by each quantity's own power. Helices are built from a point, a momentum and a charge: the circle in
the transverse plane, then Belle's parameters (dρ, φ0, κ, dz, tan λ) of that circle about the origin, then basf2's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from numpy.typing import NDArray

from processors.b2bii.configuration import ConversionSettings
from processors.b2bii.conversion import ConversionTask, ConvertedFile, convert_file, inspect_file
from processors.b2bii.reading import Particles
from processors.b2bii.variables import unescape
from processors.configuration import NtupleWriterSettings
from processors.ntuple import COLLECTIONS, EVENT_BRANCHES, TREE_NAME
from processors.ntuple_writer import written_collections
from processors.sample import SampleMetadata

AnyArray = NDArray[Any]
FIELD_TESLA = 1.5
CM_PER_GEV = 1.0 / (0.00299792458 * FIELD_TESLA)
"""Belle's α: radius in cm of a track of 1 GeV."""
LENGTH_POWER = {"d0": 1, "phi0": 0, "omega": -1, "z0": 1, "tanLambda": 0}


@dataclass(frozen=True)
class Dialect:
    """How a release of basf2 writes files."""

    real: str = "f8"
    """`f4`, `f8`, or `mixed` for every other branch."""
    older_event_numbers: bool = False
    production: bool = True
    weight: bool = True
    candidates: bool = True
    spaced: bool = True
    """A space after the comma of arguments."""
    container: str = "ttree"
    mc: bool = True
    interaction_point: bool = True
    beams: str = "four_momentum"
    """`four_momentum`, `energies`, `cm_energy`, or `none`."""
    daughters: bool = True


@dataclass
class Trees:
    """What a file holds: per tree, counts of particles and flat variables."""

    identity: dict[str, AnyArray]
    event: dict[str, AnyArray]
    counts: dict[str, AnyArray]
    variables: dict[str, dict[str, AnyArray]]
    weight: AnyArray
    spoil: Callable[[str, dict[str, AnyArray], dict[str, ak.Array]], None] = lambda tree, flat, jagged: None
    """Changes the flat and the jagged branches of a tree, by their names in the file, just before they are written."""


def belle_helix(x_cm, y_cm, px, py, charge) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Return dρ (cm), Belle's φ0 and κ (1/GeV) of tracks through a point, from the circle that they fly on.

    With the field along +z a positive particle turns clockwise: the centre is to the right of its momentum. Belle has
    it at (dρ + α/κ)(cos φ0, sin φ0) for a pivot at the origin.
    """
    pt = np.hypot(px, py)
    radius = CM_PER_GEV * pt
    x_centre, y_centre = x_cm + charge * radius * py / pt, y_cm - charge * radius * px / pt
    drho = charge * (np.hypot(x_centre, y_centre) - radius)
    return drho, np.arctan2(charge * y_centre, charge * x_centre), charge / pt


def basf2_helix(x_cm, y_cm, z_cm, px, py, pz, charge) -> dict[str, AnyArray]:
    """Return basf2's helix in cm of tracks whose point closest to the z axis has this z."""
    drho, belle_phi0, kappa = belle_helix(x_cm, y_cm, px, py, charge)
    phi0 = belle_phi0 + np.pi / 2
    return {
        "d0": drho,
        "phi0": np.arctan2(np.sin(phi0), np.cos(phi0)),
        "omega": kappa * FIELD_TESLA * 0.00299792458,
        "z0": z_cm,
        "tanLambda": pz / np.hypot(px, py),
    }


def trees_of(columns: Mapping[str, AnyArray]) -> Trees:
    """Return ntuple columns, flat, as the trees that basf2 would have written."""
    of = {name: np.asarray(column, dtype=np.float64) for name, column in columns.items()}
    at_axis = np.hypot(of["Track_px"], of["Track_py"])
    phi0 = of["Track_phi0"]
    # The momentum in double precision: that of the ntuple is single.
    pt = 0.000299792458 * FIELD_TESLA / np.abs(of["Track_omega"])
    np.testing.assert_allclose(pt, at_axis, rtol=1e-5)
    px, py, pz = pt * np.cos(phi0), pt * np.sin(phi0), pt * of["Track_tanLambda"]
    x_cm, y_cm = 0.1 * of["Track_d0"] * np.sin(phi0), -0.1 * of["Track_d0"] * np.cos(phi0)
    event = np.repeat(np.arange(len(of["event"])), columns["nTrack"])
    ip_cm = 0.1 * np.stack([of[f"ip_{axis}"] for axis in "xyz"], axis=-1)
    track = {
        "charge": of["Track_charge"],
        "px": px,
        "py": py,
        "pz": pz,
        **basf2_helix(x_cm, y_cm, 0.1 * of["Track_z0"], px, py, pz, of["Track_charge"]),
        "dr": np.hypot(x_cm - ip_cm[event, 0], y_cm - ip_cm[event, 1]),
        "dz": 0.1 * of["Track_z0"] - ip_cm[event, 2],
        "eIDBelle": of["Track_eID"],
        "muIDBelle": of["Track_muID"],
        "muIDBelleQuality": of["Track_muIDQuality"],
        "atcPIDBelle(3, 2)": of["Track_KpiID"],
    }
    names = list(LENGTH_POWER)
    for i, first in enumerate(names):
        for j, second in enumerate(names[i:], start=i):
            power = LENGTH_POWER[first] + LENGTH_POWER[second]
            track[f"trackFitCovariance({i}, {j})"] = of[f"Track_cov{i}{j}"] * 0.1**power
    photon_id = 3.0 + 2 * _place(columns["nPhoton"])
    variables = {
        "track": track,
        "photon": {
            **{name: of[f"Photon_{name}"] for name in ("px", "py", "pz", "E")},
            "clusterE9E25": of["Photon_E9E25"],
            "clusterTheta": np.ones(len(photon_id)),
            "mdstIndex": photon_id,
        },
        "pi0": {
            **{name: of[f"Pi0_{name}"] for name in ("px", "py", "pz", "E")},
            **{
                f"daughter({i}, mdstIndex)": np.where(of[f"Pi0_photon{i}"] < 0, np.nan, 3 + 2 * of[f"Pi0_photon{i}"])
                for i in (0, 1)
            },
        },
    }
    counts = {"track": columns["nTrack"], "photon": columns["nPhoton"], "pi0": columns["nPi0"]}
    if "Track_pdg" in of:
        track["mcPDG"] = np.where(of["Track_pdg"] == 0, np.nan, of["Track_pdg"])
        track["genMotherPDG"] = np.where(of["Track_mother_pdg"] == 0, np.nan, of["Track_mother_pdg"])
        track["genParticleID"] = np.where(of["Track_gen"] < 0, np.nan, 10 + of["Track_gen"])
        counts["mc"] = columns["nGen"]
        variables["mc"] = {
            "mcPDG": of["Gen_pdg"],
            **{name: of[f"Gen_{name}"] for name in ("px", "py", "pz", "E")},
            "genParticleID": 10.0 + _place(columns["nGen"]),
            "genMotherID": np.where(of["Gen_mother"] < 0, np.nan, 10 + of["Gen_mother"]),
            **{f"mcProdVertex{axis.upper()}": 0.1 * of[f"Gen_v{axis}"] for axis in "xyz"},
        }
    beam = {name: of[f"beam_{name[4:].lower() if name != 'beamE' else 'E'}"] for name in _BEAM}
    square = beam["beamE"] ** 2 - sum(beam[name] ** 2 for name in ("beamPx", "beamPy", "beamPz"))
    return Trees(
        {name: columns[name] for name in ("experiment", "run", "event", "production")},
        {
            **{f"IP{axis.upper()}": 0.1 * of[f"ip_{axis}"] for axis in "xyz"},
            **beam,
            "Ecms": np.sqrt(square),
            "Eher": np.full(len(square), 8.0),
            "Eler": np.full(len(square), 3.5),
        },
        counts,
        variables,
        of["weight"],
    )


_BEAM = ("beamPx", "beamPy", "beamPz", "beamE")
_IN_DIALECT = {
    "four_momentum": (*_BEAM, "Ecms"),
    "energies": ("Eher", "Eler", "Ecms"),
    "cm_energy": ("Ecms",),
    "none": (),
}


def write_trees(path: Path, trees: Trees, dialect: Dialect) -> Path:
    """Write trees as a release of basf2 would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with uproot.recreate(path) as file:
        for tree, counts in trees.counts.items():
            if tree == "mc" and not dialect.mc:
                continue
            content = _flat_branches(trees, dialect) | ({"__ncandidates__": counts} if dialect.candidates else {})
            jagged = {}
            for number, (variable, values) in enumerate(trees.variables[tree].items()):
                if variable.endswith("mdstIndex)") and not dialect.daughters:
                    continue
                jagged[_branch(variable, dialect)] = ak.unflatten(values.astype(_real(number, dialect)), counts)
            trees.spoil(tree, content, jagged)
            _write_tree(file, tree, content, jagged, dialect)
    return path


def _write_tree(
    file: Any, tree: str, content: dict[str, AnyArray], jagged: dict[str, ak.Array], dialect: Dialect
) -> None:
    types = {name: column.dtype for name, column in content.items()}
    lists = {
        name: ak.types.ListType(ak.types.NumpyType(str(ak.to_numpy(ak.flatten(array)).dtype)))
        for name, array in jagged.items()
    }
    if dialect.container == "rntuple":
        file.mkrntuple(tree, types | lists).extend(content | jagged)
    elif dialect.candidates:
        # One counter for all branches of a tree, as basf2 has it.
        del types["__ncandidates__"], content["__ncandidates__"]
        file.mktree(tree, types | lists, counter_name=lambda branch: "__ncandidates__").extend(content | jagged)
    else:
        file.mktree(tree, types | lists).extend(content | jagged)


def _flat_branches(trees: Trees, dialect: Dialect) -> dict[str, AnyArray]:
    older = {"experiment": "expNum", "run": "runNum", "event": "evtNum"}
    flat = {}
    for number, name in older.items():
        if dialect.older_event_numbers:
            flat[name] = trees.identity[number].astype(_real(0, dialect))
        else:
            flat[f"__{number}__"] = trees.identity[number].astype("i4")
    if dialect.production:
        flat["__production__"] = trees.identity["production"].astype("i4")
    if dialect.weight:
        flat["__weight__"] = trees.weight.astype("f4")
    names = _IN_DIALECT[dialect.beams] + (("IPX", "IPY", "IPZ") if dialect.interaction_point else ())
    return flat | {name: trees.event[name].astype(_real(0, dialect)) for name in names}


def _branch(variable: str, dialect: Dialect) -> str:
    spelt = variable.replace(", ", ", " if dialect.spaced else ",")
    for character, code in {"(": "__bo", ")": "__bc", ",": "__cm", " ": "__sp"}.items():
        spelt = spelt.replace(character, code)
    return spelt


def _real(number: int, dialect: Dialect) -> str:
    return ("f4", "f8")[number % 2] if dialect.real == "mixed" else dialect.real


def _place(counts: AnyArray) -> AnyArray:
    """Return the place of each particle in its event."""
    counts = np.asarray(counts)
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def read_columns(path: Path) -> dict[str, AnyArray]:
    """Return the flat columns of an ntuple, TTree or RNTuple."""
    with uproot.open(path) as file:
        tree = file[TREE_NAME]
        is_data = "Gen_pdg" not in tree.keys()  # noqa: SIM118 - not a dictionary
        arrays = tree.arrays()
        columns = {branch.name: ak.to_numpy(arrays[branch.name]) for branch in EVENT_BRANCHES}
        for collection in written_collections(is_data=is_data):
            columns[collection.counter] = ak.to_numpy(ak.num(arrays[f"{collection.name}_px"]))
            for branch in collection.branches:
                name = f"{collection.name}_{branch.name}"
                columns[name] = ak.to_numpy(ak.flatten(arrays[name]))
    return columns


def metadata(*, is_data: bool = False) -> SampleMetadata:
    """Return what a converted file says about itself."""
    return SampleMetadata(
        name="data" if is_data else "tautau",
        process="data" if is_data else "tautau",
        is_data=is_data,
        cross_section_fb=None if is_data else 919e3,
        n_generated=0,
        sum_weights=0.0,
        sum_weights2=0.0,
        generator="test",
    )


class B2bii:
    """Writes B2BII files below a folder and converts them."""

    Dialect = Dialect
    trees_of = staticmethod(trees_of)
    basf2_helix = staticmethod(basf2_helix)
    write_trees = staticmethod(write_trees)
    read_columns = staticmethod(read_columns)
    metadata = staticmethod(metadata)

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @staticmethod
    def tracks_of(trees: Trees) -> Particles:
        """Return the tracks as they would be read from a file `in.root`."""
        columns = {unescape(variable): values for variable, values in trees.variables["track"].items()}
        return Particles(Path("in.root"), "track", 0, np.asarray(trees.counts["track"]), columns)

    def write(self, columns: Mapping[str, AnyArray], dialect: Dialect | None = None, name: str = "in.root") -> Path:
        """Write ntuple columns as a B2BII file."""
        return write_trees(self.folder / name, trees_of(columns), dialect or Dialect())

    def convert(
        self,
        path: Path,
        *,
        is_data: bool = False,
        settings: ConversionSettings | None = None,
        ntuples: NtupleWriterSettings | None = None,
        **options: Any,
    ) -> ConvertedFile:
        """Convert one file."""
        settings = settings or ConversionSettings()
        task = ConversionTask(
            inspect_file(path, settings),
            path.with_name(f"{path.stem}_converted.root"),
            metadata(is_data=is_data),
            options.pop("n_generated", None),
            settings,
            ntuples or NtupleWriterSettings(),
            **options,
        )
        return convert_file(task)


@pytest.fixture
def b2bii(tmp_path: Path) -> B2bii:
    return B2bii(tmp_path)


@pytest.fixture
def toy_events(toy_ntuples) -> dict[str, AnyArray]:
    """Columns of random toy events with π⁰ and generator particles, away from the origin."""
    return _rich_columns(toy_ntuples, seed=3, n_events=12)


@pytest.fixture
def rich_columns(toy_ntuples) -> Callable[[int, int], dict[str, AnyArray]]:
    """Columns like `toy_events` for a seed and a number of events."""
    return partial(_rich_columns, toy_ntuples)


def _rich_columns(toy_ntuples: Any, seed: int, n_events: int) -> dict[str, AnyArray]:
    """Return columns of random events: tracks from anywhere near the axis, linked π⁰ and generator particles."""
    rng = np.random.default_rng(seed)
    columns = toy_ntuples.columns([toy_ntuples.random_event(rng) for _ in range(n_events)])
    # The toy's momenta are those at the vertices.
    pt = np.hypot(columns["Track_px"], columns["Track_py"])
    columns["Track_px"], columns["Track_py"] = pt * np.cos(columns["Track_phi0"]), pt * np.sin(columns["Track_phi0"])
    for axis in "xyz":
        columns[f"ip_{axis}"] = rng.normal(0.0, 0.5, n_events)
    for name in COLLECTIONS[0].branches:
        if name.name.startswith("cov") and name.name[3] != name.name[4]:
            columns[f"Track_{name.name}"] = rng.normal(0.0, 1e-9, len(columns["Track_px"]))
    columns["production"] = rng.integers(0, 5, n_events)
    n_photons = columns["nPhoton"]
    columns["nPi0"] = np.where(n_photons >= 2, rng.integers(0, 3, n_events), 0)
    n_pi0 = int(columns["nPi0"].sum())
    available = np.repeat(n_photons, columns["nPi0"])
    momentum = rng.normal(0.0, 0.5, (n_pi0, 3))
    columns |= {f"Pi0_{name}": momentum[:, i] for i, name in enumerate(("px", "py", "pz"))}
    columns["Pi0_E"] = np.sqrt(np.sum(momentum**2, axis=1) + 0.135**2)
    columns["Pi0_photon0"] = np.zeros(n_pi0, dtype=int)
    columns["Pi0_photon1"] = np.maximum(available - 1, 0)
    columns["nGen"] = rng.integers(0, 5, n_events)
    place, n_gen = _place(columns["nGen"]), int(columns["nGen"].sum())
    columns["Gen_pdg"] = rng.choice([11, -13, 15, 25, 211], n_gen)
    columns["Gen_mother"] = np.where(place > 0, (place - 1) // 2, -1)
    is_mother = np.zeros(n_gen, dtype=bool)
    first = np.arange(n_gen) - place
    is_mother[(first + columns["Gen_mother"])[place > 0]] = True
    columns["Gen_status"] = np.where(is_mother, 2, 1)
    for name in ("px", "py", "pz", "vx", "vy", "vz"):
        columns[f"Gen_{name}"] = rng.normal(0.0, 1.0, n_gen)
    columns["Gen_E"] = rng.uniform(3.0, 5.0, n_gen)
    columns["Track_gen"] = np.minimum(_place(columns["nTrack"]), np.repeat(columns["nGen"], columns["nTrack"]) - 1)
    return columns
