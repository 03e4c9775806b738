"""The compact Belle ntuple: one declarative table of every branch, from which everything else follows.

The writer, the reader, the coffea schema and the published branch documentation are all driven by the
tables in this module, so none of them can drift from the others.
"""

from typing import Final, NamedTuple

TREE_NAME: Final = "events"
METADATA_KEY: Final = "sample"
"""Name of the TObjString beside the tree that holds the sample's `SampleMetadata` as JSON."""


class Branch(NamedTuple):
    """One column of the ntuple."""

    name: str
    """Name without the collection prefix."""
    dtype: str
    """numpy type name as stored."""
    unit: str
    """Unit, empty for dimensionless numbers."""
    meaning: str
    """One line for the documentation."""
    truth: bool = False
    """True for generator information, absent from real data."""


class Collection(NamedTuple):
    """A jagged collection: branches ``<name>_<branch>`` counted by ``n<name>``."""

    name: str
    meaning: str
    branches: tuple[Branch, ...]
    truth: bool = False

    @property
    def counter(self) -> str:
        """Name of the branch that counts the entries of an event."""
        return f"n{self.name}"


HELIX_PARAMETERS: Final = ("d0", "phi0", "omega", "z0", "tanLambda")
HELIX_UNITS: Final = ("mm", "rad", "mm^-1", "mm", "")
COVARIANCE_INDICES: Final = tuple((i, j) for i in range(5) for j in range(i, 5))
"""(row, column) of the 15 upper-triangle covariance elements, in the order they are stored."""


def _covariance_unit(i: int, j: int) -> str:
    return " ".join(unit for unit in (HELIX_UNITS[i], HELIX_UNITS[j]) if unit)


EVENT_BRANCHES: Final = (
    Branch("experiment", "int32", "", "Belle experiment number"),
    Branch("run", "int32", "", "run number"),
    Branch("event", "int32", "", "event number, unique within experiment and run"),
    Branch("production", "int32", "", "production number"),
    Branch("beam_px", "float64", "GeV", "x momentum of the colliding beams in the laboratory"),
    Branch("beam_py", "float64", "GeV", "y momentum of the colliding beams in the laboratory"),
    Branch("beam_pz", "float64", "GeV", "z momentum of the colliding beams in the laboratory"),
    Branch("beam_E", "float64", "GeV", "energy of the colliding beams in the laboratory"),
    Branch("ip_x", "float32", "mm", "x of the interaction point"),
    Branch("ip_y", "float32", "mm", "y of the interaction point"),
    Branch("ip_z", "float32", "mm", "z of the interaction point"),
    Branch("weight", "float64", "", "generator weight; 1 in real data and pseudo-data"),
    Branch("is_data", "bool", "", "true for real data and pseudo-data"),
)

TRACK: Final = Collection(
    "Track",
    "charged tracks, pion hypothesis",
    (
        Branch("charge", "int8", "e", "charge"),
        Branch("px", "float32", "GeV", "x momentum at the point closest to the z axis"),
        Branch("py", "float32", "GeV", "y momentum at the point closest to the z axis"),
        Branch("pz", "float32", "GeV", "z momentum"),
        Branch("d0", "float64", "mm", "signed transverse distance to the z axis; the point is (d0 sin φ0, −d0 cos φ0)"),
        Branch("phi0", "float64", "rad", "direction of the transverse momentum at that point"),
        Branch("omega", "float64", "mm^-1", "signed curvature, charge · B · 0.000299792458 / p_t"),
        Branch("z0", "float64", "mm", "z of that point"),
        Branch("tanLambda", "float64", "", "p_z / p_t"),
        *(
            Branch(
                f"cov{i}{j}",
                "float32",
                _covariance_unit(i, j),
                f"covariance of {HELIX_PARAMETERS[i]} and {HELIX_PARAMETERS[j]}",
            )
            for i, j in COVARIANCE_INDICES
        ),
        Branch("eID", "float32", "", "electron likelihood ratio, 0 to 1"),
        Branch("muID", "float32", "", "muon likelihood ratio, 0 to 1"),
        Branch("muIDQuality", "float32", "", "1 where the muon likelihood is usable, else 0"),
        Branch("KpiID", "float32", "", "kaon against pion likelihood ratio, 0 to 1"),
        Branch("pdg", "int32", "", "PDG code of the matched generator particle, 0 if none", truth=True),
        Branch("mother_pdg", "int32", "", "PDG code of its mother, 0 if none", truth=True),
        Branch("gen", "int32", "", "index of the matched particle in Gen, −1 if none", truth=True),
    ),
)

PHOTON: Final = Collection(
    "Photon",
    "calorimeter clusters without a track",
    (
        Branch("px", "float32", "GeV", "x momentum from the interaction point"),
        Branch("py", "float32", "GeV", "y momentum from the interaction point"),
        Branch("pz", "float32", "GeV", "z momentum from the interaction point"),
        Branch("E", "float32", "GeV", "energy"),
        Branch("E9E25", "float32", "", "energy in 3×3 over energy in 5×5 crystals"),
    ),
)

PI0: Final = Collection(
    "Pi0",
    "neutral-pion candidates, mass-constrained",
    (
        Branch("px", "float32", "GeV", "x momentum"),
        Branch("py", "float32", "GeV", "y momentum"),
        Branch("pz", "float32", "GeV", "z momentum"),
        Branch("E", "float32", "GeV", "energy"),
        Branch("photon0", "int32", "", "index of the first photon in Photon, −1 if unknown"),
        Branch("photon1", "int32", "", "index of the second photon in Photon, −1 if unknown"),
    ),
)

GEN: Final = Collection(
    "Gen",
    "generator particles in the laboratory",
    (
        Branch("pdg", "int32", "", "PDG code"),
        Branch(
            "status", "int32", "", "1 for a particle that reaches the detector, 2 for one that decayed or converted"
        ),
        Branch("mother", "int32", "", "index of the mother in Gen, −1 if none"),
        Branch("px", "float32", "GeV", "x momentum at production"),
        Branch("py", "float32", "GeV", "y momentum at production"),
        Branch("pz", "float32", "GeV", "z momentum at production"),
        Branch("E", "float32", "GeV", "energy at production"),
        Branch("vx", "float32", "mm", "x of the production vertex"),
        Branch("vy", "float32", "mm", "y of the production vertex"),
        Branch("vz", "float32", "mm", "z of the production vertex"),
    ),
    truth=True,
)

COLLECTIONS: Final = (TRACK, PHOTON, PI0, GEN)

CROSS_REFERENCES: Final = {
    "Track_gen": "Gen",
    "Gen_mother": "Gen",
    "Pi0_photon0": "Photon",
    "Pi0_photon1": "Photon",
}
"""Branches that hold an index within the event, −1 for none, and the collection it points into."""
