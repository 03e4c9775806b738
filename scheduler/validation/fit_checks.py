"""Checks of the fits at all mass points: a second method, goodness of fit, and injected signal."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from models.alternative_fit import AlternativeFit, PeakShape
from models.inference.toy_data import InjectionStudy
from models.scan_grid import MassPoint
from models.search import Channel
from scheduler.failures import TaskFailure, shorten
from scheduler.validation.mass_axis import label_mass_points
from scheduler.validation.mass_points import Examination
from scheduler.validation.page import Check, CheckTable, Verdict, verdict_of_p_value

LARGEST_MEAN_DIFFERENCE = 1.0
"""Of the two methods' significances, mean |ΔZ|: they share data but neither bins nor background."""
LARGEST_SLOPE_DEVIATION = 0.05
LARGEST_OFFSET = 0.2
"""Of fitted against injected cross-sections, in units of the uncertainty without signal."""
LARGEST_PULL_MEAN = 0.3
LARGEST_WIDTH_DEVIATION = 0.25
NORMAL_ABOVE_EVENTS = 5.0
"""Pulls are judged where more events than this are expected in the bins of the signal."""
ERRORS_ALLOWED = 3.0
"""A deviation counts if it is larger than what is allowed by more than this many of its statistical uncertainties."""
WORST_NAMED = 5


def examined_check(points: Sequence[MassPoint], failures: Sequence[TaskFailure]) -> Check:
    """Return whether every mass point could be examined at all."""
    said = f"{len(points) - len(failures)} of {len(points)} mass points were examined"
    if failures:
        said += f"; not: {shorten([f'{failure.task} ({failure.reason})' for failure in failures], WORST_NAMED)}"
    return Check(
        "Mass points",
        Verdict.FAILED if failures else Verdict.PASSED,
        f"{said}.",
        {"n_examined": float(len(points) - len(failures))},
        None,
    )


def alternative_fit_check(examined: Sequence[Examination], shape: PeakShape, what: str) -> Check:
    """Return the comparison of template fit and alternative fit over all mass points, on the same events.

    Parameters
    ----------
    examined
        All mass points.
    shape
        Peak of the alternative fit.
    what
        What was fitted, for the text: data, or a pseudo-experiment.
    """
    compared = [
        (e.point, e.fit.significance, alternative)
        for e in examined
        if e.fit.significance is not None and isinstance(alternative := e.alternative[shape], AlternativeFit)
    ]
    left_out = [e.point.label for e in examined if e.point not in {point for point, _, _ in compared}]
    template, other = (
        np.array(values, dtype=np.float64)
        for values in ([z for _, z, _ in compared], [alternative.significance for _, _, alternative in compared])
    )
    difference = other - template
    mean = float(np.abs(difference).mean()) if compared else float("inf")
    varies = len(compared) > 2 and min(np.ptp(template), np.ptp(other)) > 0
    correlation = float(np.corrcoef(template, other)[0, 1]) if varies else 0.0
    worst = np.argsort(-np.abs(difference))[:WORST_NAMED]
    named = ", ".join(f"{compared[i][0].label} {template[i]:+.1f} → {other[i]:+.1f}" for i in worst)
    orders = [alternative.order for _, _, alternative in compared]
    said = f"{len(compared)} of {len(examined)} mass points on {what}: mean |ΔZ| = {mean:.2f}, mean ΔZ = "
    said += f"{difference.mean() if compared else 0:+.2f}, correlation {correlation:.2f}; largest: {named}; mean order "
    said += f"of the polynomial {np.mean(orders) if orders else 0:.1f}."
    if left_out:
        said += f" Not comparable, for lack of bins or because a fit failed: {', '.join(left_out)}."
    return Check(
        f"Alternative fit {shape}",
        Verdict.PASSED if mean < LARGEST_MEAN_DIFFERENCE and not left_out else Verdict.ATTENTION,
        said,
        {"mean_abs_dz": mean, "correlation": correlation, "n_points": float(len(compared))},
        _comparison_figure([point for point, _, _ in compared], template, other, shape),
        CheckTable(
            ("channel", "m_phi_gev", "significance_templates", "significance_alternative", "order", "converged"),
            [
                (str(point.search.channel), point.m_phi_gev, z, alternative.significance, alternative.order,
                 str(alternative.converged).lower())
                for point, z, alternative in compared
            ],
        ),
    )  # fmt: skip


