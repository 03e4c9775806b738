"""Data/MC corrections as correctionlib sets: which there are, what each depends on, and how they are evaluated by name.

A set is a file in correctionlib's schema version 2, JSON or gzipped JSON. Every correction takes the string `variation`
(`nominal`, `up` or `down`, one standard deviation) and then the inputs of `INPUTS`, all real numbers. Several files
make one set: a correction in a later file replaces the one of that name in an earlier file, so that a measured table
can be laid over the defaults.
"""

from __future__ import annotations

import difflib
import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

import correctionlib
import numpy as np
from correctionlib import schemav2
from numpy.typing import NDArray
from pydantic import ValidationError

from models.errors import LeptophileError
from processors.configuration import DEFAULT_SET

FloatArray = NDArray[np.float64]

_DEFAULT_FILE: Final = resources.files("processors").joinpath("default_corrections.json")


class CorrectionError(LeptophileError):
    """A correction is missing, unknown, incomplete or does not cover a value; the message names it."""


class CorrectionName(StrEnum):
    """Corrections that the analysis consumes; a set holds each under this name."""

    IDENTIFICATION_ELECTRON = "identification_electron"
    """Weight of a φ daughter that is an electron and identified as one."""
    IDENTIFICATION_MUON = "identification_muon"
    MISIDENTIFICATION_ELECTRON = "misidentification_electron"
    """Weight of a φ daughter that is identified as an electron and is none."""
    MISIDENTIFICATION_MUON = "misidentification_muon"
    KAON_PION = "kaon_pion"
    """Weight of a φ daughter that is a kaon or a pion, by whether its likelihood ratio is on its side of one half."""
    TRACKING = "tracking"
    """Weight of each of the four tracks."""
    TRIGGER = "trigger"
    """Weight of an event."""
    LUMINOSITY = "luminosity"
    """Weight of an event; its uncertainty is that of the luminosity in the fits."""
    MOMENTUM_SCALE = "momentum_scale"
    """Factor on the momentum of a track."""
    MOMENTUM_RESOLUTION = "momentum_resolution"
    """Factor on the difference of measured and true momentum of a track."""
    PHOTON_ENERGY = "photon_energy"
    """Factor on the energy of a photon."""


class Variation(StrEnum):
    """Which value of a correction."""

    NOMINAL = "nominal"
    UP = "up"
    DOWN = "down"


VARIATION_INPUT: Final = "variation"
_TRACK_INPUTS: Final = ("p_gev", "theta_deg", "charge")
INPUTS: Final[Mapping[CorrectionName, tuple[str, ...]]] = {
    CorrectionName.IDENTIFICATION_ELECTRON: _TRACK_INPUTS,
    CorrectionName.IDENTIFICATION_MUON: _TRACK_INPUTS,
    CorrectionName.MISIDENTIFICATION_ELECTRON: _TRACK_INPUTS,
    CorrectionName.MISIDENTIFICATION_MUON: _TRACK_INPUTS,
    CorrectionName.KAON_PION: (*_TRACK_INPUTS, "correctly_identified"),
    CorrectionName.TRACKING: _TRACK_INPUTS,
    CorrectionName.TRIGGER: ("visible_energy_cm_gev",),
    CorrectionName.LUMINOSITY: (),
    CorrectionName.MOMENTUM_SCALE: _TRACK_INPUTS,
    CorrectionName.MOMENTUM_RESOLUTION: _TRACK_INPUTS,
    CorrectionName.PHOTON_ENERGY: ("energy_gev", "theta_deg"),
}
"""What each correction depends on besides the variation: laboratory momentum, polar angle in degrees and charge of a
track; whether a hadron's likelihood ratio agrees with what it is (1 or 0); energies."""


