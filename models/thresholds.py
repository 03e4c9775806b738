"""The signal-score threshold that maximises the expected sensitivity, on simulation alone.

Figure of merit: G. Punzi's ε/(a/2 + √B) (arXiv:physics/0308063), which needs no assumed cross-section and stays
meaningful for small B. Over the generated masses the geometric mean is maximised, so that a factor gained at
one mass counts like the same factor lost at another.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.errors import LeptophileError
from models.settings import Settings


class ThresholdSettings(Settings):
    """The scan for the optimal signal-score threshold."""

    lowest: float = Field(default=0.50, ge=0.5, lt=1)
    """First threshold tried; from 0.5 on the signal region is disjoint from the control regions."""
    highest: float = Field(default=0.99, ge=0.5, lt=1)
    """Last threshold tried."""
    step: float = Field(default=0.01, gt=0)
    """Distance between thresholds."""
    n_sigma: float = Field(default=1.2816, gt=0)
    """Punzi's a: the one-sided significance of the limits aimed at, 90 %."""
    minimum_window_gev: float = Field(default=0.02, gt=0)
    """Backgrounds are counted in at least ± this much around m_φ and scaled to the fit's window.

    Narrow windows hold too few simulated events at high scores to see the background at all.
    """
    minimum_efficiency_fraction: float = Field(default=0.2, ge=0, le=1)
    """Thresholds that keep less than this fraction of a mass's candidates are not considered."""


class ThresholdError(LeptophileError):
    """No threshold can be recommended."""


class ScoredSignal(NamedTuple):
    """Signal candidates of one generated mass."""

    m_phi_gev: float
    half_window_gev: float
    """Half-width of the fit's signal window."""
    score: NDArray[np.floating]
    """Signal scores, shape (n,)."""
    weight: NDArray[np.float64]
    """Weights normalised to efficiency: their sum is the efficiency before the score requirement, shape (n,)."""
    mass_gev: NDArray[np.float64]
    """Candidate masses, shape (n,)."""


class ScoredBackground(NamedTuple):
    """Candidates of all simulated backgrounds, normalised to the luminosity."""

    score: NDArray[np.floating]
    weight: NDArray[np.float64]
    mass_gev: NDArray[np.float64]


class ThresholdScan(Settings):
    """Expected sensitivity against the threshold."""

    thresholds: tuple[float, ...]
    figure_of_merit: tuple[float, ...]
    """Geometric mean over masses; zero where a threshold keeps too little signal."""
    best: float
    """Threshold of the largest figure of merit."""
    published: float
    """The published threshold."""
    gain: float
    """Figure of merit at the best over the one at the published threshold; zero if the latter keeps too little."""


def scan_thresholds(
    signals: Sequence[ScoredSignal],
    background: ScoredBackground,
    published: float,
    settings: ThresholdSettings | None = None,
) -> ThresholdScan:
    """Find the signal-score threshold that maximises the expected sensitivity.

    Parameters
    ----------
    signals
        One per generated mass.
    background
        All backgrounds together; there is no place for data here.
    published
        Threshold to compare with, added to the ones tried.
    settings
        Range and figure of merit.

    Raises
    ------
    ThresholdError
        If no signal mass has candidates.
    """
    settings = settings or ThresholdSettings()
    usable = [signal for signal in signals if np.sum(signal.weight) > 0]
    if not usable:
        raise ThresholdError("no signal candidates to optimise the score threshold with")
    n_steps = round((settings.highest - settings.lowest) / settings.step)
    tried = np.unique(np.round([*np.linspace(settings.lowest, settings.highest, n_steps + 1), published], 6))
    logarithms = np.zeros(len(tried))
    for signal in usable:
        with np.errstate(divide="ignore"):
            logarithms += np.log(_figure_of_merit(signal, background, tried, settings)) / len(usable)
    merit = np.exp(logarithms)
    if not np.any(merit > 0):
        raise ThresholdError("no score threshold keeps enough signal at every mass")
    best = int(np.argmax(merit))
    at_published = merit[np.searchsorted(tried, round(published, 6))]
    return ThresholdScan(
        thresholds=tuple(tried.tolist()),
        figure_of_merit=tuple(merit.tolist()),
        best=float(tried[best]),
        published=published,
        gain=float(merit[best] / at_published) if at_published > 0 else 0.0,
    )


def _figure_of_merit(
    signal: ScoredSignal, background: ScoredBackground, thresholds: NDArray[np.float64], settings: ThresholdSettings
) -> NDArray[np.float64]:
    in_window = np.abs(signal.mass_gev - signal.m_phi_gev) < signal.half_window_gev
    efficiency = _weight_above(signal.score[in_window], signal.weight[in_window], thresholds)
    kept = efficiency >= settings.minimum_efficiency_fraction * np.sum(signal.weight[in_window])
    counting_window = max(signal.half_window_gev, settings.minimum_window_gev)
    near = np.abs(background.mass_gev - signal.m_phi_gev) < counting_window
    expected = _weight_above(background.score[near], background.weight[near], thresholds)
    expected *= signal.half_window_gev / counting_window
    merit: NDArray[np.float64] = np.where(kept, efficiency, 0.0) / (settings.n_sigma / 2 + np.sqrt(expected))
    return merit


def _weight_above(
    score: NDArray[np.floating], weight: NDArray[np.float64], thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    order = np.argsort(score)
    cumulative = np.concatenate([[0.0], np.cumsum(weight[order])])
    return np.asarray(cumulative[-1] - cumulative[np.searchsorted(score[order], thresholds, side="right")])
