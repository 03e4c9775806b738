"""pyhf's own inference, slow, for models that have no compiled form and as a comparison.

Only what pyhf can do: best fit, discovery statistic and CLs limits. The POI may be negative down to where a rate would
turn negative at the nominal nuisance parameters, and is at or above zero for CLs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from scipy.special import ndtr

from models.inference.compiled_model import Floats
from models.inference.configuration import InferenceSettings
from models.inference.pyhf_library import pyhf
from models.inference.results import BayesianLimit, BestFit, ClsLimits, InferenceError, MassPointResult, Status
from models.inference.specification import Specification, read_specification

TOLERANCE: Final = 1e-9
MAXIMUM_ITERATIONS: Final = 100_000
LOWEST_FRACTION: Final = 0.999
"""Part of the way to the first vanishing rate that the POI may go."""
LARGEST_DOUBLINGS: Final = 20


def infer_with_pyhf(
    workspace: Mapping[str, Any], settings: InferenceSettings, measurement: str | None = None
) -> MassPointResult:
    """Return fit, significance and CLs limits of a workspace as pyhf finds them.

    Parameters
    ----------
    workspace
        pyhf JSON specification.
    settings
        Confidence level and accuracy of the limits.
    measurement
        Name of the measurement; the first one if not given.

    Raises
    ------
    InferenceError
        If pyhf cannot use the workspace.
    """
    specification = read_specification(workspace, measurement)
    model = specification.model
    if model.config.poi_index is None:
        raise InferenceError("The workspace's measurement names no parameter of interest.")
    data = np.concatenate([specification.counts, model.config.auxdata])
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=TOLERANCE, maxiter=MAXIMUM_ITERATIONS))
    none = BayesianLimit(Status.NOT_COMPUTED)
    try:
        fit = _fit(specification, data)
    except pyhf.exceptions.FailedMinimization:
        failed = ClsLimits(Status.FIT_FAILED, Status.FIT_FAILED)
        return MassPointResult(BestFit(Status.FIT_FAILED), failed, none, none)
    return MassPointResult(fit, _cls(model, data, fit, settings), none, none)


def _fit(specification: Specification, data: Floats) -> BestFit:
    model = specification.model
    poi = model.config.poi_index
    bounds = model.config.suggested_bounds()
    bounds[poi] = (_lowest(model), max(float(bounds[poi][1]), 1.0))
    best, nll2 = pyhf.infer.mle.fit(data, model, par_bounds=bounds, return_fitted_val=True)
    while best[poi] > 0.99 * bounds[poi][1]:
        bounds[poi] = (bounds[poi][0], 10.0 * bounds[poi][1])
        best, nll2 = pyhf.infer.mle.fit(data, model, par_bounds=bounds, return_fitted_val=True)
    _, null2 = pyhf.infer.mle.fixed_poi_fit(0.0, data, model, par_bounds=bounds, return_fitted_val=True)
    ratio = max(0.0, float(null2) - float(nll2))
    significance = float(np.copysign(np.sqrt(ratio), best[poi]))
    return BestFit(
        Status.OK,
        xsec_hat_fb=float(best[poi]),
        nll=0.5 * float(nll2),
        significance=significance,
        q0=ratio if best[poi] > 0 else 0.0,
        p_local=float(ndtr(-significance)),
    )


def _lowest(model: Any) -> float:
    """Return the POI at which the first rate almost vanishes, at the initial nuisance parameters."""
    point = np.array(model.config.suggested_init())
    rates = []
    for value in (0.0, 1.0):
        point[model.config.poi_index] = value
        rates.append(np.asarray(model.expected_data(point, include_auxdata=False)))
    signal = rates[1] - rates[0]
    filled = signal > 0
    return -LOWEST_FRACTION * float(np.min(rates[0][filled] / signal[filled])) if filled.any() else 0.0


def _cls(model: Any, data: Floats, fit: BestFit, settings: InferenceSettings) -> ClsLimits:
    poi = model.config.poi_index
    bounds = model.config.suggested_bounds()
    # The range grows until both the observed and the weakest expected limit are inside.
    high = max(1.0, 2.0 * (fit.xsec_hat_fb or 0.0))
    alpha = 1.0 - settings.confidence_level
    for _ in range(LARGEST_DOUBLINGS):
        bounds[poi] = (0.0, 10.0 * high)
        try:
            observed, expected = pyhf.infer.hypotest(high, data, model, par_bounds=bounds, return_expected_set=True)
        except pyhf.exceptions.FailedMinimization:
            return ClsLimits(Status.FIT_FAILED, Status.FIT_FAILED)
        if max(float(observed), float(expected[-1])) < alpha:
            break
        high *= 2.0
    else:
        return ClsLimits(Status.NO_CROSSING, Status.NO_CROSSING)
    observed, expected = pyhf.infer.intervals.upper_limits.toms748_scan(
        data, model, 0.0, high, level=alpha, rtol=settings.root_tolerance, par_bounds=bounds
    )
    m2, m1, median, p1, p2 = (float(value) for value in expected)
    return ClsLimits(Status.OK, Status.OK, float(observed), (m2, m1, median, p1, p2))
