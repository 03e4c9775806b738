"""Figures of the signal model: efficiency, mass resolution and correct candidates against mass."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from models.search import Search
from processors.scoring import NOMINAL
from processors.signal_samples import SignalModels
from scheduler.report.style import SEARCH_LABELS

SEARCH_COLOURS = {Search.EE_DISPLACED: "#832db6", Search.EE: "#3f90da", Search.MUMU: "#bd1f01"}


def against_mass(signal: Mapping[Search, SignalModels], ctau_mm: Sequence[float]) -> Figure:
    """Draw efficiency, resolution and fraction of correct candidates against mass for some lifetimes.

    Parameters
    ----------
    signal
        Of every search.
    ctau_mm
        Decay lengths to show where they are modelled, zero for prompt.
    """
    figure, panels = plt.subplots(3, 1, sharex=True, figsize=(6.4, 8.0))
    styles = dict(zip(ctau_mm, ("-", "--", ":", "-."), strict=False))
    for search, models in signal.items():
        for length, style in styles.items():
            if length not in models.models:
                continue
            model = models.models[length][NOMINAL]
            drawn = {"linestyle": style, "linewidth": 1.0, "markersize": 4, "color": SEARCH_COLOURS[search]}
            label = SEARCH_LABELS[search] + (", prompt" if length == 0.0 else rf", $c\tau={length:g}$ mm")
            panels[0].errorbar(
                model.mass_gev, 100 * model.efficiency, 100 * model.efficiency_error, fmt=".", **drawn, label=label
            )
            if length in models.borrowed_shape_ctau_mm:
                continue
            panels[1].errorbar(
                model.shape_mass_gev, 1000 * model.sigma_gev, 1000 * model.sigma_error_gev, fmt=".", **drawn
            )
            panels[2].errorbar(model.shape_mass_gev, model.true_fraction, model.true_fraction_error, fmt=".", **drawn)
    panels[0].set_yscale("log")
    panels[1].set_yscale("log")
    panels[2].set_xscale("log")
    panels[0].set_ylabel("efficiency [%]")
    panels[1].set_ylabel(r"$\sigma(m_\phi)$ [MeV]")
    panels[2].set_ylabel("correct candidates")
    panels[2].set_xlabel(r"$m_\phi$ [GeV]")
    panels[0].legend(fontsize="xx-small", ncols=2)
    return figure
