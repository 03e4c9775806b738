"""Figures of one workspace's inference: posterior, profile likelihood, chains, corner plot, nuisances, CLs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

from models.errors import UsageError
from models.inference.compiled_model import Floats
from models.inference.diagnostics import Diagnostics
from scheduler.report.style import OBSERVED_COLOUR, ONE_SIGMA_COLOUR, TWO_SIGMA_COLOUR

N_CORNER: Final = 5
"""Nuisance parameters in a corner plot unless some are chosen."""
N_RANKED: Final = 20
"""Nuisance parameters in the ranking."""
CORNER_SMOOTHING: Final = 1.0
"""Width, in bins, that pairwise densities are smoothed with: the contours of some thousand draws are ragged."""
N_TRACES: Final = 4
"""Chains drawn one by one; all are in the mean beside them."""
_XSEC_LABEL: Final = r"$\sigma(e^+e^-\to\tau^+\tau^-\phi)\cdot\mathcal{B}$ [fb]"
_POSTERIOR_COLOUR: Final = "#3f90da"
_UP_COLOUR, _DOWN_COLOUR = "#bd1f01", "#3f90da"


def poi_label(poi: str) -> str:
    """Return the axis label of a parameter of interest: the analysis' cross-section, or its name."""
    return _XSEC_LABEL if poi == "xsec_fb" else f"{poi}"


def figures(found: Diagnostics, title: str, corner: Sequence[str] = ()) -> dict[str, Figure]:
    """Return name → figure of everything there is to draw.

    Parameters
    ----------
    found
        What is drawn; a part that is missing, as most are while blinded, has no figure.
    title
        Written above each figure.
    corner
        Parameters of the corner plot; those with the largest impact if empty.

    Raises
    ------
    UsageError
        If a parameter of the corner plot does not exist.
    """
    drawn: dict[str, Figure] = {}
    if found.posterior is not None:
        drawn["posterior"] = posterior_figure(found)
    if found.profile is not None:
        drawn["profile"] = profile_figure(found)
    if found.chains is not None:
        drawn["chains"] = chains_figure(found)
        drawn["corner"] = corner_figure(found, corner)
    if found.ranked:
        drawn["nuisances"] = nuisance_figure(found)
    if found.cls is not None:
        drawn["cls"] = cls_figure(found)
    for figure in drawn.values():
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return drawn


def posterior_figure(found: Diagnostics) -> Figure:
    """Draw the posterior of the cross-section with its upper limit."""
    assert found.posterior is not None
    figure, axes = plt.subplots()
    xsec, density = found.posterior.xsec, found.posterior.values
    axes.plot(xsec, density, color=_POSTERIOR_COLOUR, label="posterior (Metropolis–Hastings)")
    limit = found.metropolis.limit_fb if found.metropolis else None
    if limit is not None:
        below = xsec <= limit
        axes.fill_between(xsec[below], density[below], color=_POSTERIOR_COLOUR, alpha=0.25, linewidth=0)
        error = found.metropolis.relative_error if found.metropolis else None
        axes.axvline(
            limit,
            color=OBSERVED_COLOUR,
            linestyle="--",
            linewidth=1.2,
            label=f"{100 * found.level:g} % upper limit {limit:.4g}" + (f" ± {error * limit:.1g}" if error else ""),
        )
    if found.fit.xsec_hat_fb is not None and found.fit.xsec_hat_fb > 0:
        axes.axvline(found.fit.xsec_hat_fb, color="#9c9ca1", linewidth=1.0, label="best fit")
    axes.set_xlim(left=float(xsec[0]), right=_end_of(xsec, density))
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel(poi_label(found.poi))
    axes.set_ylabel("posterior density [1/fb]" if found.poi == "xsec_fb" else "posterior density")
    axes.legend()
    return figure