class CorrectionSets:
    """Every correction that the analysis consumes, evaluated by name.

    Parameters
    ----------
    text
        A complete set in correctionlib's JSON.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        """The set as JSON: what a run keeps as a record of what it applied."""
        self._evaluators = correctionlib.CorrectionSet.from_string(text)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as text, which a worker parses once and not for every chunk."""
        return _from_text, (self.text,)

    def evaluate(self, name: CorrectionName, variation: Variation, **inputs: FloatArray) -> FloatArray:
        """Return a correction for each element of its inputs.

        Parameters
        ----------
        name, variation
            Which correction and which of its values.
        inputs
            What it depends on (`INPUTS`), arrays of one shape.

        Returns
        -------
        Array of the inputs' shape; of shape () for a correction without inputs.

        Raises
        ------
        CorrectionError
            If an input is not finite or outside what the correction covers, or the correction is not a finite number.
        """
        columns = {key: np.asarray(inputs[key], dtype=np.float64) for key in INPUTS[name]}
        shape = np.broadcast_shapes(*(column.shape for column in columns.values()))
        flat = [np.ravel(column) for column in columns.values()]
        for key, column in zip(columns, flat, strict=True):
            if not np.isfinite(column).all():
                raise CorrectionError(f"correction '{name}' is asked for {key} = {column[~np.isfinite(column)][0]}")
        evaluator = self._evaluators[name]
        try:
            values = np.asarray(evaluator.evaluate(str(variation), *flat), dtype=np.float64)
        except (RuntimeError, IndexError, ValueError) as error:
            raise CorrectionError(self._uncovered(name, variation, flat, str(error))) from error
        finite = np.isfinite(values)
        if not finite.all():
            row = int(np.argmin(finite))
            raise CorrectionError(f"correction '{name}' is not finite for {_place(name, flat, row)} ({variation})")
        return values.reshape(shape)

    def factor(self, name: CorrectionName) -> tuple[float, float, float]:
        """Return nominal, up and down of a correction that depends on nothing."""
        nominal, up, down = (float(self.evaluate(name, variation)) for variation in Variation)
        return nominal, up, down

    def _uncovered(self, name: CorrectionName, variation: Variation, flat: Sequence[FloatArray], reason: str) -> str:
        """Return a sentence that names the first value that a correction does not cover."""
        for row in range(len(flat[0]) if flat else 0):
            try:
                self._evaluators[name].evaluate(str(variation), *(float(column[row]) for column in flat))
            except (RuntimeError, IndexError, ValueError):
                return f"correction '{name}' does not cover {_place(name, flat, row)} ({variation})"
        return f"correction '{name}' cannot be evaluated ({variation}): {' '.join(reason.split())}"


def load_corrections(files: Sequence[str]) -> CorrectionSets:
    """Return the corrections of some files, later ones in place of earlier ones.

    Parameters
    ----------
    files
        Paths of correctionlib sets, or `default` for the one that comes with the software.

    Raises
    ------
    CorrectionError
        If a file cannot be read or is no valid set, holds a correction that nothing consumes, or one with other inputs
        or without one of its variations, or if a correction is in none of the files.
    """
    found: dict[str, schemav2.Correction] = {}
    for file in files:
        for correction in _read_set(file).corrections:
            _check(correction, file)
            found[correction.name] = correction
    missing = [name for name in CorrectionName if name not in found]
    if missing:
        raise CorrectionError(f"no file of 'candidates.corrections' ({', '.join(files)}) has '{missing[0]}'")
    merged = schemav2.CorrectionSet(schema_version=2, corrections=[found[name] for name in CorrectionName])
    return _from_text(merged.model_dump_json(exclude_unset=True))


def read_corrections(path: Path) -> CorrectionSets:
    """Return the corrections that a run applied, as it kept them; raises as `load_corrections`."""
    return load_corrections([str(path)])


@lru_cache(maxsize=8)
def _from_text(text: str) -> CorrectionSets:
    return CorrectionSets(text)


def _read_set(file: str) -> schemav2.CorrectionSet:
    try:
        content = _DEFAULT_FILE.read_bytes() if file == DEFAULT_SET else Path(file).read_bytes()
        text = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        return schemav2.CorrectionSet.model_validate(json.loads(text))
    except OSError as error:
        raise CorrectionError(f"'candidates.corrections': {file} cannot be read ({error.strerror or error})") from error
    except (EOFError, zlib.error, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CorrectionError(f"{file}: not a readable JSON file of corrections ({error})") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CorrectionError(f"{file}: not a correctionlib set of schema 2, at {where}: {first['msg']}") from error


def _check(correction: schemav2.Correction, file: str) -> None:
    name = correction.name
    if name not in set(CorrectionName):
        close = difflib.get_close_matches(name, list(CorrectionName), n=1)
        hint = f", did you mean '{close[0]}'?" if close else f"; known are {', '.join(CorrectionName)}"
        raise CorrectionError(f"{file}: nothing consumes a correction '{name}'{hint}")
    wanted = (VARIATION_INPUT, *INPUTS[CorrectionName(name)])
    given = tuple(variable.name for variable in correction.inputs)
    types = tuple(variable.type for variable in correction.inputs)
    if given != wanted or types != ("string", *["real"] * (len(wanted) - 1)):
        raise CorrectionError(
            f"{file}: correction '{name}' has the inputs {', '.join(given)}; "
            f"expected are the string {wanted[0]} and the real numbers {', '.join(wanted[1:]) or 'none'}"
        )
    content = correction.data
    if not isinstance(content, schemav2.Category) or content.input != VARIATION_INPUT:
        raise CorrectionError(f"{file}: correction '{name}' must begin with a category of its variations")
    keys = {item.key for item in content.content}
    absent = [str(variation) for variation in Variation if variation not in keys]
    if absent:
        raise CorrectionError(f"{file}: correction '{name}' lacks the variation '{absent[0]}'")


def _place(name: CorrectionName, flat: Sequence[FloatArray], row: int) -> str:
    return ", ".join(f"{key} = {column[row]:g}" for key, column in zip(INPUTS[name], flat, strict=True)) or "any event"
