"""How well the signal is interpolated in mass: each generated mass left out and predicted from the others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from models.search import Search
from models.signal_closure import closure_tests
from processors.signal_samples import SignalModels
from scheduler.report.page import TableEntry
from scheduler.report.signal_figures import SEARCH_COLOURS
from scheduler.report.style import SEARCH_LABELS
from scheduler.report.tables import Cell, table


def closure_p_values(models: SignalModels) -> dict[str, float]:
    """Return efficiency, resolution and shape → probability of a worse closure by chance, all masses together.

    For the shape it is the smallest p-value of a mass times their number; none where no mass can be left out.
    """
    if not models.closure:
        return {}
    p_values = {name: test.p_value for name, test in closure_tests(models.prompt).items()}
    smallest = min(point.shape_p_value for point in models.closure)
    return {**p_values, "shape": min(1.0, len(models.closure) * smallest)}


def closure_table(signal: Mapping[Search, SignalModels], folder: Path) -> TableEntry:
    """Return each inner generated mass predicted from all others (prompt), with pulls and the p-value of the shape."""
    rows: list[list[Cell]] = [
        [
            str(search),
            point.m_phi_gev,
            100 * point.efficiency.value,
            100 * point.efficiency_predicted.value,
            point.efficiency_pull,
            1000 * point.sigma_gev.value,
            1000 * point.sigma_predicted_gev.value,
            point.sigma_pull,
            point.shape_distance,
            point.shape_p_value,
            point.effective_candidates,
        ]
        for search, models in signal.items()
        for point in models.closure
    ]
    header = (
        "search", "m_φ [GeV]", "efficiency [%]", "predicted [%]", "pull", "σ(m_φ) [MeV]", "predicted [MeV]",
        "pull of σ", "shape distance", "p of the shape", "effective candidates",
    )  # fmt: skip
    caption = (
        "Closure of the interpolation in mass: each generated mass left out and predicted from the others; p-values of "
        f"all masses together: {describe_closure(signal)}. The shape distance is the largest difference of the "
        "cumulative distributions."
    )
    return table("signal_closure", caption, header, rows, folder)


def describe_closure(signal: Mapping[Search, SignalModels]) -> str:
    """Return the p-values of every search in words."""
    return "; ".join(
        f"{search}: "
        + (", ".join(f"{name} {p:.2g}" for name, p in closure_p_values(models).items()) or "no inner mass")
        for search, models in signal.items()
    )


def closure_figure(signal: Mapping[Search, SignalModels]) -> Figure | None:
    """Draw pulls of efficiency and resolution and the shape's p-value at every mass left out, None if there is none."""
    signal = {search: models for search, models in signal.items() if models.closure}
    if not signal:
        return None
    figure, panels = plt.subplots(3, 1, sharex=True, figsize=(6.4, 7.0))
    for search, models in signal.items():
        mass = [point.m_phi_gev for point in models.closure]
        style = {"marker": "o", "markersize": 4, "linewidth": 0.8, "color": SEARCH_COLOURS[search]}
        label = SEARCH_LABELS[search]
        panels[0].plot(mass, [point.efficiency_pull for point in models.closure], **style, label=label)
        panels[1].plot(mass, [point.sigma_pull for point in models.closure], **style)
        panels[2].plot(mass, [point.shape_p_value for point in models.closure], **style)
    for panel, name in zip(panels, ("efficiency", "resolution"), strict=False):
        panel.axhspan(-1.0, 1.0, color="#dddddd")
        panel.axhline(0.0, color="#555555", linewidth=0.8)
        reach = 1.1 * max(3.0, float(np.max(np.abs(panel.dataLim.intervaly), initial=0.0)))
        panel.set_ylim(-reach, reach)
        panel.set_ylabel(f"pull of {name}")
    panels[2].axhline(0.05, color="#555555", linewidth=0.8, linestyle="dashed")
    panels[2].set_yscale("log")
    panels[2].set_ylabel("p-value of shape")
    panels[2].set_xscale("log")
    panels[2].set_xlabel(r"$m_\phi$ left out [GeV]")
    panels[0].legend(fontsize="x-small")
    return figure
