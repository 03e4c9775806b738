"""An axis with one place for each mass point: steps differ by channel, and a logarithm would crowd most of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from models.scan_grid import MassPoint


def label_mass_points(axes: Axes, points: Sequence[MassPoint], *, n_labels: int = 12) -> None:
    """Label the horizontal axis, on which the mass points are numbered from zero, with channels and masses."""
    ticks = (
        np.unique(np.linspace(0, max(len(points) - 1, 0), n_labels).astype(int)) if points else np.empty(0, dtype=int)
    )
    axes.set_xticks(ticks, [points[i].label.replace(" m", "\n") for i in ticks], fontsize=9)
    axes.tick_params(axis="x", which="both", length=0)
    axes.set_xlabel("mass point [GeV]")
