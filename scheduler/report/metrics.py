"""Key figures of a run for scripts that compare runs: one small JSON file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.published_limits import PublishedLimits
from models.search import Channel, Process, Search
from models.settings import Settings
from processors.regions import GENERAL_CONTROL_REGION, SIGNAL_REGION
from scheduler.limits_table import LimitRow
from scheduler.report.contents import ReportContents
from scheduler.report.effective_luminosity import EffectiveLuminosity
from scheduler.report.signal_closure import closure_p_values


class ChannelMetrics(Settings):
    """Key figures of one channel."""

    n_mass_points: int
    n_limits: int
    """Mass points with a limit on ξ, observed or, while blinded, expected."""
    projected_xi_ratio: float | None
    """Median over masses of the expected ξ limit, projected in luminosity, over the published limit."""
    signal_against: dict[Process, float]
    """Class → area under the ROC curve of the signal against it."""


class BackgroundYield(Settings):
    """Expected events of one background, before scale factors."""

    expected: float
    simulation_error: float
    """From the size of the simulation."""


class RunMetrics(Settings):
    """Key figures of a run."""

    luminosity_fb: float
    projection_luminosity_fb: float
    channels: dict[Channel, ChannelMetrics]
    scale_factors: dict[Process, float]
    effective_luminosity_fb: dict[str, dict[Process, float | None]]
    """`<search>/<cut or region>` → background → effective luminosity of its simulation, None without any event."""
    background_yields: dict[str, dict[Process, BackgroundYield]]
    """`<search>/<region>` → background → events expected at the luminosity of the run."""
    signal_closure_p_values: dict[Search, dict[str, float]]
    """Search → efficiency, resolution and shape → p-value of the interpolation's closure."""
    correct_candidates: dict[str, float]
    """`<search>/<signal sample>` → fraction of events whose kept candidate is the true one."""


def xi_projection(luminosity_fb: float, projection_luminosity_fb: float) -> float:
    """Return the factor by which an expected ξ limit changes with luminosity.

    Limits on a cross-section shrink as 1/√L where background dominates, and ξ goes with the root of the
    cross-section; without background they would shrink as 1/L, so this errs on the safe side.

    >>> xi_projection(1.0, 16.0)
    0.5
    """
    return float((luminosity_fb / projection_luminosity_fb) ** 0.25)


def median_ratio(rows: Sequence[LimitRow], published: PublishedLimits, projection: float) -> float | None:
    """Return the median of projected expected over published ξ limits, None if no mass has both."""
    ratios = [
        projection * row.xi_exp_0 / limit
        for row in rows
        if row.xi_exp_0 is not None and (limit := published.at(row.m_phi_gev)) is not None
    ]
    return float(np.median(ratios)) if ratios else None


def run_metrics(contents: ReportContents, published: PublishedLimits, projection_luminosity_fb: float) -> RunMetrics:
    """Return the key figures of a run."""
    projection = xi_projection(contents.luminosity_fb, projection_luminosity_fb)
    channels = {}
    for channel in Channel:
        rows = [row for row in contents.limits if row.channel == channel]
        evaluation = contents.evaluations[channel]
        areas = {c: evaluation.area(Process.SIGNAL, c) for c in evaluation.classes if c is not Process.SIGNAL}
        channels[channel] = ChannelMetrics(
            n_mass_points=len(rows),
            n_limits=sum(row.xi_ul is not None or (contents.blinded and row.xi_exp_0 is not None) for row in rows),
            projected_xi_ratio=median_ratio(rows, published, projection),
            signal_against={process: area for process, area in areas.items() if area is not None},
        )
    return RunMetrics(
        luminosity_fb=contents.luminosity_fb,
        projection_luminosity_fb=projection_luminosity_fb,
        channels=channels,
        scale_factors={process: factor.value for process, factor in contents.scale_factors.factors.items()},
        effective_luminosity_fb=_by_stage(contents.effective_luminosities),
        background_yields=_yields(contents.effective_luminosities),
        signal_closure_p_values={search: closure_p_values(models) for search, models in contents.signals.items()},
        correct_candidates={
            f"{search}/{name}": purity["true"] / purity["kept"]
            for name, summary in contents.summaries.items()
            for search, purity in summary["purity"].items()
            if contents.catalogue.samples[name].channel is search.channel and purity["kept"] > 0
        },
    )


def _yields(values: Sequence[EffectiveLuminosity]) -> dict[str, dict[Process, BackgroundYield]]:
    regions: dict[str, dict[Process, BackgroundYield]] = {}
    for value in values:
        if value.stage in (GENERAL_CONTROL_REGION, SIGNAL_REGION):
            counted = BackgroundYield(expected=value.expected, simulation_error=value.error)
            regions.setdefault(f"{value.search}/{value.stage}", {})[value.process] = counted
    return regions


def _by_stage(values: Sequence[EffectiveLuminosity]) -> dict[str, dict[Process, float | None]]:
    stages: dict[str, dict[Process, float | None]] = {}
    for value in values:
        stages.setdefault(f"{value.search}/{value.stage}", {})[value.process] = value.luminosity_fb
    return stages
