"""The signal-score threshold that maximises the expected sensitivity, on simulation alone.

Figure of merit: G. Punzi's ε/(a/2 + σ_B) (arXiv:physics/0308063), which needs no assumed cross-section and stays
meaningful for small B; σ_B² = B + (δB)², because what is not known of B counts like its fluctuations. Over the
generated masses the geometric mean is maximised, so that a factor gained at one mass counts like the same factor lost
at another. Beyond the published method, each mass may have a threshold of its own: the best one of a weighted mean over
its neighbours, so that thresholds vary smoothly with mass.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.copies import squares_from_above
from models.errors import LeptophileError
from models.settings import Settings

FloatArray = NDArray[np.float64]


class ThresholdSettings(Settings):
    """The scan for the optimal signal-score threshold."""

    lowest: float = Field(default=0.50, ge=0.5, lt=1)
    """First threshold tried; from 0.5 on the signal region is disjoint from the control regions."""
    highest: float = Field(default=0.998, ge=0.5, lt=1)
    """Last threshold tried."""
    n_steps: int = Field(default=60, ge=1)
    """Steps between them, equal in log-odds: the last per cent matters as much as all before."""
    n_sigma: float = Field(default=1.2816, gt=0)
    """Punzi's a: the one-sided significance of the limits aimed at, 90 %."""
    background_relative_error: float = Field(default=0.1, ge=0)
    """δ: how well the background in a window is known. In the fits, Monte Carlo statistics and scale factors leave
    about 10 %; without it the best threshold is looser than the one of the strongest expected limits."""
    minimum_window_gev: float = Field(default=0.02, gt=0)
    """Backgrounds are counted in at least ± this much around m_φ and scaled to the fit's window.

    Narrow windows hold too few simulated events at high scores to see the background at all.
    """
    minimum_window_relative: float = Field(default=0.04, ge=0)
    """The same as a fraction of m_φ, which is added."""
    minimum_effective_events: float = Field(default=9.0, ge=0)
    """Effective simulated events, (Σw)²/Σw², that a window has to hold above a threshold; else a wider one is used."""
    minimum_efficiency_fraction: float = Field(default=0.2, ge=0, le=1)
    """Thresholds that keep less than this fraction of a mass's candidates are not considered."""
    neighbours: float = Field(default=1.5, gt=0)
    """Standard deviation, in generated masses, of the weights with which neighbours decide about a mass's threshold."""


class ThresholdError(LeptophileError):
    """No threshold can be recommended."""


class ScoredSignal(NamedTuple):
    """Signal candidates of one generated mass."""

    m_phi_gev: float
    half_window_gev: float
    """Half-width of the fit's signal window."""
    score: NDArray[np.floating]
    """Signal scores, shape (n,)."""
    weight: FloatArray
    """Weights normalised to efficiency: their sum is the efficiency before the score requirement, shape (n,)."""
    mass_gev: FloatArray
    """Candidate masses, shape (n,)."""
    fold: NDArray[np.int64] | None = None
    """Fold of each event, for the stability of the optimum, shape (n,)."""


class ScoredBackground(NamedTuple):
    """Candidates of all simulated backgrounds, normalised to the luminosity."""

    score: NDArray[np.floating]
    weight: FloatArray
    mass_gev: FloatArray
    fold: NDArray[np.int64] | None = None
    generated: NDArray[np.int64] | None = None
    """Number that copies of one generated event share; None if there are no copies."""


class MassThresholds(Settings):
    """Thresholds that vary with mass: their log-odds are linear in the mass's logarithm between the nodes."""

    mass_gev: tuple[float, ...]
    """Ascending."""
    threshold: tuple[float, ...]

    def at(self, mass_gev: NDArray[np.floating]) -> FloatArray:
        """Return the threshold at some masses, constant beyond the nodes.

        >>> MassThresholds(mass_gev=(1.0, 4.0), threshold=(0.5, 0.9)).at(np.array([0.5, 2.0, 9.0])).round(3).tolist()
        [0.5, 0.75, 0.9]
        """
        from scipy.special import expit, logit

        positive = np.maximum(mass_gev, np.finfo(float).tiny)
        return np.asarray(expit(np.interp(np.log(positive), np.log(self.mass_gev), logit(self.threshold))))


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
    best_without_fold: tuple[float, ...] = ()
    """The best threshold when one fold of the events is left out, fold by fold: how stable it is."""
    by_mass: MassThresholds | None = None
    """The best threshold of each generated mass."""
    held_out_gain: float | None = None
    """As `gain`, but the threshold is chosen without the fold in which it is judged; geometric mean over folds."""
    held_out_gain_by_mass: float | None = None
    """The same for thresholds that vary with mass."""


