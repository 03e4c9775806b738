"""Control and signal regions from classifier scores, with the blinding of data inside the assignment.

Every table, histogram and plot is filled through the masks made here. Blinded data in the signal region belong
to no region at all, so they cannot reach any output by being asked for differently.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.errors import LeptophileError
from models.search import Channel, Process, classifier_classes
from models.settings import Settings
from models.thresholds import MassThresholds
from processors.blinding import BlindingSettings, Unblinding

GENERAL_CONTROL_REGION = "gcr"
SIGNAL_REGION = "sr"
LOWEST_SIGNAL_THRESHOLD: Final = 0.5
"""No signal region reaches below this signal score, and no control region above."""


class ThresholdChoice(StrEnum):
    """Where the signal region begins."""

    PUBLISHED = "published"
    OPTIMISED = "optimised"
    """At the threshold of the largest expected sensitivity."""
    MASS_DEPENDENT = "mass_dependent"
    """At a threshold that varies smoothly with the candidate's mass, beyond the published method."""


class RegionSettings(Settings):
    """Score requirements of the regions; defaults of arXiv:2207.07476."""

    gcr_below_signal_score: float = Field(default=LOWEST_SIGNAL_THRESHOLD, gt=0, le=LOWEST_SIGNAL_THRESHOLD)
    """† The general control region lies below this signal score."""
    scr_above_score: float = Field(default=0.5, ge=0.5, lt=1)
    """† The special control region of a class lies above this score; from 0.5 on no two of them overlap."""
    sr_above_signal_score_ee: float = Field(default=0.95, ge=LOWEST_SIGNAL_THRESHOLD, lt=1)
    """† The `ee` signal region lies above this signal score."""
    sr_above_signal_score_mumu: float = Field(default=0.65, ge=LOWEST_SIGNAL_THRESHOLD, lt=1)
    """† The `mumu` signal region lies above this signal score."""
    threshold_choice: ThresholdChoice = ThresholdChoice.PUBLISHED
    """Whether the published signal thresholds are used or those that maximise the expected sensitivity."""
    sr_by_mass: dict[Channel, MassThresholds] = Field(default={})
    """Signal thresholds that vary with m(ℓℓ), in place of the constant ones; `threshold_choice: mass_dependent` fills
    them in."""
    unblinding: BlindingSettings = BlindingSettings()
    """How much of the signal-region data a recorded unblinding opens."""

    def sr_above_signal_score(self, channel: Channel) -> float:
        """Return the signal-score threshold of a channel's signal region."""
        return self.sr_above_signal_score_ee if channel is Channel.EE else self.sr_above_signal_score_mumu

    def signal_threshold(self, channel: Channel, mass_gev: NDArray[np.floating] | None) -> NDArray[np.float64]:
        """Return the signal-score threshold of candidates by their mass, broadcast against shape (n,).

        Raises
        ------
        RegionError
            If the threshold varies with mass and no masses are given.
        """
        by_mass = self.sr_by_mass.get(channel)
        if by_mass is None:
            return np.asarray(self.sr_above_signal_score(channel), dtype=np.float64)
        if mass_gev is None:
            raise RegionError(f"the {channel} signal threshold varies with mass: regions need the candidates' masses")
        return np.maximum(by_mass.at(mass_gev), LOWEST_SIGNAL_THRESHOLD)

    def with_signal_thresholds(self, thresholds: Mapping[Channel, float]) -> "RegionSettings":
        """Return settings with other signal thresholds, validated as configured ones are."""
        names = {f"sr_above_signal_score_{channel}": value for channel, value in thresholds.items()}
        return RegionSettings.model_validate({**self.model_dump(), **names})


class RegionError(LeptophileError):
    """Regions cannot be assigned as configured."""


class Regions(NamedTuple):
    """Which candidates are in which region."""

    masks: dict[str, NDArray[np.bool_]]
    """Region name → mask of shape (n,): `gcr`, `scr_<class>` for each background class, `sr`."""
    n_blinded: int
    """Data candidates left out because they are in the blinded signal region."""


def special_control_region(process: Process) -> str:
    """Return the name of the region enriched in one background class.

    >>> special_control_region(Process.TAUTAU)
    'scr_tautau'
    """
    return f"scr_{process}"


def control_regions(channel: Channel) -> tuple[str, ...]:
    """Return the names of a channel's control regions.

    >>> control_regions(Channel.EE)
    ('gcr', 'scr_tautau', 'scr_bhabha', 'scr_qqbar', 'scr_bbbar')
    """
    return (GENERAL_CONTROL_REGION, *(special_control_region(p) for p in classifier_classes(channel)[1:]))


def assign_regions(
    scores: NDArray[np.floating],
    channel: Channel,
    settings: RegionSettings,
    *,
    is_data: bool,
    unblinding: Unblinding | None = None,
    opened: NDArray[np.bool_] | None = None,
    mass_gev: NDArray[np.floating] | None = None,
) -> Regions:
    """Return the regions of each candidate.

    A special control region lies inside the general one, since scores add to one; the signal region is disjoint
    from both.

    Parameters
    ----------
    scores
        Class scores in the order of `models.search.classifier_classes`, shape (n, 5).
    channel
        Whose classes and thresholds apply.
    settings
        Thresholds.
    is_data
        Whether the candidates are data (or pseudo-data), which are blinded in the signal region.
    unblinding
        The record that lifts the blinding.
    opened
        Which candidates it opens, shape (n,); all by default.
    mass_gev
        m(ℓℓ) of the candidates, for thresholds that vary with it, shape (n,).

    Raises
    ------
    RegionError
        If masses are needed and not given.

    Examples
    --------
    >>> scores = np.array([[0.99, 0.01, 0, 0, 0], [0.1, 0.7, 0.1, 0.1, 0]])
    >>> regions = assign_regions(scores, Channel.EE, RegionSettings(), is_data=True)
    >>> regions.masks["sr"].tolist(), regions.masks["gcr"].tolist(), regions.n_blinded
    ([False, False], [False, True], 1)
    """
    signal_score = scores[:, 0]
    in_signal_region = signal_score > settings.signal_threshold(channel, mass_gev).astype(scores.dtype)
    outside = ~in_signal_region
    masks = {GENERAL_CONTROL_REGION: (signal_score < settings.gcr_below_signal_score) & outside}
    for column, process in enumerate(classifier_classes(channel)[1:], start=1):
        masks[special_control_region(process)] = (scores[:, column] > settings.scr_above_score) & outside
    masks[SIGNAL_REGION] = in_signal_region
    if is_data and unblinding is None:
        masks[SIGNAL_REGION] = np.zeros_like(in_signal_region)
    elif is_data and opened is not None:
        masks[SIGNAL_REGION] = in_signal_region & opened
    return Regions(masks, int(np.count_nonzero(in_signal_region & ~masks[SIGNAL_REGION])))
