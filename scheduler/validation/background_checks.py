"""Checks of classifier, thresholds and scale factors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from scipy.stats import norm

from models.classifier.evaluation import Evaluation
from models.normalisation import NormalisationSettings, ScaleFactors
from models.normalisation_checks import FactorPulls, stability, toy_pulls
from models.search import Channel, Search
from models.thresholds import ThresholdScan
from processors.control_counts import control_inputs
from processors.histograms import SearchHistograms
from scheduler.validation.page import Check, Verdict, verdict_of_p_value

LARGEST_PULL_MEAN = 0.3
LARGEST_WIDTH_DEVIATION = 0.25
"""Of pulls over pseudo-experiments, in which a standard deviation of one is known to 5 % with 200 of them."""
LARGEST_SCULPTING = 0.5
"""Kolmogorov–Smirnov distance of the background's mass distribution in a slice of the score from the rest."""


def classifier_checks(evaluations: Mapping[Channel, Evaluation]) -> Iterator[Check]:
    """Yield overtraining and mass sculpting of each classifier."""
    for channel, evaluation in evaluations.items():
        yield _overtraining_check(channel, evaluation)
        slices = [part for part in evaluation.sculpting if part.distance is not None]
        if slices:
            largest = max(slices, key=lambda part: part.distance or 0.0)
            distance = largest.distance or 0.0
            yield Check(
                f"Mass sculpting {channel}",
                Verdict.PASSED if distance < LARGEST_SCULPTING else Verdict.ATTENTION,
                f"Largest distance of the background's m(ℓℓ) in a slice of the signal score from the rest: "
                f"{distance:.3f} at {largest.low:g}–{largest.high:g} ({largest.effective_events:.0f} events). "
                "Processes with other masses have other scores; what fits rely on is that templates have the same cut.",
                {"largest_distance": distance, "p_value": largest.p_value or 0.0},
                _bars({f"{part.low:g}–{part.high:g}": part.distance or 0.0 for part in slices}, f"distance, {channel}"),
            )


def _overtraining_check(channel: Channel, evaluation: Evaluation) -> Check:
    """Judge models by unseen events: whether learning on made them worse, and whether folds are independent."""
    models = evaluation.generalisation
    harm = [norm.cdf(model.gain / model.gain_error) if model.gain_error > 0 else 1.0 for model in models]
    controls = [test.control_p_value for test in evaluation.overtraining if test.control_p_value is not None]
    worst = max(evaluation.overtraining, key=lambda test: test.distance)
    smallest, control = min([*harm, 1.0]), min([*controls, 1.0])
    p_value = min(smallest * max(len(harm), 1), control * max(len(controls), 1))
    return Check(
        f"Overtraining {channel}",
        verdict_of_p_value(p_value, 2),
        f"The second half of the rounds changes the loss of unseen events by "
        f"{', '.join(f'{-model.gain:+.4f} ± {model.gain_error:.4f}' for model in models)} (a rise does harm: p = "
        f"{smallest:.2g}). Scores of a class in the two folds that a model was not fitted to agree: smallest of "
        f"{len(controls)} p = {control:.2g}. What was fitted is remembered, most in {worst.process} (distance seen – "
        f"unseen {worst.distance:.3f}, p = {worst.p_value:.2g}); scores that are used are those of unseen events.",
        {"harm_p_value": smallest, "control_p_value": control, "largest_distance": worst.distance},
        _bars(
            {f"{test.process} {test.model}": test.distance for test in evaluation.overtraining},
            f"distance seen – unseen, {channel}",
        ),
    )


def threshold_checks(scans: Mapping[Channel, ThresholdScan]) -> Iterator[Check]:
    """Yield the stability of each threshold under folds."""
    for channel, scan in scans.items():
        if not scan.best_without_fold:
            continue
        merit = dict(zip(scan.thresholds, scan.figure_of_merit, strict=True))
        loss = 1.0 - min(merit[threshold] for threshold in scan.best_without_fold) / merit[scan.best]
        figure, axes = plt.subplots(figsize=(6.0, 4.2))
        axes.plot(scan.thresholds, scan.figure_of_merit)
        axes.axvline(scan.best, color="#bd1f01", linestyle="--", label=f"best, {scan.best:.3f}")
        axes.axvline(scan.published, color="#555555", linestyle=":", label=f"published, {scan.published:g}")
        for number, threshold in enumerate(scan.best_without_fold):
            axes.axvline(threshold, color="#3f90da", alpha=0.4, label="best without a fold" if number == 0 else None)
        axes.set_xlabel(f"signal-score threshold, {channel}")
        axes.set_ylabel("expected sensitivity")
        axes.legend()
        yield Check(
            f"Threshold {channel}",
            Verdict.PASSED if loss < 0.1 else Verdict.ATTENTION,
            f"Best {scan.best:.3f}, without one fold {', '.join(f'{t:.3f}' for t in scan.best_without_fold)}: at worst "
            f"{loss:.1%} of the sensitivity. Gain over the published threshold in ξ, where not chosen: "
            f"{_xi_gain(scan.held_out_gain)}; with thresholds by mass: {_xi_gain(scan.held_out_gain_by_mass)}.",
            {"best": scan.best, "loss": loss},
            figure,
        )


