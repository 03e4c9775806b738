"""Figures of the signal model: efficiency and mass resolution against mass."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from models.search import Search
from models.signal_shape import SignalModel
from scheduler.report.style import SEARCH_LABELS

_COLOURS = {Search.EE_DISPLACED: "#832db6", Search.EE: "#3f90da", Search.MUMU: "#bd1f01"}


def efficiency(signal_models: Mapping[Search, SignalModel]) -> Figure:
    """Draw the signal-region efficiency at the generated masses and between them."""
    figure, axes = plt.subplots()
    for search, model in signal_models.items():
        axes.errorbar(
            model.mass_gev,
            100 * model.efficiency,
            yerr=100 * model.efficiency_error,
            fmt="o-",
            markersize=4,
            linewidth=1.0,
            color=_COLOURS[search],
            label=SEARCH_LABELS[search],
        )
    axes.set_xscale("log")
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel(r"$m_\phi$ [GeV]")
    axes.set_ylabel("efficiency in the signal region [%]")
    axes.legend()
    return figure


def resolution(signal_models: Mapping[Search, SignalModel]) -> Figure:
    """Draw the mass resolution σ(m_φ) at the generated masses and between them."""
    figure, axes = plt.subplots()
    for search, model in signal_models.items():
        error = model.sigma_gev / np.sqrt(2 * model.true_fraction * model.effective_candidates)
        axes.errorbar(
            model.shape_mass_gev,
            1000 * model.sigma_gev,
            yerr=1000 * error,
            fmt="o-",
            markersize=4,
            linewidth=1.0,
            color=_COLOURS[search],
            label=SEARCH_LABELS[search],
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(r"$m_\phi$ [GeV]")
    axes.set_ylabel(r"mass resolution $\sigma(m_\phi)$ [MeV]")
    axes.legend()
    return figure