def thresholds_tried(published: float, settings: ThresholdSettings) -> tuple[FloatArray, int]:
    """Return the thresholds to choose among, ascending, and which of them is the published one."""
    from scipy.special import expit, logit

    grid = expit(np.linspace(logit(settings.lowest), logit(settings.highest), settings.n_steps + 1))
    tried = np.unique(np.round([*grid, published], 6))
    return tried, int(np.searchsorted(tried, round(published, 6)))


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
    usable = sorted((signal for signal in signals if np.sum(signal.weight) > 0), key=lambda signal: signal.m_phi_gev)
    if not usable:
        raise ThresholdError("no signal candidates to optimise the score threshold with")
    tried, at_published = thresholds_tried(published, settings)
    logarithms = _log_merits(usable, background, tried, settings)
    merit = np.exp(logarithms.mean(axis=0))
    if not np.any(merit > 0):
        raise ThresholdError("no score threshold keeps enough signal at every mass")
    best = int(np.argmax(merit))
    held_out = hold_out(usable, background, tried, at_published, settings)
    return ThresholdScan(
        thresholds=tuple(tried.tolist()),
        figure_of_merit=tuple(merit.tolist()),
        best=float(tried[best]),
        published=published,
        gain=float(merit[best] / merit[at_published]) if merit[at_published] > 0 else 0.0,
        best_without_fold=held_out.best if held_out else (),
        by_mass=MassThresholds(
            mass_gev=tuple(signal.m_phi_gev for signal in usable),
            threshold=tuple(tried[_best_of_masses(logarithms, settings)].tolist()),
        ),
        held_out_gain=_mean_gain(held_out.common - held_out.reference) if held_out else None,
        held_out_gain_by_mass=_mean_gain(held_out.by_mass - held_out.reference) if held_out else None,
    )


Scored = TypeVar("Scored", ScoredSignal, ScoredBackground)


class HeldOut(NamedTuple):
    """Logarithms of the figure of merit where thresholds were not chosen, mean over folds, shape (n_masses,)."""

    best: tuple[float, ...]
    """The best common threshold when one fold is left out, fold by fold."""
    reference: FloatArray
    """With a given threshold."""
    common: FloatArray
    """With the best common one."""
    by_mass: FloatArray
    """With the best one of each mass."""


def hold_out(
    signals: Sequence[ScoredSignal],
    background: ScoredBackground,
    tried: FloatArray,
    reference: int,
    settings: ThresholdSettings,
) -> HeldOut | None:
    """Choose thresholds without a fold and judge them in it, fold by fold; None if folds are not known.

    Parameters
    ----------
    signals, background
        As in `scan_thresholds`.
    tried
        Thresholds to choose among, ascending, shape (n,).
    reference
        Which of them is judged without being chosen.
    settings
        Of the scan.
    """
    if background.fold is None or any(signal.fold is None for signal in signals) or not len(background.fold):
        return None
    best, judged = [], []
    n_folds = int(background.fold.max()) + 1
    for number in range(n_folds):
        # A part of the events stands for all of them.
        chosen_on, judged_on = (
            _log_merits(
                [_part(signal, signal.fold, number, inside=inside, n_folds=n_folds) for signal in signals],
                _part(background, background.fold, number, inside=inside, n_folds=n_folds),
                tried,
                # What was chosen is judged as it is, also if it keeps less than is asked of a choice.
                settings.model_copy(update={"minimum_efficiency_fraction": 0.0}) if inside else settings,
            )
            for inside in (False, True)
        )
        common = int(np.argmax(chosen_on.mean(axis=0)))
        best.append(float(tried[common]))
        own = judged_on[np.arange(len(signals)), _best_of_masses(chosen_on, settings)]
        judged.append((judged_on[:, reference], judged_on[:, common], own))
    return HeldOut(tuple(best), *np.mean(judged, axis=0))


def _mean_gain(logarithms: FloatArray) -> float | None:
    mean = float(np.mean(logarithms))
    return float(np.exp(mean)) if np.isfinite(mean) else None


