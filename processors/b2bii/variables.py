"""The trees and variables of a B2BII file: one declarative table that the reader and the steering file share.

Names are basf2's. In a file they are escaped, because ROOT would take ``trackFitCovariance(0, 1)`` for a formula.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple

from processors.ntuple import COVARIANCE_INDICES


class Tree(StrEnum):
    """Trees of a file, all with the same events in the same order."""

    TRACK = "track"
    PHOTON = "photon"
    PI0 = "pi0"
    MC = "mc"
    """Generator particles; may be absent, and may come in parts `mc_<name>`, one a particle list."""


REQUIRED_TREES: Final = (Tree.TRACK, Tree.PHOTON, Tree.PI0)


class Kind(StrEnum):
    """What the numbers of a variable are. basf2 writes all of them as floating point."""

    REAL = "real"
    WHOLE = "whole"
    """An integer, which newer releases might write as such."""


class Need(StrEnum):
    """What becomes of a file without a variable."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    """The ntuple gets a default in its place, and says so."""
    TRUTH = "truth"
    """Likewise, and real data do not have it."""


class Variable(NamedTuple):
    """One number for each entry of a tree's particle list."""

    name: str
    """As basf2 spells it."""
    need: Need = Need.REQUIRED
    kind: Kind = Kind.REAL


def covariance_variable(i: int, j: int) -> str:
    """Return the variable of an element of the helix covariance.

    >>> covariance_variable(0, 1)
    'trackFitCovariance(0, 1)'
    """
    return f"trackFitCovariance({i}, {j})"


_MOMENTUM: Final = (Variable("px"), Variable("py"), Variable("pz"))
PARTICLE_VARIABLES: Final[dict[Tree, tuple[Variable, ...]]] = {
    Tree.TRACK: (
        Variable("charge", kind=Kind.WHOLE),
        *_MOMENTUM,
        *(Variable(name) for name in ("d0", "phi0", "omega", "z0", "tanLambda")),
        *(Variable(covariance_variable(i, j)) for i, j in COVARIANCE_INDICES),
        Variable("eIDBelle"),
        Variable("muIDBelle"),
        Variable("muIDBelleQuality"),
        Variable("atcPIDBelle(3,2)"),
        Variable("dr", Need.OPTIONAL),
        Variable("dz", Need.OPTIONAL),
        Variable("mcPDG", Need.TRUTH, Kind.WHOLE),
        Variable("genMotherPDG", Need.TRUTH, Kind.WHOLE),
        Variable("genParticleID", Need.TRUTH, Kind.WHOLE),
    ),
    Tree.PHOTON: (
        *_MOMENTUM,
        Variable("E"),
        Variable("clusterE9E25"),
        Variable("mdstIndex", Need.OPTIONAL, Kind.WHOLE),
    ),
    Tree.PI0: (
        *_MOMENTUM,
        Variable("E"),
        Variable("daughter(0, mdstIndex)", Need.OPTIONAL, Kind.WHOLE),
        Variable("daughter(1, mdstIndex)", Need.OPTIONAL, Kind.WHOLE),
    ),
    Tree.MC: (
        *_MOMENTUM,
        Variable("E"),
        Variable("mcPDG", kind=Kind.WHOLE),
        Variable("genParticleID", Need.TRUTH, Kind.WHOLE),
        Variable("genMotherID", Need.TRUTH, Kind.WHOLE),
        Variable("mcProdVertexX", Need.TRUTH),
        Variable("mcProdVertexY", Need.TRUTH),
        Variable("mcProdVertexZ", Need.TRUTH),
    ),
}
"""Variables of each tree's particles that conversion reads."""

INTERACTION_POINT: Final = ("IPX", "IPY", "IPZ")
BEAM_FOUR_MOMENTUM: Final = ("beamPx", "beamPy", "beamPz", "beamE")
BEAM_ENERGIES: Final = ("Eher", "Eler")
CM_ENERGY: Final = "Ecms"
EVENT_VARIABLES: Final = (*INTERACTION_POINT, *BEAM_FOUR_MOMENTUM, *BEAM_ENERGIES, CM_ENERGY)
"""Variables of the event, all optional, in whichever tree they are found first."""

EVENT_NUMBERS: Final = {"experiment": "expNum", "run": "runNum", "event": "evtNum"}
"""Number of the identity → the event variable that older releases write in place of ``__<number>__``."""
CANDIDATES: Final = "__ncandidates__"
WEIGHT: Final = "__weight__"
PRODUCTION: Final = "__production__"

_ESCAPES: Final = {
    "sp": " ", "cm": ",", "cl": ":", "eq": "=", "st": "<", "gt": ">", "pt": ".", "pl": "+", "mi": "-", "da": "-",
    "bo": "(", "bc": ")", "co": "{", "cc": "}", "so": "[", "sc": "]", "ha": "^", "em": "!", "qm": "?", "mu": "*",
    "sl": "/", "am": "&", "pi": "|", "at": "@",
}  # fmt: skip


def unescape(branch: str) -> str:
    """Return the variable that a branch holds, without the spaces that releases and users set differently.

    >>> unescape("atcPIDBelle__bo3__cm2__bc"), unescape("atcPIDBelle__bo3__cm__sp2__bc")
    ('atcPIDBelle(3,2)', 'atcPIDBelle(3,2)')
    """
    plain = re.sub("__([a-z]{2})", lambda code: _ESCAPES.get(code[1], code[0]), branch)
    return plain.replace(" ", "")


def escape(variable: str) -> str:
    """Return the branch that basf2 writes a variable to.

    >>> escape("trackFitCovariance(0, 1)")
    'trackFitCovariance__bo0__cm__sp1__bc'
    """
    codes = {character: f"__{code}" for code, character in reversed(_ESCAPES.items())}
    return "".join(codes.get(character, character) for character in variable)
