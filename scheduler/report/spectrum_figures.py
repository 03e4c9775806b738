"""Stacked mass spectra with data, and a panel that compares the two."""

from typing import NamedTuple

import matplotlib.pyplot as plt
import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import chi2

from models.search import Process, Search
from scheduler.report.limit_figures import RunDescription
from scheduler.report.spectra import Spectrum
from scheduler.report.style import MASS_LABELS, OBSERVED_COLOUR, PROCESS_COLOURS, PROCESS_LABELS

FloatArray = NDArray[np.float64]


class SignalOverlay(NamedTuple):
    """A signal drawn over the backgrounds."""

    label: str
    values: FloatArray
    """Events per bin, shape (n_bins,)."""


def stacked_spectrum(
    spectrum: Spectrum, search: Search, title: str, run: RunDescription, overlay: SignalOverlay | None = None
) -> Figure:
    """Draw stacked backgrounds, data and signal, with the ratio of data to background below."""
    figure, (main, lower) = plt.subplots(2, sharex=True, height_ratios=(3, 1), figsize=(7.2, 6.0))
    _draw_stack(main, spectrum, overlay)
    main.legend(loc="upper right", ncols=2, title=title)
    main.set_ylabel(_events_label(spectrum.edges_gev))
    total = spectrum.total
    filled = total > 0
    relative = np.divide(spectrum.uncertainty, total, out=np.zeros_like(total), where=filled)
    lower.stairs(1 + relative, spectrum.edges_gev, baseline=1 - relative, fill=True, color="#cccccc")
    if spectrum.data is not None:
        _draw_points(lower, spectrum, filled & (spectrum.data > 0), scale=np.where(filled, total, 1.0))
    lower.axhline(1.0, color="#777777", linewidth=0.8)
    lower.set_ylim(0.0, 2.0)
    lower.set_ylabel("data / MC")
    lower.set_xlabel(MASS_LABELS[search])
    run.label(main)
    return figure


def fitted_spectrum(
    spectrum: Spectrum,
    search: Search,
    title: str,
    run: RunDescription,
    signal: SignalOverlay,
    window_gev: tuple[float, float],
    view_gev: tuple[float, float],
) -> Figure:
    """Draw data with the fitted components, and data minus background with the fitted signal below.

    Parameters
    ----------
    spectrum
        Backgrounds as fitted.
    search, title, run
        What the figure shows.
    signal
        The fitted signal.
    window_gev
        The mass range that the fit bins finely, shaded.
    view_gev
        The mass range shown.
    """
    figure, (main, lower) = plt.subplots(2, sharex=True, height_ratios=(2.4, 1), figsize=(7.2, 6.0))
    _draw_stack(main, spectrum, signal)
    main.legend(loc="upper right", ncols=2, title=title)
    main.set_ylabel(_events_label(spectrum.edges_gev))
    lower.stairs(spectrum.uncertainty, spectrum.edges_gev, baseline=-spectrum.uncertainty, fill=True, color="#cccccc")
    lower.stairs(signal.values, spectrum.edges_gev, color=PROCESS_COLOURS[Process.SIGNAL])
    if spectrum.data is not None:
        _draw_points(lower, spectrum, (spectrum.data > 0) | (spectrum.total > 0.5), offset=spectrum.total)
    for axes in (main, lower):
        axes.axvspan(*window_gev, color="#bd1f01", alpha=0.08, linewidth=0)
    lower.axhline(0.0, color="#777777", linewidth=0.8)
    main.set_xlim(*view_gev)
    lower.set_ylabel("data − bkg")
    lower.set_xlabel(MASS_LABELS[search])
    run.label(main)
    return figure


def poisson_interval(counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the central 68.3 % (Garwood) interval of a Poisson mean for each observed count.

    >>> low, high = poisson_interval(np.array([0.0, 1.0]))
    >>> high.round(3).tolist()
    [1.841, 3.3]
    """
    tail = 0.158655253931457
    low = np.where(counts > 0, chi2.ppf(tail, 2 * np.maximum(counts, 0.5)) / 2, 0.0)
    high = chi2.isf(tail, 2 * (counts + 1)) / 2
    return low, high


def _draw_stack(axes: Axes, spectrum: Spectrum, overlay: SignalOverlay | None) -> None:
    processes = list(spectrum.backgrounds)
    if processes:
        mplhep.histplot(
            [spectrum.backgrounds[process] for process in processes],
            spectrum.edges_gev,
            stack=True,
            histtype="fill",
            label=[PROCESS_LABELS[process] for process in processes],
            color=[PROCESS_COLOURS[process] for process in processes],
            yerr=False,
            ax=axes,
        )
    total = spectrum.total
    axes.stairs(
        total + spectrum.uncertainty,
        spectrum.edges_gev,
        baseline=np.maximum(total - spectrum.uncertainty, 0.0),
        fill=True,
        facecolor="none",
        edgecolor="#555555",
        hatch="////",
        linewidth=0,
        label="uncertainty",
    )
    if overlay is not None:
        axes.stairs(overlay.values, spectrum.edges_gev, color=PROCESS_COLOURS[Process.SIGNAL], label=overlay.label)
    if spectrum.data is not None:
        _draw_points(axes, spectrum, spectrum.data > 0, label="data")
    # room for the legend above the highest point
    drawn = [total + spectrum.uncertainty]
    if overlay is not None:
        drawn.append(overlay.values)
    if spectrum.data is not None:
        drawn.append(np.where(spectrum.data > 0, poisson_interval(spectrum.data)[1], 0.0))
    reach = float(np.max(drawn))
    axes.set_ylim(0.0, 1.45 * reach if reach > 0 else 1.0)
    axes.set_xlim(spectrum.edges_gev[0], spectrum.edges_gev[-1])


def _draw_points(
    axes: Axes,
    spectrum: Spectrum,
    shown: NDArray[np.bool_],
    *,
    offset: FloatArray | float = 0.0,
    scale: FloatArray | float = 1.0,
    label: str | None = None,
) -> None:
    """Draw (data − offset)/scale with Poisson intervals where `shown`; an empty bin says little at each point."""
    data = spectrum.data
    if data is None:
        return
    low, high = poisson_interval(data)
    axes.errorbar(
        (0.5 * (spectrum.edges_gev[1:] + spectrum.edges_gev[:-1]))[shown],
        ((data - offset) / scale)[shown],
        yerr=[((data - low) / scale)[shown], ((high - data) / scale)[shown]],
        fmt=".",
        color=OBSERVED_COLOUR,
        linewidth=0.9,
        label=label,
    )


def _events_label(edges_gev: FloatArray) -> str:
    return f"events / {1000 * float(np.median(np.diff(edges_gev))):.3g} MeV"
