"""Figures of the simulated detector: what was measured, drawn beside what is expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from models.constants import JPSI_MASS_GEV
from simulation.detector.configuration import MaterialConfig
from simulation.detector.material import material_map
from simulation.validation.resonances import KAON_SHORT_MASS_GEV, Reconstructed
from simulation.validation.single_particles import Comparison

COLOURS = ("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6")
"""Colour-blind-safe sequence of M. Petroff, arXiv:2107.02270."""


def draw_material_map(material: MaterialConfig) -> Figure:
    """Draw the radiation lengths in front of the drift chamber against the polar angle, layer upon layer."""
    angles = np.linspace(10.0, 170.0, 641)
    layers = material_map(np.deg2rad(angles), material).cumulative_x_over_x0
    figure, axes = _figure(1, (7.0, 4.2))
    below = np.zeros(len(angles))
    for number, layer in enumerate(material.layers):
        label = f"{layer.name}, {layer.radius_mm:g} mm"
        axes[0].fill_between(angles, 100.0 * below, 100.0 * layers[:, number], color=COLOURS[number], label=label, lw=0)
        below = layers[:, number]
    axes[0].set(xlabel="polar angle [°]", ylabel=r"thickness [% of $X_0$]", xlim=(10.0, 170.0))
    axes[0].set_ylim(0.0, 1.45 * 100.0 * layers.max())
    axes[0].legend(frameon=False, ncols=2, loc="upper center")
    return figure


def draw_comparisons(comparisons: Sequence[Comparison], *, logarithmic: bool) -> Figure:
    """Draw one panel a response: points with error bars, and the configuration's numbers as a line."""
    figure, axes = _figure(len(comparisons), (3.6 * len(comparisons), 3.4))
    for panel, comparison in zip(axes, comparisons, strict=True):
        panel.plot(comparison.momentum_gev, comparison.expected, color=COLOURS[0], label="configuration")
        panel.errorbar(
            comparison.momentum_gev,
            comparison.measured,
            comparison.error,
            fmt="o",
            ms=4,
            color="black",
            label="measured",
        )
        unit = f" [{comparison.unit}]" if comparison.unit else ""
        panel.set(title=f"{comparison.name}{unit}")
        _logarithmic_momentum(panel)
        if logarithmic:
            panel.set_yscale("log")
        else:
            panel.set_ylim(0.0, 1.08)
    axes[0].legend(frameon=False)
    return figure


def draw_identification(rates: Mapping[str, Sequence[Comparison]]) -> Figure:
    """Draw one panel a likelihood ratio, one colour a species; lines are the configuration's numbers."""
    names = [comparison.name for comparison in next(iter(rates.values()))]
    figure, axes = _figure(len(names), (3.6 * len(names), 3.6))
    for number, panel in enumerate(axes):
        for colour, (species, comparisons) in zip(COLOURS, rates.items(), strict=False):
            comparison = comparisons[number]
            seen = comparison.measured > 0.0
            panel.step(comparison.momentum_gev, comparison.expected, where="mid", color=colour, lw=1)
            panel.errorbar(
                comparison.momentum_gev[seen],
                comparison.measured[seen],
                comparison.error[seen],
                fmt="o",
                ms=4,
                color=colour,
                label=species,
            )
        panel.set(yscale="log", title=names[number], ylim=(2e-4, 1.6))
        _logarithmic_momentum(panel)
    axes[0].set_ylabel("fraction above the working point")
    axes[-1].legend(frameon=False, loc="lower right", ncols=2)
    return figure


def draw_resonances(
    jpsi: Reconstructed, kaon: Reconstructed, photon: Reconstructed, material: MaterialConfig
) -> Figure:
    """Draw the J/ψ and K_S masses, the K_S decay radius, and where photons convert."""
    figure, axes = _figure(4, (14.0, 3.6))
    _draw_mass(axes[0], jpsi, JPSI_MASS_GEV, 0.06, r"$J/\psi\to\mu^+\mu^-$")
    _draw_mass(axes[1], kaon, KAON_SHORT_MASS_GEV, 0.015, r"$K_S\to\pi^+\pi^-$")
    for panel, decays, high, bins, title in (
        (axes[2], kaon, 150.0, 60, r"$K_S$ decay radius"),
        (axes[3], photon, 120.0, 120, r"$\gamma\to e^+e^-$, 1 GeV"),
    ):
        edges = np.linspace(0.0, high, bins + 1).tolist()
        panel.hist(decays.true_radius_mm, edges, color=COLOURS[1], histtype="stepfilled", alpha=0.6, label="true")
        panel.hist(decays.radius_mm, edges, color="black", histtype="step", label="reconstructed")
        panel.set(xlabel="radius [mm]", title=title, yscale="log", xlim=(0.0, high), ylim=(0.7, None))
        panel.legend(frameon=False, loc="upper right")
    for layer in material.layers:
        axes[3].axvline(layer.radius_mm, color=COLOURS[3], lw=0.8, ls=":", zorder=0)
    return figure


def _draw_mass(axes: Axes, decays: Reconstructed, true_gev: float, half_width_gev: float, title: str) -> None:
    axes.hist(
        1e3 * (decays.mass_gev - true_gev), (np.linspace(-1e3, 1e3, 61) * half_width_gev).tolist(), color=COLOURS[0]
    )
    axes.axvline(0.0, color="black", lw=0.8)
    axes.set(xlabel=r"$m - m_\mathrm{true}$ [MeV]", ylabel="decays", title=title)


def _logarithmic_momentum(axes: Axes) -> None:
    axes.set(xscale="log", xlabel="momentum [GeV]")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _figure(n_panels: int, size: tuple[float, float]) -> tuple[Figure, Sequence[Axes]]:
    with mpl.rc_context({"font.size": 9.0, "savefig.dpi": 130}):
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(1, n_panels, squeeze=False)[0]
    return figure, panels
