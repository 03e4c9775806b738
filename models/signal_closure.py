"""Whether the interpolation of the signal holds: each generated mass predicted from all the others."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, kolmogorov

from models.local_cubic import local_cubic
from models.signal_shape import Measured, SignalModel, SignalSample, SignalShapeSettings, build_signal_model, neighbours

_MASSES_MIN: Final = 4
"""Fewest masses of which two can be left out, one after the other, between neighbours."""
_SETS: Final = 3
"""A mass is predicted from two on either side: of every third one, none helps to predict another."""


class ClosurePoint(NamedTuple):
    """One generated mass predicted from all others."""

    m_phi_gev: float
    efficiency_predicted: Measured
    """From the efficiencies at the others."""
    efficiency: Measured
    sigma_predicted_gev: Measured
    sigma_gev: Measured
    shape_distance: float
    """Largest difference of the predicted and the actual cumulative distribution of m."""
    effective_candidates: float
    """Of the mass itself."""
    effective_predicted: float
    """Candidates that the prediction is worth: those of both neighbours, as much as each contributes."""

    @property
    def efficiency_pull(self) -> float:
        """Predicted minus actual efficiency over the uncertainty of both."""
        return _pull(self.efficiency_predicted, self.efficiency)

    @property
    def sigma_pull(self) -> float:
        """The same for the mass resolution."""
        return _pull(self.sigma_predicted_gev, self.sigma_gev)

    @property
    def shape_p_value(self) -> float:
        """Probability of a larger distance by chance (Kolmogorov and Smirnov, two samples)."""
        n, other = self.effective_candidates, self.effective_predicted
        return float(kolmogorov(self.shape_distance * np.sqrt(n * other / (n + other))))


class ClosureTest(NamedTuple):
    """All inner masses of one quantity together: every third one at a time, the worst of the three sets."""

    chi2: float
    n_degrees_of_freedom: int
    p_value: float
    """Of the worst of n sets, 1 − (1 − p)ⁿ."""


def _pull(predicted: Measured, actual: Measured) -> float:
    error = np.hypot(predicted.error, actual.error)
    return float((predicted.value - actual.value) / error) if error > 0 else 0.0


def closure_test(mass_gev: NDArray[np.float64], value: NDArray[np.float64], error: NDArray[np.float64]) -> ClosureTest:
    """Test whether inner values are what their neighbours make of them.

    Every third mass is predicted from those between, then the next ones; a χ² of each set takes the correlation into
    account that predictions have through common neighbours. All at once would ask for one cubic through all masses
    instead of one between any two.

    Parameters
    ----------
    mass_gev
        Ascending, shape (n,).
    value, error
        A quantity that is interpolated by local cubics, and its uncertainty, shape (n,).

    Examples
    --------
    >>> closure_test(np.arange(5.0), np.array([1.0, 2.0, 3.0, 2.0, 1.0]), np.full(5, 0.5)).n_degrees_of_freedom
    1
    >>> round(closure_test(np.arange(5.0), np.arange(5.0) ** 2, np.ones(5)).p_value, 6)
    1.0
    """
    n_inner = max(len(mass_gev) - 2, 0)
    differences = np.zeros((n_inner, len(mass_gev)))
    for row in range(n_inner):
        others = np.delete(np.arange(len(mass_gev)), row + 1)
        nodes = local_cubic(mass_gev[others], float(mass_gev[row + 1]))
        differences[row, others[nodes.node]] = nodes.weight
        differences[row, row + 1] = -1.0
    sets = [_chi_square(differences[first::_SETS], value, error) for first in range(min(n_inner, _SETS))]
    worst = min(sets, key=lambda one: one.p_value, default=ClosureTest(0.0, 0, 1.0))
    return worst._replace(p_value=1.0 - (1.0 - worst.p_value) ** len(sets) if sets else 1.0)


def _chi_square(
    differences: NDArray[np.float64], value: NDArray[np.float64], error: NDArray[np.float64]
) -> ClosureTest:
    residual = differences @ value
    chi2 = float(residual @ np.linalg.solve((differences * error**2) @ differences.T, residual))
    return ClosureTest(chi2, len(residual), float(chdtrc(len(residual), chi2)))


def closure_tests(model: SignalModel) -> dict[str, ClosureTest]:
    """Return the tests of efficiency and resolution of a model."""
    velocity = model.velocity(model.shape_mass_gev)
    return {
        "efficiency": closure_test(model.mass_gev, model.efficiency, model.efficiency_error),
        "resolution": closure_test(model.shape_mass_gev, model.sigma_gev / velocity, model.sigma_error_gev / velocity),
    }


def closure(
    samples: Sequence[SignalSample], settings: SignalShapeSettings | None = None, *, threshold_gev: float = 0.0
) -> tuple[ClosurePoint, ...]:
    """Predict each inner generated mass from the others and compare with its own candidates.

    Parameters
    ----------
    samples
        One for each generated mass; the outermost two are not predicted, since nothing is extrapolated.
    settings, threshold_gev
        As for `build_signal_model`.

    Returns
    -------
    One point for each mass that shows a shape; none below four masses.
    """
    ordered = sorted(samples, key=lambda sample: sample.m_phi_gev)
    if len(ordered) < _MASSES_MIN:
        return ()
    complete = build_signal_model(ordered, settings, threshold_gev=threshold_gev)
    return tuple(
        _closure_point(
            complete,
            build_signal_model([*ordered[:i], *ordered[i + 1 :]], settings, threshold_gev=threshold_gev),
            ordered[i],
        )
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
    low, high, share = neighbours(predicted.shape_mass_gev, m_phi)
    own = complete.shape_mass_gev == m_phi
    n_low, n_high = predicted.effective_candidates[[low, high]]
    return ClosurePoint(
        m_phi,
        predicted.efficiency_at(m_phi),
        complete.efficiency_at(m_phi),
        predicted.measured_resolution_gev(m_phi),
        Measured(float(complete.sigma_gev[own][0]), float(complete.sigma_error_gev[own][0])),
        float(distance),
        float(complete.effective_candidates[own][0]),
        float(1.0 / ((1 - share) ** 2 / n_low + share**2 / n_high)),
    )