def _end_of(xsec: Floats, density: Floats) -> float:
    """Return where a density has become invisible."""
    visible = np.flatnonzero(np.nan_to_num(density) > 2e-3 * np.nanmax(density))
    return float(xsec[min(int(visible[-1]) + 1, xsec.size - 1)])


def profile_figure(found: Diagnostics) -> Figure:
    """Draw −2 ln λ of the profile likelihood around the best fit."""
    assert found.profile is not None
    figure, axes = plt.subplots()
    axes.plot(found.profile.xsec, found.profile.values, color=_POSTERIOR_COLOUR, label="profile likelihood")
    best, error = found.fit.xsec_hat_fb, found.fit.xsec_err_fb
    if best is not None and error is not None:
        axes.plot(
            found.profile.xsec,
            ((found.profile.xsec - best) / error) ** 2,
            color="#9c9ca1",
            linestyle=":",
            linewidth=1.2,
            label=f"parabola of the best fit, {best:.4g} ± {error:.3g}",
        )
        axes.axvline(best, color="#9c9ca1", linewidth=0.8)
    for n_sigma in (1, 2):
        axes.axhline(n_sigma**2, color=OBSERVED_COLOUR, linestyle="--", linewidth=0.8)
        axes.annotate(
            rf"{n_sigma}$\sigma$",
            (1.0, n_sigma**2),
            xycoords=("axes fraction", "data"),
            xytext=(-4, 3),
            textcoords="offset points",
            ha="right",
            fontsize=9,
        )
    if found.profile.xsec[0] < 0.0:
        axes.axvline(0.0, color=OBSERVED_COLOUR, linewidth=0.8)
    axes.set_xlim(float(found.profile.xsec[0]), float(found.profile.xsec[-1]))
    axes.set_ylim(0.0, 10.0)
    axes.set_xlabel(poi_label(found.poi))
    axes.set_ylabel(r"$-2\,\ln\lambda$")
    axes.legend(loc="upper center", frameon=True, framealpha=1.0, edgecolor="none")
    return figure


def chains_figure(found: Diagnostics) -> Figure:
    """Draw some chains of the cross-section step by step, and the spread of all chains' means."""
    assert found.chains is not None
    xsec = found.chains.points[:, :, found.parameters.index(found.poi)]
    figure, (trace, running) = plt.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    steps = np.arange(1, xsec.shape[1] + 1)
    for chain in range(min(N_TRACES, len(xsec))):
        trace.plot(steps, xsec[chain], linewidth=0.6, label=f"chain {chain + 1}")
    # Room for the legend above the highest step that is drawn.
    trace.set_ylim(0.0, 1.2 * float(xsec[:N_TRACES].max()))
    trace.set_ylabel(poi_label(found.poi))
    trace.legend(ncols=N_TRACES, fontsize=8, loc="upper right")
    means = np.cumsum(xsec, axis=1) / steps
    running.plot(steps, means.T, color=_POSTERIOR_COLOUR, linewidth=0.4, alpha=0.5)
    running.plot(steps, means.mean(axis=0), color=OBSERVED_COLOUR, label=f"mean of {len(xsec)} chains")
    running.set_xlim(1, steps[-1])
    running.set_xlabel("step after burn-in")
    running.set_ylabel("running mean" + (" [fb]" if found.poi == "xsec_fb" else ""))
    if found.metropolis is not None:
        limit = found.metropolis
        running.legend(
            loc="upper right",
            fontsize=8,
            title=f"split $\\hat{{R}}$ {limit.r_hat:.3f}, effective size {limit.effective_size:.0f}, "
            f"acceptance {limit.acceptance:.0%}",
            title_fontsize=8,
        )
    return figure


