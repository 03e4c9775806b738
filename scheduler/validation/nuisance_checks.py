"""Checks of the nuisance parameters at all mass points: pulls and impacts, ranked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import norm

from models.inference.diagnostics import RankedNuisance, ranked_nuisances
from scheduler.validation.mass_axis import label_mass_points
from scheduler.validation.mass_points import Examination
from scheduler.validation.page import Check, CheckTable, Verdict, verdict_of_p_value

SHOWN = 20
"""Rows of a heat map: the nuisance parameters with the largest impacts or pulls."""
LARGEST_IMPACT = 1.05
"""Change of the cross-section over its uncertainty: one parameter cannot account for more than all of it."""
LARGEST_PULL = 6.0
"""End of the colour scale of pulls is at half of this."""


def nuisance_checks(examined: Sequence[Examination], what: str) -> list[Check]:
    """Return the checks of pulls and of impacts over all mass points.

    Parameters
    ----------
    examined
        All mass points.
    what
        What was fitted, for the text: data, or a pseudo-experiment.
    """
    ranked = [ranked_nuisances(e.fit) for e in examined]
    table = _table(examined, ranked)
    return [_pulls(examined, ranked, what, table), _impacts(examined, ranked, what)]


def _pulls(
    examined: Sequence[Examination], ranked: Sequence[Sequence[RankedNuisance]], what: str, table: CheckTable
) -> Check:
    pulls = [
        (nuisance.fit.pull, nuisance.name, e.point.label)
        for e, own in zip(examined, ranked, strict=True)
        for nuisance in own
        if nuisance.fit.pull is not None
    ]
    constraints = [
        (nuisance.fit.constraint, nuisance.name, e.point.label)
        for e, own in zip(examined, ranked, strict=True)
        for nuisance in own
        if nuisance.fit.constraint is not None and not _is_of_a_bin(nuisance.name)
    ]
    if not pulls:
        return Check("Pulls of nuisance parameters", Verdict.FAILED, "No fit gave a pull.", {}, None)
    value, name, where = max(pulls, key=lambda pull: abs(pull[0]))
    said = f"{len(pulls)} pulls at {len(examined)} mass points on {what}: largest {value:+.2f} ({name}, {where})"
    numbers = {"largest_pull": value, "n_pulls": float(len(pulls))}
    if constraints:
        tightest, of, at = min(constraints)
        said += f"; most constrained, except by the statistics of a bin: {of} to {tightest:.2f} of its prior ({at})"
        numbers["smallest_constraint"] = tightest
    return Check(
        "Pulls of nuisance parameters",
        # The prior is wider than the distribution of a pull that data constrain: the probability is an upper bound.
        verdict_of_p_value(float(2.0 * norm.sf(abs(value))), len(pulls)),
        f"{said}.",
        numbers,
        _heat_map(
            examined, ranked, _largest_pull, "pull", Normalize(-0.5 * LARGEST_PULL, 0.5 * LARGEST_PULL), "RdBu_r"
        ),
        table,
    )


def _impacts(examined: Sequence[Examination], ranked: Sequence[Sequence[RankedNuisance]], what: str) -> Check:
    missing = [e.point.label for e, own in zip(examined, ranked, strict=True) if not _has_impacts(e, own)]
    relative: dict[str, list[float]] = {}
    largest, where = 0.0, "–"
    for e, own in zip(examined, ranked, strict=True):
        for source in {_source(nuisance.name) for nuisance in own}:
            impact = _combined_impact(e, [nuisance for nuisance in own if _source(nuisance.name) == source])
            if np.isfinite(impact):
                relative.setdefault(source, []).append(impact)
        for nuisance in own:
            impact = nuisance.impact / e.fit.xsec_err_fb if e.fit.xsec_err_fb else 0.0
            if impact > largest:
                largest, where = impact, f"{nuisance.name}, {e.point.label}"
    order = sorted(relative, key=lambda source: -float(np.mean(relative[source])))
    means = {source: float(np.mean(relative[source])) for source in order}
    said = f"{len(examined) - len(missing)} of {len(examined)} mass points on {what}, change of the cross-section over "
    said += f"its uncertainty, mean over mass: {', '.join(f'{source} {means[source]:.2f}' for source in order[:6])}; "
    said += f"largest of one parameter {largest:.2f} ({where})."
    if missing:
        said += f" Without impacts: {', '.join(missing)}."
    return Check(
        "Impacts of nuisance parameters",
        Verdict.PASSED if not missing and largest < LARGEST_IMPACT else Verdict.ATTENTION,
        said,
        {"largest_impact": largest, **{f"mean_impact_{source}": mean for source, mean in list(means.items())[:6]}},
        _heat_map(examined, ranked, _combined_impact, "impact / uncertainty", Normalize(0.0, 1.0), "viridis"),
    )


def _source(name: str) -> str:
    """Return what parameters of single bins have in common.

    >>> _source("mc_statistics[3]")
    'mc_statistics'
    """
    return name.split("[")[0]


def _is_of_a_bin(name: str) -> bool:
    return "[" in name


def _has_impacts(examination: Examination, own: Sequence[RankedNuisance]) -> bool:
    return bool(examination.fit.xsec_err_fb) and any(nuisance.fit.impact_up_fb is not None for nuisance in own)


def _largest_pull(examination: Examination, own: Sequence[RankedNuisance]) -> float:  # noqa: ARG001
    pulls = [nuisance.fit.pull for nuisance in own if nuisance.fit.pull is not None]
    return max(pulls, key=abs) if pulls else np.nan


def _combined_impact(examination: Examination, own: Sequence[RankedNuisance]) -> float:
    """Return the impact of independent parameters together, over the uncertainty of the cross-section."""
    error = examination.fit.xsec_err_fb
    return float(np.sqrt(sum(nuisance.impact**2 for nuisance in own)) / error) if error else np.nan


def _table(examined: Sequence[Examination], ranked: Sequence[Sequence[RankedNuisance]]) -> CheckTable:
    return CheckTable(
        ("channel", "m_phi_gev", "rank", "nuisance", "pull", "constraint", "impact_down_fb", "impact_up_fb",
         "impact_over_error"),
        [
            (str(e.point.search.channel), e.point.m_phi_gev, rank, nuisance.name, nuisance.fit.pull,
             nuisance.fit.constraint, nuisance.fit.impact_down_fb, nuisance.fit.impact_up_fb,
             nuisance.impact / e.fit.xsec_err_fb if e.fit.xsec_err_fb else None)
            for e, own in zip(examined, ranked, strict=True)
            for rank, nuisance in enumerate(own, start=1)
        ],
    )  # fmt: skip


def _heat_map(
    examined: Sequence[Examination],
    ranked: Sequence[Sequence[RankedNuisance]],
    value: Callable[[Examination, Sequence[RankedNuisance]], float],
    label: str,
    scale: Normalize,
    colours: str,
) -> Figure:
    """Return a figure of one row a source and one column a mass point; parameters of single bins share a row."""
    sources = sorted({_source(nuisance.name) for own in ranked for nuisance in own})
    content: NDArray[np.float64] = np.full((len(sources), len(examined)), np.nan)
    for column, (e, own) in enumerate(zip(examined, ranked, strict=True)):
        for row, source in enumerate(sources):
            of_source = [nuisance for nuisance in own if _source(nuisance.name) == source]
            if of_source:
                content[row, column] = value(e, of_source)
    size = np.nanmean(np.abs(np.where(np.isfinite(content), content, 0.0)), axis=1)
    shown = np.argsort(-size, kind="stable")[:SHOWN]
    figure, axes = plt.subplots(figsize=(13.0, 1.6 + 0.28 * len(shown)))
    image = axes.imshow(content[shown], aspect="auto", interpolation="none", norm=scale, cmap=colours)
    axes.set_yticks(range(len(shown)), [sources[row] for row in shown], fontsize=9)
    axes.tick_params(which="both", length=0)
    label_mass_points(axes, [e.point for e in examined])
    figure.colorbar(image, ax=axes, label=label, pad=0.01)
    return figure
