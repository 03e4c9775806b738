"""Whether the interpolation of the signal holds: each generated mass predicted from all the others."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from models.signal_shape import Measured, SignalModel, SignalSample, SignalShapeSettings, build_signal_model

_MASSES_MIN: Final = 4
"""Fewest masses of which two can be left out, one after the other, between neighbours."""


class ClosurePoint(NamedTuple):
    """One generated mass predicted from all others."""

    m_phi_gev: float
    efficiency_predicted: Measured
    """From the neighbours' efficiencies."""
    efficiency: Measured
    sigma_predicted_gev: float
    sigma_gev: float
    shape_distance: float
    """Largest difference of the predicted and the actual cumulative distribution of m."""
    effective_candidates: float
    """Sets the scale of the distance: the 95 % Kolmogorov–Smirnov quantile is 1.36/√n."""

    @property
    def efficiency_pull(self) -> float:
        """Predicted minus actual efficiency over the uncertainty of both."""
        error = np.hypot(self.efficiency_predicted.error, self.efficiency.error)
        return float((self.efficiency_predicted.value - self.efficiency.value) / error) if error > 0 else 0.0


def closure(samples: Sequence[SignalSample], settings: SignalShapeSettings | None = None) -> tuple[ClosurePoint, ...]:
    """Predict each inner generated mass from the others and compare with its own candidates.

    Parameters
    ----------
    samples
        One for each generated mass; the outermost two are not predicted, since nothing is extrapolated.
    settings
        As for `build_signal_model`.

    Returns
    -------
    One point for each mass that shows a shape; none below four masses.
    """
    ordered = sorted(samples, key=lambda sample: sample.m_phi_gev)
    if len(ordered) < _MASSES_MIN:
        return ()
    complete = build_signal_model(ordered, settings)
    return tuple(
        _closure_point(complete, build_signal_model([*ordered[:i], *ordered[i + 1 :]], settings), ordered[i])
        for i in range(1, len(ordered) - 1)
        if ordered[i].m_phi_gev in complete.shape_mass_gev and len(complete.shape_mass_gev) > 1
    )


def _closure_point(complete: SignalModel, predicted: SignalModel, left_out: SignalSample) -> ClosurePoint:
    m_phi = left_out.m_phi_gev
    from_signal_region = complete.from_signal_region[complete.shape_mass_gev == m_phi][0]
    candidates = left_out.only_signal_region() if from_signal_region else left_out
    order = np.argsort(candidates.mass_gev)
    actual = np.cumsum(candidates.weight[order]) / np.sum(candidates.weight)
    distance = np.max(np.abs(actual - predicted.cumulative(m_phi, candidates.mass_gev[order])))
    return ClosurePoint(
        m_phi,
        predicted.efficiency_at(m_phi),
        complete.efficiency_at(m_phi),
        predicted.resolution_gev(m_phi),
        complete.resolution_gev(m_phi),
        float(distance),
        complete.effective_candidates_at(m_phi),
    )
