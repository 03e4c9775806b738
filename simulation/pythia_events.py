"""Setting Pythia up, and its event records as flat arrays.

Pythia 8.3: C. Bierlich et al., SciPost Phys. Codebases 8 (2022).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Final

import awkward as ak
import numpy as np
import pythia8mc
from numpy.typing import NDArray

from models.constants import TAU_MASS_GEV
from models.errors import LeptophileError
from simulation.generated import DECAYED, FINAL_STATE, GeneratedEvents, Particles

GENERATOR: Final = f"Pythia {version('pythia8mc')}"
SEED_RANGE: Final = 900_000_000
"""Pythia takes seeds from 1 to this."""
COMMON_SETTINGS: Final = (
    "Print:quiet = on",
    "Next:numberCount = 0",
    # What lives longer than a metre in its rest frame meets the detector first: π±, K±, K_L, μ.
    "ParticleDecays:limitTau0 = on",
    "ParticleDecays:tau0Max = 1000.",
    # Neutral pions decay in array code (simulation.neutral_pion_decays), whatever they come from.
    "111:mayDecay = off",
    f"15:m0 = {TAU_MASS_GEV}",
    "Random:setSeed = on",
)
_HARDEST_STATUS: Final = 80
"""Status codes above this belong to hadronisation and decays (Pythia manual, Particle Properties)."""
_HEAVIEST_PARTON: Final = 100
"""PDG codes below this are partons, leptons, bosons and Pythia's own bookkeeping lines; hadrons lie above."""
_OUTGOING_STATUS: Final = 23
_HEAVIEST_QUARK: Final = 8
_GLUON: Final = 21
_LIGHTEST_DIQUARK: Final = 1000
_HEAVIEST_DIQUARK: Final = 6000


class PythiaError(LeptophileError):
    """Pythia refused a setting or stopped; the message names the sample."""


def pythia_seed(rng: np.random.Generator) -> int:
    """Return a seed that Pythia accepts."""
    return int(rng.integers(1, SEED_RANGE))


def start_pythia(
    settings: Sequence[str], seed: int, purpose: str, *, lha_up: pythia8mc.LHAup | None = None
) -> pythia8mc.Pythia:
    """Return an initialised Pythia.

    Parameters
    ----------
    settings
        Lines as Pythia reads them, beside the common ones.
    seed
        Seed from 1 to 900 000 000.
    purpose
        What it generates, for the message of a failure.
    lha_up
        Source of hard processes from outside.

    Raises
    ------
    PythiaError
        If a setting is not known to Pythia or initialisation fails.
    """
    pythia = pythia8mc.Pythia("", False)
    for line in (*COMMON_SETTINGS, f"Random:seed = {seed}", *settings):
        if not pythia.readString(line):
            raise PythiaError(f"{purpose}: Pythia does not know the setting '{line}'")
    if lha_up is not None:
        pythia.setLHAupPtr(lha_up)
    if not pythia.init():
        raise PythiaError(f"{purpose}: Pythia could not be initialised")
    return pythia


def event_batches(pythia: pythia8mc.Pythia, n: int, batch: int, purpose: str) -> Iterator[GeneratedEvents]:
    """Yield `n` events, `batch` at a time; final particles and every hadron and lepton that decayed, not the partons.

    Raises
    ------
    PythiaError
        If Pythia makes no event in as many tries as asked for.
    """
    missing = n
    while missing > 0:
        # A failed event is left out of its batch, and made up for in the next.
        events = events_from_records(pythia.nextBatch(min(batch, missing), "skip").prt)
        if events.n_events == 0:
            raise PythiaError(f"{purpose}: Pythia made no event in {min(batch, missing)} tries")
        yield events
        missing -= events.n_events


def events_from_records(records: ak.Array) -> GeneratedEvents:
    """Return Pythia's event records, as `nextBatch` gives them, as generated events.

    Partons are left out. What comes out of a string has the hadron as its mother that decayed to the string's partons,
    and none if there is no such hadron.
    """
    record_counts = ak.to_numpy(ak.num(records)).astype(np.int64)
    flat = ak.flatten(records)
    pdg = ak.to_numpy(flat.id)
    status = ak.to_numpy(flat.status)
    absolute = np.abs(status)
    hadron = np.abs(pdg) > _HEAVIEST_PARTON
    kept = (status > 0) | (absolute > _HARDEST_STATUS) | ((absolute == _OUTGOING_STATUS) & hadron)
    kept &= (absolute > 0) & ~_is_parton(pdg)

    record = np.repeat(np.arange(len(record_counts)), record_counts)
    first_row = np.cumsum(record_counts) - record_counts
    position = np.cumsum(kept) - 1
    counts = np.bincount(record[kept], minlength=len(record_counts))
    mother_row = _kept_ancestor(ak.to_numpy(flat.mother1) + first_row[record], kept)
    has_mother = kept[mother_row]
    mother = np.where(has_mother, position[mother_row] - np.repeat(np.cumsum(counts) - counts, counts), -1)
    return GeneratedEvents.from_particles(
        counts,
        np.ones(len(counts)),
        Particles(
            pdg=pdg[kept],
            status=np.where(status[kept] > 0, FINAL_STATE, DECAYED),
            mother=mother,
            momentum=_four_vectors(flat.p)[kept],
            vertex=_four_vectors(flat.vProd)[kept],
        ),
    )


def _is_parton(pdg: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which PDG codes are quarks, gluons or diquarks."""
    absolute = np.abs(pdg)
    diquark = (absolute > _LIGHTEST_DIQUARK) & (absolute < _HEAVIEST_DIQUARK) & (absolute // 10 % 10 == 0)
    return np.asarray((absolute <= _HEAVIEST_QUARK) | (absolute == _GLUON) | diquark)


def _kept_ancestor(mother: NDArray[np.int64], kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the row of the nearest ancestor that is kept, for each particle that is; a first row if there is none."""
    row = mother[kept]
    pending = np.flatnonzero(~kept[row])
    while len(pending):
        above = mother[row[pending]]
        moved = above != row[pending]
        row[pending] = above
        pending = pending[moved & ~kept[above]]
    return row


def _four_vectors(records: ak.Array) -> NDArray[np.float64]:
    """Return records of px, py, pz, e as an array of shape (n, 4); missing ones, at the origin, as zero."""
    return np.stack([ak.to_numpy(ak.fill_none(records[name], 0.0)) for name in ("px", "py", "pz", "e")], axis=-1)
