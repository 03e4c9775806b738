"""The signal against mass and lifetime: figure and table of the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.search import Search
from processors.scoring import NOMINAL
from processors.signal_samples import SignalModels
from scheduler.report.page import TableEntry
from scheduler.report.style import SEARCH_LABELS
from scheduler.report.tables import Cell, table

_PROMPT_AT_MM = 0.03
"""Where prompt is drawn on the logarithmic axis of decay lengths."""


def lifetime_figure(signal: Mapping[Search, SignalModels]) -> Figure | None:
    """Draw efficiency, resolution and correct fraction against cτ at the generated masses, None if nothing flies."""
    flying = {search: models for search, models in signal.items() if len(models.ctau_mm) > 1}
    if not flying:
        return None
    figure, panels = plt.subplots(3, len(flying), sharex=True, squeeze=False, figsize=(4.2 * len(flying), 7.5))
    for column, (search, models) in enumerate(flying.items()):
        lengths = np.maximum(models.ctau_mm, _PROMPT_AT_MM)
        masses = models.prompt.mass_gev
        for number, mass in enumerate(masses):
            colour = plt.get_cmap("viridis")(number / max(len(masses) - 1, 1))
            values = _values(models, float(mass))
            label = f"{mass:g} GeV"
            panels[0, column].errorbar(
                lengths, 100 * values[:, 0], yerr=100 * values[:, 1], fmt=".-", color=colour, linewidth=0.8, label=label
            )
            panels[1, column].plot(lengths, 1000 * values[:, 2], ".-", color=colour, linewidth=0.8)
            panels[2, column].plot(lengths, values[:, 3], ".-", color=colour, linewidth=0.8)
        panels[0, column].set_title(SEARCH_LABELS[search])
        panels[0, column].set_yscale("log")
        panels[2, column].set_xscale("log")
        panels[2, column].set_xlabel(r"$c\tau$ [mm] (leftmost: prompt)")
    panels[0, 0].set_ylabel("efficiency [%]")
    panels[1, 0].set_ylabel(r"$\sigma(m_\phi)$ [MeV]")
    panels[2, 0].set_ylabel("correct candidates")
    panels[0, -1].legend(fontsize="xx-small", title=r"$m_\phi$", title_fontsize="xx-small")
    return figure


def lifetime_table(signal: Mapping[Search, SignalModels], folder: Path) -> TableEntry:
    """Return efficiency, resolution and correct fraction at every generated mass and modelled lifetime."""
    rows: list[list[Cell]] = []
    for search, models in signal.items():
        for mass in models.prompt.mass_gev:
            for ctau_mm, (efficiency, error, sigma, true) in zip(
                models.ctau_mm, _values(models, float(mass)).tolist(), strict=True
            ):
                rows.append([str(search), float(mass), ctau_mm, 100 * efficiency, 100 * error, 1000 * sigma, true])
    header = ("search", "m_φ [GeV]", "cτ [mm]", "efficiency [%]", "± [%]", "σ(m_φ) [MeV]", "correct candidates")
    refused = sorted({ctau_mm for models in signal.values() for ctau_mm in models.refused})
    lengths = ", ".join(f"{ctau_mm:g}" for ctau_mm in refused)
    left_out = f" Too few simulated events at some mass for cτ = {lengths} mm." if refused else ""
    caption = f"Signal in the signal region against mass and lifetime, from one reweighted sample a mass.{left_out}"
    return table("signal_lifetimes", caption, header, rows, folder)


def _values(models: SignalModels, m_phi_gev: float) -> NDArray[np.float64]:
    """Return efficiency, its error, resolution and correct fraction at every modelled lifetime, shape (n, 4)."""
    rows = []
    for ctau_mm in models.ctau_mm:
        model = models.models[ctau_mm][NOMINAL]
        efficiency = model.efficiency_at(m_phi_gev)
        true = float(np.interp(m_phi_gev, model.shape_mass_gev, model.true_fraction))
        rows.append((efficiency.value, efficiency.error, model.resolution_gev(m_phi_gev), true))
    return np.array(rows)