def corner_figure(found: Diagnostics, names: Sequence[str] = ()) -> Figure:
    """Draw marginal and pairwise posteriors of the cross-section and chosen nuisance parameters.

    Parameters
    ----------
    found
        With chains.
    names
        Nuisance parameters; those with the largest impact, then pull, if empty.

    Raises
    ------
    UsageError
        If one of them does not exist.
    """
    assert found.chains is not None
    unknown = [name for name in names if name not in found.parameters]
    if unknown:
        raise UsageError(f"There is no parameter {unknown[0]}; there are {', '.join(found.parameters)}.")
    chosen = names or [nuisance.name for nuisance in found.ranked[:N_CORNER]]
    shown = [found.poi, *(name for name in chosen if name != found.poi)]
    samples = found.chains.points[:, :, [found.parameters.index(name) for name in shown]].reshape(-1, len(shown))
    ranges = [(float(low), float(high)) for low, high in np.quantile(samples, (0.001, 0.998), axis=0).T]
    ranges = [(low, high) if high > low else (low - 1.0, high + 1.0) for low, high in ranges]
    size = 1.6 * len(shown) + 1.4
    figure, grid = plt.subplots(len(shown), len(shown), figsize=(size, size), squeeze=False)
    for row in range(len(shown)):
        for column in range(len(shown)):
            axes = grid[row, column]
            if column > row:
                axes.set_visible(False)
                continue
            if column == row:
                _draw_marginal(axes, samples[:, row], ranges[row])
            else:
                _draw_pair(axes, samples[:, column], samples[:, row], ranges[column], ranges[row])
            last = row == len(shown) - 1
            axes.set_xlabel(_corner_label(shown[column]) if last else "", fontsize=8)
            axes.set_ylabel(_corner_label(shown[row]) if column == 0 and row > 0 else "", fontsize=8)
            axes.tick_params(labelsize=7, labelbottom=last, labelleft=column == 0 and row > 0)
            axes.tick_params(axis="x", labelrotation=45)
    return figure


def _corner_label(name: str) -> str:
    return r"$\sigma\cdot\mathcal{B}$ [fb]" if name == "xsec_fb" else name.replace("_", " ")


def _draw_marginal(axes: Axes, values: Floats, bounds: tuple[float, float]) -> None:
    axes.hist(values, bins=40, range=bounds, color=_POSTERIOR_COLOUR, alpha=0.6)
    for quantile in np.quantile(values, (0.16, 0.5, 0.84)):
        axes.axvline(quantile, color=OBSERVED_COLOUR, linestyle="--", linewidth=0.8)
    axes.set_xlim(bounds)
    axes.set_yticks([])


def _draw_pair(
    axes: Axes, across: Floats, upwards: Floats, x_bounds: tuple[float, float], y_bounds: tuple[float, float]
) -> None:
    counts, x_edges, y_edges = np.histogram2d(across, upwards, bins=30, range=(x_bounds, y_bounds))
    density = gaussian_filter(counts, CORNER_SMOOTHING, mode="nearest")
    ordered = np.sort(density.ravel())[::-1]
    enclosed = np.cumsum(ordered) / ordered.sum()
    levels = [float(ordered[np.searchsorted(enclosed, probability)]) for probability in (0.95, 0.68)]
    axes.pcolormesh(x_edges, y_edges, density.T, cmap="Blues", rasterized=True)
    if 0.0 < levels[0] < levels[1] < ordered[0]:
        centres = [0.5 * (edges[1:] + edges[:-1]) for edges in (x_edges, y_edges)]
        axes.contour(*centres, density.T, levels=levels, colors=OBSERVED_COLOUR, linewidths=0.7)
    axes.set_xlim(x_bounds)
    axes.set_ylim(y_bounds)