def goodness_check(examined: Sequence[Examination], what: str) -> Check:
    """Return the check of the goodness of fit of every mass point; arguments as for `alternative_fit_check`."""
    known = [(e, e.goodness_p_value) for e in examined if e.goodness_p_value is not None]
    failed = [e.point.label for e in examined if e.goodness_p_value is None]
    p_values = np.array([p for _, p in known])
    verdict = verdict_of_p_value(float(p_values.min()), len(known)) if known else Verdict.FAILED
    worst = [f"{known[i][0].point.label} {p_values[i]:.2g}" for i in np.argsort(p_values)[:WORST_NAMED]]
    below = float(np.mean(p_values < 0.05)) if known else 0.0
    said = f"{len(known)} mass points on {what}, p-values from toys: {below:.1%} below 5 %, median "
    said += f"{np.median(p_values) if known else 0:.2f}; smallest: {', '.join(worst)}."
    if failed:
        said += f" Fits that failed: {', '.join(failed)}."
    return Check(
        "Goodness of fit",
        verdict if not failed else Verdict.FAILED,
        said,
        {"fraction_below_5_percent": below, "smallest_p_value": float(p_values.min()) if known else 0.0},
        _goodness_figure([e.point for e, _ in known], p_values),
        CheckTable(
            ("channel", "m_phi_gev", "minus_two_log_likelihood_ratio", "n_degrees_of_freedom", "p_value_asymptotic",
             "p_value_toys"),
            [
                (str(e.point.search.channel), e.point.m_phi_gev, *_asymptotic(e), e.goodness_p_value)
                for e in examined
            ],
        ),
    )  # fmt: skip


def injection_check(examined: Sequence[Examination]) -> Check:
    """Return slope and offset of fitted against injected cross-sections, and pulls, from toys at several masses."""
    studies = [(e.point, e.injection) for e in examined if isinstance(e.injection, InjectionStudy)]
    failed = [f"{e.point.label} ({e.injection})" for e in examined if isinstance(e.injection, Exception)]
    bad = [
        point.label
        for point, study in studies
        if _beyond(study.slope - 1.0, study.slope_error, LARGEST_SLOPE_DEVIATION)
        or _beyond(study.offset, study.offset_error, LARGEST_OFFSET)
    ]
    judged = [s for _, study in studies for s in study.signals if s.n_expected > NORMAL_ABOVE_EVENTS]
    off = [
        s for s in judged if abs(s.pull_mean) > LARGEST_PULL_MEAN or abs(s.pull_width - 1.0) > LARGEST_WIDTH_DEVIATION
    ]
    slopes, offsets = (np.array([getattr(study, name) for _, study in studies]) for name in ("slope", "offset"))
    said, numbers = "no mass point could be used", {}
    if studies:
        n_toys, n_strengths = studies[0][1].signals[0].n_toys, len(studies[0][1].signals)
        worst = slopes[np.argmax(np.abs(slopes - 1.0))], offsets[np.argmax(np.abs(offsets))]
        errors = [
            _mean_error([getattr(study, name) for _, study in studies]) for name in ("slope_error", "offset_error")
        ]
        numbers = {
            "mean_slope": float(slopes.mean()),
            "mean_offset": float(offsets.mean()),
            "pull_mean": float(np.mean([s.pull_mean for s in judged])) if judged else 0.0,
            "pull_width": float(np.mean([s.pull_width for s in judged])) if judged else 0.0,
        }
        said = f"{len(studies)} masses × {n_strengths} strengths × {n_toys} toys: slope {slopes.mean():.3f} ± "
        said += f"{errors[0]:.3f} (worst {worst[0]:.3f}), offset {offsets.mean():+.3f} ± {errors[1]:.3f} uncertainties "
        said += f"(worst {worst[1]:+.3f}); pulls where more than {NORMAL_ABOVE_EVENTS:g} events are expected "
        said += f"({len(judged)} of {n_strengths * len(studies)}): mean {numbers['pull_mean']:+.2f}, width "
        said += (
            f"{numbers['pull_width']:.2f}, {len(off)} outside {LARGEST_PULL_MEAN:g} and 1 ± {LARGEST_WIDTH_DEVIATION:g}"
        )
    if bad:
        said += f"; not linear: {', '.join(bad)} (a rate of zero ends the fit where few events are expected)"
    if failed:
        said += f"; failed: {', '.join(failed)}"
    return Check(
        "Injection and linearity",
        Verdict.PASSED if studies and not (bad or off or failed) else Verdict.ATTENTION,
        f"{said}.",
        numbers,
        _injection_figure(studies),
        CheckTable(
            ("channel", "m_phi_gev", "xsec_error_fb", "slope", "slope_error", "offset", "offset_error", "injected",
             "n_expected", "fitted", "fitted_error", "pull_mean", "pull_width", "n_toys", "n_failed"),
            [
                (str(point.search.channel), point.m_phi_gev, study.xsec_error_fb, study.slope, study.slope_error,
                 study.offset, study.offset_error, s.strength, s.n_expected, s.mean, s.mean_error, s.pull_mean,
                 s.pull_width, s.n_toys, s.n_failed)
                for point, study in studies
                for s in study.signals
            ],
        ),
    )  # fmt: skip