def scale_factor_checks(
    histograms: Mapping[Search, SearchHistograms],
    factors: ScaleFactors,
    settings: NormalisationSettings,
    *,
    n_toys: int,
    seed: int,
) -> Iterator[Check]:
    """Yield goodness of fit with correlations, stability, and pulls of the scale factors."""
    yield Check(
        "Scale factors",
        verdict_of_p_value(factors.p_value),
        f"Goodness of fit p = {factors.p_value:.3g} (−2 ln λ = {factors.minus_two_log_likelihood_ratio:.1f}, "
        f"{factors.n_degrees_of_freedom} degrees of freedom); "
        + ", ".join(f"{p} {f.value:.3f} ± {f.error:.3f} ({f.status})" for p, f in factors.factors.items())
        + ".",
        {"p_value": factors.p_value, **{str(process): factor.value for process, factor in factors.factors.items()}},
        _correlation(factors),
    )
    general, special = control_inputs(histograms)
    shifted = stability(general, special, factors, settings)
    worst = shifted[0] if shifted else None
    if worst is not None:
        probability = float(2.0 * _upper_tail(abs(worst.pull)))
        yield Check(
            "Scale factors without a region",
            verdict_of_p_value(probability, len(shifted)),
            f"Each distribution left out in turn: largest shift {worst.pull:+.1f} standard deviations ({worst.process} "
            f"without {worst.without}: {worst.value:.3f}).",
            {"largest_pull": worst.pull, "n_refits": float(len(shifted))},
            _bars({f"{s.process} without {s.without}": s.pull for s in shifted[:12]}, "shift over its expected size"),
        )
    true = {process: factor.value for process, factor in factors.factors.items()}
    pulls = toy_pulls(general, true, settings, n_toys=n_toys, seed=seed)
    usable = [pull for pull in pulls if pull.n_toys >= n_toys // 2]
    good = all(
        abs(p.mean - p.expected_mean) < LARGEST_PULL_MEAN
        and abs(p.width / p.expected_width - 1.0) < LARGEST_WIDTH_DEVIATION
        for p in usable
    )
    bounded = [f"{p.process} ({p.expected_mean:.2f}, {p.expected_width:.2f})" for p in usable if p.expected_mean > 0.05]
    yield Check(
        "Pulls of scale factors",
        Verdict.PASSED if good and usable else Verdict.ATTENTION,
        f"{n_toys} pseudo-experiments with the fitted factors as the true ones; mean and width of pulls: "
        + (", ".join(f"{p.process} {p.mean:+.2f}, {p.width:.2f}" for p in usable) or "no factor is measured")
        + (f"; expected are 0 and 1, but near the bound at zero {', '.join(bounded)}" if bounded else "")
        + ".",
        {f"{p.process}_{name}": value for p in usable for name, value in (("mean", p.mean), ("width", p.width))},
        _pull_figure(usable),
    )


def _xi_gain(gain: float | None) -> str:
    # ξ goes as the root of a cross-section
    return "not known" if gain is None else f"{np.sqrt(gain):.3f}"


def _upper_tail(z: float) -> float:
    from scipy.stats import norm

    return float(norm.sf(z))


def _bars(values: Mapping[str, float], label: str) -> Figure:
    figure, axes = plt.subplots(figsize=(6.4, 0.9 + 0.28 * len(values)))
    axes.barh(list(values)[::-1], list(values.values())[::-1], color="#3f90da")
    axes.set_xlabel(label)
    axes.tick_params(axis="y", which="both", length=0, labelsize=9)
    return figure


def _correlation(factors: ScaleFactors) -> Figure:
    names = [str(process) for process in factors.factors]
    matrix = np.array(factors.correlation)
    figure, axes = plt.subplots(figsize=(6.0, 5.2))
    axes.imshow(matrix, vmin=-1.0, vmax=1.0, cmap="RdBu_r")
    for row, column in np.ndindex(matrix.shape):
        axes.text(column, row, f"{matrix[row, column]:.2f}", ha="center", va="center", fontsize=9)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(which="both", length=0)
    axes.set_title("correlation of scale factors", fontsize=12)
    return figure


def _pull_figure(pulls: list[FactorPulls]) -> Figure:
    columns = max(len(pulls), 1)
    figure, axes = plt.subplots(1, columns, figsize=(3.0 * columns, 3.0), squeeze=False)
    grid = np.linspace(-4.0, 4.0, 200)
    for axis, pull in zip(axes[0], pulls, strict=False):
        axis.hist(pull.pulls, np.linspace(-4.0, 4.0, 25), density=True, color="#3f90da", alpha=0.7)
        axis.plot(grid, np.exp(-0.5 * grid**2) / np.sqrt(2.0 * np.pi), color="#bd1f01")
        axis.set_title(f"{pull.process}: {pull.mean:+.2f}, {pull.width:.2f}", fontsize=10)
        axis.set_xlabel("(fit − true)/error", fontsize=10)
    return figure