def nuisance_figure(found: Diagnostics) -> Figure:
    """Draw the nuisance parameters with the largest impact: their pulls, and what they do to the cross-section."""
    ranked = found.ranked[:N_RANKED]
    position = np.arange(len(ranked))[::-1]
    figure, (pulls, impacts) = plt.subplots(
        1, 2, sharey=True, figsize=(9.0, 1.6 + 0.28 * len(ranked)), width_ratios=(1, 1.3)
    )
    pulls.axvspan(-2, 2, color=TWO_SIGMA_COLOUR, alpha=0.5, linewidth=0)
    pulls.axvspan(-1, 1, color=ONE_SIGMA_COLOUR, alpha=0.5, linewidth=0)
    pulls.axvline(0.0, color=OBSERVED_COLOUR, linewidth=0.8)
    pulled = [
        (y, n.fit.pull, n.fit.constraint) for y, n in zip(position, ranked, strict=True) if n.fit.pull is not None
    ]
    pulls.errorbar(
        [pull for _, pull, _ in pulled],
        [y for y, _, _ in pulled],
        xerr=[constraint or 0.0 for _, _, constraint in pulled],
        fmt="o",
        color=OBSERVED_COLOUR,
        markersize=3.5,
        linewidth=1.2,
    )
    pulls.set_xlim(-3.2, 3.2)
    pulls.set_xlabel(r"pull $(\hat\theta-\theta_0)/\Delta\theta$", fontsize=10)
    pulls.set_yticks(position, [nuisance.name.replace("_", " ") for nuisance in ranked], fontsize=8)
    pulls.tick_params(axis="y", which="minor", left=False, right=False)
    sides: Mapping[str, tuple[str, list[float]]] = {
        r"$\hat\theta+\hat\sigma$": (_UP_COLOUR, [n.fit.impact_up_fb or 0.0 for n in ranked]),
        r"$\hat\theta-\hat\sigma$": (_DOWN_COLOUR, [n.fit.impact_down_fb or 0.0 for n in ranked]),
    }
    for label, (colour, widths) in sides.items():
        impacts.barh(position, widths, color=colour, alpha=0.7, height=0.65, label=label)
    impacts.axvline(0.0, color=OBSERVED_COLOUR, linewidth=0.8)
    impacts.tick_params(axis="y", which="both", left=False, right=False)
    is_xsec = found.poi == "xsec_fb"
    quantity = r"$\sigma\cdot\mathcal{B}$ [fb]" if is_xsec else found.poi
    impacts.set_xlabel(f"impact on {quantity}", fontsize=10)
    if found.fit.xsec_hat_fb is not None and found.fit.xsec_err_fb is not None:
        number = f"best fit {found.fit.xsec_hat_fb:.4g} ± {found.fit.xsec_err_fb:.3g}" + (" fb" if is_xsec else "")
        impacts.set_title(number, loc="right", fontsize=9)
    impacts.margins(x=0.12)
    impacts.legend(loc="lower right")
    return figure


def cls_figure(found: Diagnostics) -> Figure:
    """Draw CLs, observed and expected with bands, and the level that an upper limit needs."""
    assert found.cls is not None
    curves = found.cls
    figure, axes = plt.subplots()
    m2, m1, median, p1, p2 = curves.expected
    axes.fill_between(curves.xsec, m2, p2, color=TWO_SIGMA_COLOUR, linewidth=0, label=r"expected $\pm2\sigma$")
    axes.fill_between(curves.xsec, m1, p1, color=ONE_SIGMA_COLOUR, linewidth=0, label=r"expected $\pm1\sigma$")
    axes.plot(curves.xsec, median, color=OBSERVED_COLOUR, linestyle="--", linewidth=1.2, label="expected median")
    if curves.observed is not None:
        axes.plot(curves.xsec, curves.observed, color=OBSERVED_COLOUR, label="observed")
    axes.axhline(1.0 - found.level, color=_UP_COLOUR, linewidth=1.0)
    axes.annotate(
        f"{100 * found.level:g} % confidence level",
        (1.0, 1.0 - found.level),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 3),
        textcoords="offset points",
        ha="right",
        color=_UP_COLOUR,
        fontsize=9,
    )
    axes.set_xlim(float(curves.xsec[0]), float(curves.xsec[-1]))
    axes.set_ylim(0.0, 1.05)
    axes.set_xlabel(poi_label(found.poi))
    axes.set_ylabel(r"CL$_s$")
    axes.legend(loc="upper right")
    return figure
