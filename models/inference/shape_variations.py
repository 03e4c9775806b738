"""A systematic variation of a template as a change of its yield and a change of its shape.

The yield interpolates exponentially between the variations and so stays positive; the shape, at constant yield, is
extrapolated linearly and has to be kept from running negative.
"""

from typing import Final, NamedTuple

import numpy as np

from models.inference.compiled_model import Floats
from models.inference.configuration import SystematicsSettings
from models.templates import Template

ROUNDING: Final = 1e-9
"""Relative change of a bin that is rounding."""


class SplitVariation(NamedTuple):
    """The parts of a variation; pairs are (down, up)."""

    yield_ratios: tuple[float, float]
    """Varied yields relative to the nominal one."""
    shapes: tuple[Floats, Floats]
    """Varied templates scaled to the nominal yield."""
    n_limited: int
    """Bins whose shape change was limited."""
    yield_limited: bool
    """Whether a change of the yield was limited."""

    def changes_shape(self, template: Template) -> bool:
        """Return whether there is a change of shape at all."""
        return not np.allclose(self.shapes, template.nominal, rtol=ROUNDING, atol=0.0)


def split_variation(template: Template, source: str, systematics: SystematicsSettings) -> SplitVariation:
    """Split a variation and limit its parts to what the likelihood can extrapolate.

    Parameters
    ----------
    template
        Template without negative yields, not empty.
    source
        Name of one of its variations.
    systematics
        Guards: the shape stays positive when moved by `guard_sigma` standard deviations, the yield changes by at
        most `largest_yield_change`.

    Examples
    --------
    >>> nominal = np.array([1.0, 3.0])
    >>> shifted = Template(nominal, np.zeros(2), {"momentum_scale": (nominal, np.array([1.2, 3.2]))})
    >>> split = split_variation(shifted, "momentum_scale", SystematicsSettings())
    >>> split.yield_ratios, split.shapes[1].round(3).tolist(), split.n_limited
    ((1.0, 1.1), [1.091, 2.909], 0)
    """
    nominal, total = template.nominal, float(template.nominal.sum())
    varied = template.variations[source]
    ratios = [float(counts.sum()) / total for counts in varied]
    largest_ratio = systematics.largest_yield_change
    kept_ratios = [float(np.clip(ratio, 1.0 / largest_ratio, largest_ratio)) for ratio in ratios]
    largest = (1.0 - systematics.guard_margin) / systematics.guard_sigma * nominal
    # A variation that leaves nothing has no shape.
    changes = np.array(
        [
            counts / ratio - nominal if ratio > 0 else np.zeros_like(nominal)
            for counts, ratio in zip(varied, ratios, strict=True)
        ]
    )
    kept = np.clip(changes, -largest, largest)
    limited = np.any(np.abs(changes - kept) > ROUNDING * nominal, axis=0)
    return SplitVariation(
        yield_ratios=(kept_ratios[0], kept_ratios[1]),
        shapes=(nominal + kept[0], nominal + kept[1]),
        n_limited=int(limited.sum()),
        yield_limited=kept_ratios != ratios,
    )