def _part(scored: Scored, fold: NDArray[np.int64] | None, number: int, *, inside: bool, n_folds: int) -> Scored:
    assert fold is not None
    rows = (fold == number) == inside
    scale = n_folds if inside else n_folds / (n_folds - 1)
    kept = scored._replace(
        score=scored.score[rows], weight=scale * scored.weight[rows], mass_gev=scored.mass_gev[rows], fold=fold[rows]
    )
    if isinstance(kept, ScoredBackground) and kept.generated is not None:
        return kept._replace(generated=kept.generated[rows])
    return kept


def _best_of_masses(logarithms: FloatArray, settings: ThresholdSettings) -> NDArray[np.intp]:
    """Return the best threshold of each mass from a weighted mean over its neighbours, shape (n_masses,)."""
    position = np.arange(len(logarithms))
    distance = (position[:, np.newaxis] - position) / settings.neighbours
    weight = np.exp(-0.5 * distance**2)
    # A neighbour that a threshold would lose altogether counts as a factor of a million.
    finite = np.maximum(logarithms, logarithms.max() - np.log(1e6))
    smoothed = weight @ finite / weight.sum(axis=1, keepdims=True)
    smoothed[~np.isfinite(logarithms)] = -np.inf
    return np.asarray(np.argmax(smoothed, axis=1), dtype=np.intp)


def _log_merits(
    signals: Sequence[ScoredSignal], background: ScoredBackground, thresholds: FloatArray, settings: ThresholdSettings
) -> FloatArray:
    """Return the logarithms of the figure of merit, shape (n_masses, n_thresholds)."""
    with np.errstate(divide="ignore"):
        return np.log([_figure_of_merit(signal, background, thresholds, settings) for signal in signals])


def _figure_of_merit(
    signal: ScoredSignal, background: ScoredBackground, thresholds: FloatArray, settings: ThresholdSettings
) -> FloatArray:
    in_window = np.abs(signal.mass_gev - signal.m_phi_gev) < signal.half_window_gev
    efficiency = _weight_above(signal.score[in_window], signal.weight[in_window], thresholds)
    kept = efficiency >= settings.minimum_efficiency_fraction * np.sum(signal.weight[in_window])
    expected = _expected_background(signal, background, thresholds, settings)
    deviation = np.sqrt(expected + (settings.background_relative_error * expected) ** 2)
    merit: FloatArray = np.where(kept, efficiency, 0.0) / (settings.n_sigma / 2 + deviation)
    return merit


def _expected_background(
    signal: ScoredSignal, background: ScoredBackground, thresholds: FloatArray, settings: ThresholdSettings
) -> FloatArray:
    """Return background in the signal window above each threshold, from the density of a wider one where it is sparse.

    As in the templates of the fits: without that, the best threshold would be where the simulation happens to run out.
    """
    first = settings.minimum_window_gev + settings.minimum_window_relative * signal.m_phi_gev
    half_width = max(signal.half_window_gev, first)
    if not len(background.mass_gev):
        return np.zeros(len(thresholds))
    lowest, highest = float(background.mass_gev.min()), float(background.mass_gev.max())
    expected = np.zeros(len(thresholds))
    open_thresholds = np.ones(len(thresholds), dtype=bool)
    while np.any(open_thresholds):
        low, high = max(signal.m_phi_gev - half_width, lowest), min(signal.m_phi_gev + half_width, highest)
        near = (background.mass_gev >= low) & (background.mass_gev <= high)
        score, weight = background.score[near], background.weight[near]
        generated = None if background.generated is None else background.generated[near]
        total = _weight_above(score, weight, thresholds)
        squares = _weight_above(score, squares_from_above(score, weight, generated), thresholds)
        everything = low == lowest and high == highest
        enough = everything | (total**2 >= settings.minimum_effective_events * squares)
        taken = open_thresholds & enough & (squares > 0 if not everything else True)
        if high > low:
            expected[taken] = (total * 2.0 * signal.half_window_gev / (high - low))[taken]
        open_thresholds &= ~taken
        half_width *= _WINDOW_GROWTH
    return expected


_WINDOW_GROWTH: Final = 1.25


def _weight_above(score: NDArray[np.floating], weight: FloatArray, thresholds: FloatArray) -> FloatArray:
    order = np.argsort(score)
    cumulative = np.concatenate([[0.0], np.cumsum(weight[order])])
    return np.asarray(cumulative[-1] - cumulative[np.searchsorted(score[order], thresholds, side="right")])
