"""The best fit to the observed data as numbers: significance, uncertainties, nuisance parameters, goodness of fit."""

import numpy as np
from scipy.special import chdtrc, ndtr

from models.inference.compiled_model import Constraint, Floats
from models.inference.configuration import InferenceSettings
from models.inference.fits import ObservedFits, is_at_rate_boundary
from models.inference.likelihood import Likelihood
from models.inference.minimisation import expected_xsec_error
from models.inference.results import BestFit, GoodnessOfFit, NuisanceFit, Status
from models.inference.uncertainties import Covariance, covariance, impacts, profile_error

BOUND_TOLERANCE = 1e-6
"""Distance from a bound at which a nuisance parameter lies on it."""


def summarise(likelihood: Likelihood, fits: ObservedFits, settings: InferenceSettings) -> BestFit:
    """Return the best fit with its errors, significance, nuisance parameters and yields.

    The significance is the signed root of the discovery statistic, with the cross-section allowed below zero
    (Cowan et al., Eur. Phys. J. C 71 (2011) 1554, eqs. 12 and 52, continued to deficits).
    """
    if not fits.best.converged[0]:
        return BestFit(Status.FIT_FAILED)
    point = fits.best.points[0]
    xsec_hat, nll = float(point[likelihood.poi]), float(fits.best.nll[0])
    at_boundary = is_at_rate_boundary(likelihood, point)
    # The rates at a boundary are nearly zero, so their information is useless; that of the fit without signal is not.
    reference = fits.null.points[0] if at_boundary else point
    scale = float(expected_xsec_error(likelihood.model, likelihood.control, reference))
    errors = covariance(likelihood, reference, scale)
    up, down = (
        profile_error(
            likelihood, point, nll, scale, direction, settings.root_tolerance, settings.maximum_root_iterations
        )
        for direction in (1, -1)
    )
    error = up if at_boundary or errors is None else errors.error_of(likelihood.poi)
    significance = q0 = p_local = None
    if fits.null.converged[0]:
        ratio = max(0.0, 2.0 * (float(fits.null.nll[0]) - nll))
        significance = float(np.copysign(np.sqrt(ratio), xsec_hat))
        q0 = ratio if xsec_hat > 0 else 0.0
        p_local = float(ndtr(-significance))
    status = _status(likelihood, fits, at_boundary=at_boundary, has_error=error is not None)
    if status is Status.FIT_FAILED:
        return BestFit(status)
    return BestFit(
        status=status,
        xsec_hat_fb=xsec_hat,
        xsec_err_fb=error,
        xsec_err_down_fb=down,
        xsec_err_up_fb=up,
        nll=-likelihood.log_density(point),
        significance=significance,
        q0=q0,
        p_local=p_local,
        goodness=_goodness(likelihood, nll),
        nuisances=_nuisances(likelihood, fits, errors, with_impacts=settings.impacts),
        yields={name: tuple(map(float, yields)) for name, yields in likelihood.yields(point).items()},
    )


def _status(likelihood: Likelihood, fits: ObservedFits, *, at_boundary: bool, has_error: bool) -> Status:
    point = fits.best.points[0]
    gap = np.minimum(point - likelihood.control.lower, likelihood.control.upper - point)
    if not np.isfinite(fits.null.nll[0]):
        return Status.BACKGROUND_EXCLUDED
    if not fits.null.converged[0] or not has_error:
        return Status.FIT_FAILED
    if at_boundary:
        return Status.RATE_BOUNDARY
    if np.any(likelihood.free & (gap < BOUND_TOLERANCE)):
        return Status.NUISANCE_BOUND
    return Status.OK


def _goodness(likelihood: Likelihood, nll: float) -> GoodnessOfFit:
    n_unconstrained = int(np.sum(likelihood.free & ~likelihood.constrained)) + 1
    n_dof = likelihood.model.n_bins - n_unconstrained
    return GoodnessOfFit(2.0 * nll, n_dof, float(chdtrc(n_dof, 2.0 * nll)) if n_dof > 0 else None)


def prior_widths(likelihood: Likelihood) -> tuple[Floats, Floats]:
    """Return centre and standard deviation of each parameter's constraint, (0, 0) without; (n_parameters,) each."""
    model, auxiliary = likelihood.model, likelihood.observed.auxiliary[0]
    is_poisson = model.constraint == Constraint.POISSON
    centre = np.where(likelihood.constrained, auxiliary / model.factor, 0.0)
    width = np.where(is_poisson, np.sqrt(np.maximum(auxiliary, 0.0)) / model.factor, model.width)
    return centre, np.where(likelihood.constrained, width, 0.0)


def _nuisances(
    likelihood: Likelihood, fits: ObservedFits, errors: Covariance | None, *, with_impacts: bool
) -> dict[str, NuisanceFit]:
    point, null = fits.best.points[0], fits.null.points[0]
    centre, prior = prior_widths(likelihood)
    moves = impacts(likelihood, point, null, errors) if errors is not None and with_impacts else {}
    found = {}
    for i in np.flatnonzero(np.arange(point.size) != likelihood.poi):
        error = errors.error_of(int(i)) if errors is not None else None
        pulled = likelihood.free[i] and prior[i] > 0
        down, up = moves.get(int(i), (None, None))
        found[likelihood.names.parameters[i]] = NuisanceFit(
            value=float(point[i]),
            error=error,
            pull=float((point[i] - centre[i]) / prior[i]) if pulled else None,
            constraint=float(error / prior[i]) if pulled and error is not None else None,
            impact_down_fb=down,
            impact_up_fb=up,
        )
    return found
