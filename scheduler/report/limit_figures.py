"""Figures drawn from the limits table: cross-section, coupling, exclusion, significance, comparison."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter
from numpy.typing import NDArray

from models.published_limits import PublishedLimits
from models.search import Channel
from scheduler.limits_table import LimitRow, column
from scheduler.report.style import (
    BAYESIAN_BAND_COLOUR,
    FAVOURED_COLOUR,
    OBSERVED_COLOUR,
    ONE_SIGMA_COLOUR,
    PUBLISHED_COLOURS,
    TWO_SIGMA_COLOUR,
    label_figure,
)

FloatArray = NDArray[np.float64]

CHANNEL_LABELS = {Channel.EE: r"$\phi\to e^+e^-$", Channel.MUMU: r"$\phi\to\mu^+\mu^-$"}
_MASS_LABEL = r"$m_\phi$ [GeV]"


@dataclass(frozen=True)
class RunDescription:
    """What the figures say about the run they are made from."""

    luminosity_fb: float
    simulated_data: bool
    blinded: bool

    def label(self, axes: Axes) -> None:
        """Write the description above the axes."""
        note = "(blinded)" if self.blinded else ""
        label_figure(axes, self.luminosity_fb, simulated_data=self.simulated_data, note=note)


def _segments(mass_gev: FloatArray) -> list[slice]:
    """Split a scan where masses were left out, so that no line is drawn across a veto.

    >>> _segments(np.array([0.1, 0.2, 0.3, 0.9, 1.0]))
    [slice(0, 3, None), slice(3, 5, None)]
    """
    if mass_gev.size < 2:
        return [slice(0, mass_gev.size)]
    steps = np.diff(mass_gev)
    breaks = np.flatnonzero(steps > 1.9 * np.median(steps)) + 1
    bounds = [0, *breaks.tolist(), mass_gev.size]
    return [slice(start, stop) for start, stop in itertools.pairwise(bounds)]


def _draw_bands(axes: Axes, rows: Sequence[LimitRow], prefix: str, suffix: str, *, labelled: bool) -> None:
    mass = column(rows, "m_phi_gev")
    quantiles = {name: column(rows, f"{prefix}_exp_{name}{suffix}") for name in ("m2", "m1", "0", "p1", "p2")}
    for index, part in enumerate(_segments(mass)):
        first = labelled and index == 0
        for low, high, colour, label in (
            ("m2", "p2", TWO_SIGMA_COLOUR, r"expected $\pm2\sigma$"),
            ("m1", "p1", ONE_SIGMA_COLOUR, r"expected $\pm1\sigma$"),
        ):
            axes.fill_between(
                mass[part],
                quantiles[low][part],
                quantiles[high][part],
                color=colour,
                linewidth=0,
                label=label if first else None,
            )
        axes.plot(
            mass[part],
            quantiles["0"][part],
            color=OBSERVED_COLOUR,
            linestyle="--",
            linewidth=1.2,
            label="expected median (CL$_s$)" if first else None,
        )


def _draw_line(axes: Axes, rows: Sequence[LimitRow], name: str, label: str | None, **style: Any) -> None:
    mass, value = column(rows, "m_phi_gev"), column(rows, name)
    if not np.any(np.isfinite(value)):
        return
    for index, part in enumerate(_segments(mass)):
        axes.plot(mass[part], value[part], label=label if index == 0 else None, **style)


def _channel_rows(rows: Sequence[LimitRow], channel: Channel) -> list[LimitRow]:
    return [row for row in rows if row.channel == channel]


def cross_section_limits(rows: Sequence[LimitRow], channel: Channel, run: RunDescription) -> Figure:
    """Draw upper limits on σ·B of one channel against mass."""
    selected = _channel_rows(rows, channel)
    figure, axes = plt.subplots()
    _draw_bands(axes, selected, "xsec", "_fb", labelled=True)
    for name, label, width in (
        ("0", "expected median (Bayesian)", 1.2),
        ("m1", r"expected $\pm1\sigma$, $\pm2\sigma$ (Bayesian)", 0.8),
        ("p1", None, 0.8),
        ("m2", None, 0.5),
        ("p2", None, 0.5),
    ):
        line = f"xsec_bayes_exp_{name}_fb"
        style = "-." if name == "0" else ":"
        _draw_line(axes, selected, line, label, color=BAYESIAN_BAND_COLOUR, linestyle=style, linewidth=width)
    _draw_line(axes, selected, "xsec_ul_mh_fb", "observed (Bayesian)", color=OBSERVED_COLOUR, marker=".", markersize=3)
    _draw_line(axes, selected, "xsec_ul_cls_fb", "observed (CL$_s$)", color="#9c9ca1", linewidth=1.0)
    axes.set_yscale("log")
    axes.set_xlabel(_MASS_LABEL)
    axes.set_ylabel(rf"90 % upper limit on $\sigma\cdot\mathcal{{B}}$({CHANNEL_LABELS[channel]}) [fb]")
    axes.legend(loc="best")
    run.label(axes)
    return figure


def coupling_limits(
    rows: Sequence[LimitRow], channel: Channel, published: Sequence[PublishedLimits], run: RunDescription
) -> Figure:
    """Draw upper limits on ξ of one channel against mass, with published ones."""
    selected = _channel_rows(rows, channel)
    mass = column(selected, "m_phi_gev")
    figure, axes = plt.subplots()
    _draw_bands(axes, selected, "xi", "", labelled=True)
    _draw_line(axes, selected, "xi_ul", "observed (Bayesian)", color=OBSERVED_COLOUR)
    if channel is Channel.EE:
        aware = "median expected, lifetime-aware"
        _draw_line(axes, selected, "xi_exp_0_lifetime_aware", aware, color="#e76300", linestyle="-.", linewidth=1.0)
    for colour, limits in zip(PUBLISHED_COLOURS, published, strict=False):
        inside = (limits.m_phi_gev >= mass.min() - 1e-9) & (limits.m_phi_gev <= mass.max() + 1e-9)
        axes.plot(limits.m_phi_gev[inside], limits.xi_ul[inside], color=colour, linewidth=1.0, label=limits.label)
    axes.set_yscale("log")
    axes.set_xlabel(_MASS_LABEL)
    axes.set_ylabel(r"90 % upper limit on $\xi$")
    axes.legend(loc="best")
    run.label(axes)
    return figure


def exclusion(
    rows: Sequence[LimitRow],
    published: Sequence[PublishedLimits],
    favoured_band: Callable[[FloatArray], tuple[FloatArray, FloatArray]],
    run: RunDescription,
) -> Figure:
    """Draw the excluded part of the ξ–m_φ plane, both channels, with the g−2 band and published limits.

    Parameters
    ----------
    rows
        The limits table.
    published
        Published limits to overlay.
    favoured_band
        Function of mass [GeV], shape (n,), that returns the low and high edge of the ξ band favoured by the
        muon anomalous magnetic moment.
    run
        What the figure says about the run.
    """
    figure, axes = plt.subplots(figsize=(8.4, 5.8))
    mass_grid = np.geomspace(0.03, 7.0, 300)
    low, high = favoured_band(mass_grid)
    axes.fill_between(
        mass_grid,
        low,
        high,
        color=FAVOURED_COLOUR,
        alpha=0.28,
        linewidth=0,
        label=r"favoured by $(g-2)_\mu$ (2$\sigma$)",
    )
    for number, channel in enumerate(Channel):
        selected = _channel_rows(rows, channel)
        if not selected:
            continue
        _draw_bands(axes, selected, "xi", "", labelled=number == 0)
        label = "this run, observed 90 %" if number == 0 else None
        _draw_line(axes, selected, "xi_ul", label, color=OBSERVED_COLOUR, linewidth=1.4)
    for colour, limits in zip(PUBLISHED_COLOURS, published, strict=False):
        for index, part in enumerate(_published_segments(limits.m_phi_gev)):
            axes.plot(
                limits.m_phi_gev[part],
                limits.xi_ul[part],
                color=colour,
                linewidth=1.1,
                label=limits.label if index == 0 else None,
            )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(0.035, 7.0)
    axes.set_xlabel(_MASS_LABEL)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_ylabel(r"leptophilic coupling $\xi$")
    axes.legend(loc="upper left", ncols=2)
    run.label(axes)
    return figure


def _published_segments(mass_gev: FloatArray) -> list[slice]:
    """Split published limits into the two channels (their steps differ) and at vetoes."""
    border = int(np.searchsorted(mass_gev, 0.2175))
    pieces = [part for part in _segments(mass_gev[:border]) if part.stop > part.start]
    shifted = [slice(part.start + border, part.stop + border) for part in _segments(mass_gev[border:])]
    return pieces + [part for part in shifted if part.stop > part.start]


def significance(rows: Sequence[LimitRow], channel: Channel, global_text: str, run: RunDescription) -> Figure:
    """Draw the signed local significance of one channel against mass."""
    selected = _channel_rows(rows, channel)
    mass, value = column(selected, "m_phi_gev"), column(selected, "significance")
    figure, axes = plt.subplots(figsize=(7.2, 3.9))
    for level, colour in ((3, "#eeeeee"), (2, "#dddddd"), (1, "#cccccc")):
        axes.axhspan(-level, level, color=colour, linewidth=0)
    axes.axhline(0.0, color="#777777", linewidth=0.8)
    for part in _segments(mass):
        axes.plot(mass[part], value[part], color=OBSERVED_COLOUR, marker=".", markersize=4, linewidth=0.8)
    if np.any(np.isfinite(value)):
        reach = max(3.5, 1.25 * float(np.nanmax(np.abs(value))))
        axes.set_ylim(-reach, reach)
    axes.set_xlabel(_MASS_LABEL)
    axes.set_ylabel("signed local significance")
    axes.text(0.02, 0.95, global_text, transform=axes.transAxes, va="top", fontsize=9.5)
    run.label(axes)
    return figure


def ratio_to_published(
    rows: Sequence[LimitRow], published: PublishedLimits, projection: float, run: RunDescription
) -> Figure:
    """Draw the ratio of expected ξ limits, projected in luminosity, to the published observed ones.

    Parameters
    ----------
    rows
        The limits table.
    published
        The limits compared with.
    projection
        Factor by which expected ξ limits shrink at the published luminosity.
    run
        What the figure says about the run.
    """
    figure, axes = plt.subplots(figsize=(7.2, 4.2))
    for channel, colour in ((Channel.EE, "#3f90da"), (Channel.MUMU, "#bd1f01")):
        compared = [
            (row.m_phi_gev, projection * row.xi_exp_0 / limit)
            for row in _channel_rows(rows, channel)
            if row.xi_exp_0 is not None and (limit := published.at(row.m_phi_gev)) is not None
        ]
        if not compared:
            continue
        mass, ratio = np.array(compared).T
        median = float(np.median(ratio))
        axes.plot(mass, ratio, ".", color=colour, label=f"{CHANNEL_LABELS[channel]}, median {median:.2f}")
    axes.axhline(1.0, color="#777777", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(_MASS_LABEL)
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(ScalarFormatter())
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_ylabel("projected expected / published ξ limit")
    axes.legend(loc="best")
    run.label(axes)
    return figure