def _beyond(deviation: float, error: float, allowed: float) -> bool:
    return abs(deviation) - ERRORS_ALLOWED * error > allowed


def _mean_error(errors: Sequence[float]) -> float:
    return float(np.sqrt(np.sum(np.square(errors))) / len(errors))


def _asymptotic(examination: Examination) -> tuple[float | None, int | None, float | None]:
    goodness = examination.fit.goodness
    return (
        (None, None, None)
        if goodness is None
        else (goodness.statistic, goodness.n_degrees_of_freedom, goodness.p_value)
    )


def _comparison_figure(
    points: Sequence[MassPoint], template: np.ndarray, other: np.ndarray, shape: PeakShape
) -> Figure:
    figure, (over_mass, scatter) = plt.subplots(1, 2, figsize=(12.0, 4.6), width_ratios=(2, 1))
    over_mass.plot(template, ".-", linewidth=0.7, markersize=4, label="templates")
    over_mass.plot(other, ".-", linewidth=0.7, markersize=4, label=f"polynomial and {shape.replace('_', ' ')}")
    over_mass.set_ylabel("signed significance")
    label_mass_points(over_mass, points)
    over_mass.legend(fontsize=10)
    for channel in Channel:
        own = np.array([point.search.channel is channel for point in points], dtype=bool)
        scatter.plot(template[own], other[own], ".", label=str(channel))
    scatter.axline((0.0, 0.0), slope=1.0, color="#555555", linewidth=0.8)
    scatter.set(xlabel="templates", ylabel="alternative")
    scatter.legend(fontsize=10)
    return figure


def _goodness_figure(points: Sequence[MassPoint], p_values: np.ndarray) -> Figure:
    figure, (over_mass, distribution) = plt.subplots(1, 2, figsize=(12.0, 4.4), width_ratios=(2, 1))
    over_mass.plot(p_values, ".")
    over_mass.axhline(0.05, color="#bd1f01", linewidth=0.8)
    over_mass.set(yscale="log", ylabel="p-value of the fit")
    label_mass_points(over_mass, points)
    bins = np.linspace(0.0, 1.0, 11)
    distribution.hist(p_values, bins, color="#3f90da", alpha=0.7)
    distribution.axhline(len(p_values) / 10, color="#555555", linewidth=0.8, linestyle="--")
    distribution.set(xlabel="p-value", ylabel="mass points (neighbours share data)")
    return figure


def _injection_figure(studies: Sequence[tuple[MassPoint, InjectionStudy]]) -> Figure:
    figure, axes = plt.subplots(1, 3, figsize=(14.0, 5.2), layout="constrained")
    colours = plt.get_cmap("viridis")(np.linspace(0.0, 0.9, max(len(studies), 1)))
    for colour, (point, study) in zip(colours, studies, strict=False):
        x = np.array([s.strength for s in study.signals])
        columns = ([s.mean - s.strength for s in study.signals], [s.pull_mean for s in study.signals],
                   [s.pull_width for s in study.signals])  # fmt: skip
        errors = ([s.mean_error for s in study.signals], None, None)
        for axis, values, error in zip(axes, columns, errors, strict=True):
            axis.errorbar(x, values, error, fmt="o-", color=colour, markersize=4, linewidth=0.8, label=point.label)
    for axis, expected, label in zip(
        axes, (0.0, 0.0, 1.0), ("mean fitted − injected [uncertainties]", "mean pull", "width of pulls"), strict=True
    ):
        axis.axhline(expected, color="#555555", linewidth=0.8, linestyle="--")
        axis.set(xlabel="injected [uncertainties]", ylabel=label)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", fontsize=9, ncols=6)
    return figure
