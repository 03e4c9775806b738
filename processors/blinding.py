"""The gate in front of signal-region data: what an unblinding opens, and that nothing is open without one.

Data of the signal region reach a program in three ways, and each asks for the record here: rows of candidates
(`processors.candidates.CandidateStore`), regions while histograms are filled (`processors.regions.assign_regions`), and
histograms on disk (`processors.histograms.load_histograms`). Everything later (tables, figures, fits, exports) is
made from those.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.classifier.folds import fold_of
from models.errors import BlindedError
from models.settings import Settings

BoolArray = NDArray[np.bool_]

TRUTH_COLUMN: Final = "is_true_candidate"
"""Candidates without it are data: simulation always has it."""
_PARTS: Final = 1_000_000
"""Parts that events are dealt into to open a fraction of them."""
_SEED: Final = 20220707
"""Of that deal; a fraction contains every smaller one."""


class UnblindingStage(StrEnum):
    """How much of the signal-region data an unblinding opens."""

    FULL = "full"
    FRACTION = "fraction"
    """A fixed part of the events, chosen by a hash of their identity; limits are those of so much luminosity."""
    SIDE_BANDS = "side_bands"
    """Masses m(ℓℓ) in no mass point's signal window; fits still use Asimov data."""


class BlindingSettings(Settings):
    """What an unblinding of a run opens."""

    stage: UnblindingStage = UnblindingStage.FULL
    """All data, a fraction, or the side bands of the scan."""
    fraction: float = Field(default=0.1, gt=0, lt=1)
    """Fraction of the events that stage `fraction` opens."""


class Unblinding(Settings):
    """The record that someone decided to look at the signal-region data; without it they are never read."""

    who: str = Field(min_length=1)
    """Person responsible."""
    reason: str = Field(min_length=1)
    """Why, e.g. the review that approved it."""
    when: datetime
    """Time of the decision."""
    configuration_hash: str = Field(pattern="^[0-9a-f]{64}$")
    """SHA-256 of the configuration that was decided on; with another one the record is void."""
    blinding: BlindingSettings = BlindingSettings()
    """How much was opened."""
    sections: dict[str, str] = Field(default={})
    """Digest of each section of that configuration, to name what changed since."""
    previous: tuple["Unblinding", ...] = ()
    """Earlier records of the run, oldest first: other stages, or configurations that were changed after looking."""

    @property
    def opened_fraction(self) -> float:
        """Fraction of the luminosity whose signal-region data may be fitted; 0 if none."""
        match self.blinding.stage:
            case UnblindingStage.FULL:
                return 1.0
            case UnblindingStage.FRACTION:
                return self.blinding.fraction
            case UnblindingStage.SIDE_BANDS:
                return 0.0

    def opens(self, columns: Mapping[str, NDArray[Any]], signal_windows_gev: NDArray[np.float64]) -> BoolArray:
        """Return which data candidates may be looked at in the signal region, shape (n,).

        Parameters
        ----------
        columns
            Event identity and `m_ll_gev` of the candidates.
        signal_windows_gev
            Signal windows of all mass points of the channel, shape (n_points, 2).
        """
        mass = np.asarray(columns["m_ll_gev"], dtype=np.float64)
        match self.blinding.stage:
            case UnblindingStage.FULL:
                return np.ones(len(mass), dtype=bool)
            case UnblindingStage.FRACTION:
                experiment, run, event = (columns[name] for name in ("experiment", "run", "event"))
                part = fold_of(experiment, run, event, "", n_folds=_PARTS, seed=_SEED)
                return np.asarray(part < self.blinding.fraction * _PARTS)
            case UnblindingStage.SIDE_BANDS:
                return outside_windows(mass, signal_windows_gev)


def outside_windows(mass_gev: NDArray[np.float64], windows_gev: NDArray[np.float64]) -> BoolArray:
    """Return which masses are in none of some windows, shape as `mass_gev`.

    >>> outside_windows(np.array([0.5, 1.5, 2.5]), np.array([[1.0, 2.0], [1.8, 2.2]])).tolist()
    [True, False, True]
    """
    low, high = (np.sort(column) for column in np.reshape(windows_gev, (-1, 2)).T)
    # Inside as many windows as have begun and not ended.
    inside = np.searchsorted(low, mass_gev, side="right") - np.searchsorted(high, mass_gev, side="left")
    return np.asarray(inside == 0)


def require_record(unblinding: Unblinding | None, wanted: Unblinding, what: str) -> None:
    """Refuse what was read under a record that a run does not have, or no longer.

    Raises
    ------
    BlindedError
        If there is no record, or another one.
    """
    if unblinding is None:
        raise BlindedError(
            f"{what} holds signal-region data, read when {wanted.who} unblinded ({wanted.reason}), "
            "but the run has no such record now: it stays closed."
        )
    if unblinding.model_dump(exclude={"previous"}) != wanted.model_dump(exclude={"previous"}):
        raise BlindedError(
            f"{what} holds signal-region data, read under the record of {wanted.when:%Y-%m-%d %H:%M} UTC, "
            f"not that of {unblinding.when:%Y-%m-%d %H:%M} UTC: fill the histograms again."
        )
