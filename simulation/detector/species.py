"""The particles that leave something in the detector."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.constants import (
    ELECTRON_MASS_GEV,
    KAON_MASS_GEV,
    MUON_MASS_GEV,
    PION_MASS_GEV,
    PROTON_MASS_GEV,
)

PHOTON: Final = 22
ELECTRON: Final = 11
MUON: Final = 13
PION: Final = 211
KAON: Final = 321
PROTON: Final = 2212
CHARGED_SPECIES: Final = (ELECTRON, MUON, PION, KAON, PROTON)
"""PDG codes of the stable charged particles."""
LONG_LIVED_NEUTRAL_HADRONS: Final = (130, 2112)
"""K_L and neutron."""

PION_CTAU_MM: Final = 7804.5
"""Charged-pion lifetime times c (PDG 2024)."""
KAON_CTAU_MM: Final = 3711.0
"""Charged-kaon lifetime times c (PDG 2024)."""

_MASSES_GEV: Final = np.array([ELECTRON_MASS_GEV, MUON_MASS_GEV, PION_MASS_GEV, KAON_MASS_GEV, PROTON_MASS_GEV])


def is_one_of(pdg: NDArray[np.int32], codes: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return whether each particle or its antiparticle has one of a few PDG codes."""
    absolute = np.abs(pdg)
    found = np.zeros(len(pdg), dtype=bool)
    for code in codes:
        found |= absolute == code
    return found


def species_index(pdg: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the position in `CHARGED_SPECIES` of charged particles, all of which must be listed there.

    >>> species_index(np.array([-11, 211, 2212], dtype=np.int32)).tolist()
    [0, 2, 4]
    """
    return np.searchsorted(np.array(CHARGED_SPECIES), np.abs(pdg))


def mass_gev(pdg: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the masses of charged particles in GeV."""
    return np.asarray(_MASSES_GEV[species_index(pdg)])


def charge(pdg: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the charges of charged particles; leptons with a positive PDG code are negative.

    >>> charge(np.array([11, -13, 211, -321], dtype=np.int32)).tolist()
    [-1, 1, 1, -1]
    """
    sign = np.sign(pdg).astype(np.int64)
    return np.where(np.abs(pdg) <= MUON, -sign, sign)
