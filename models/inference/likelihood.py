"""The likelihood of a pyhf workspace, for batches of parameter points and of datasets.

−ln L is given relative to the saturated model (every rate equal to its count, every constraint at its
maximum): the same up to a constant, and small numbers keep their precision.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import pyhf
from scipy.special import xlogy

from models.inference.configuration import MinimiserSettings
from models.inference.rates import DifferencePlan, Flags, Floats, RateModel, plan_differences, signal_mask
from models.inference.results import InferenceError


class Dataset(NamedTuple):
    """Observations of a batch of fits."""

    counts: Floats
    """Events per bin, shape (n_fits, n_bins)."""
    auxiliary: Floats
    """Auxiliary observation of each parameter, 0 without a constraint, shape (n_fits, n_parameters)."""

    def select(self, which: Any) -> Self:
        """Return the datasets of some of the fits, by index or mask."""
        return type(self)(self.counts[which], self.auxiliary[which])

    def repeat(self, n_fits: int) -> Self:
        """Return a single dataset once for each of a number of fits."""
        return self.select(np.zeros(n_fits, dtype=np.intp))


@dataclass(frozen=True)
class Constraints:
    """Constraint terms aligned with the parameters they constrain; shapes (n_parameters,)."""

    is_normal: Flags
    is_poisson: Flags
    width: Floats
    """Standard deviation of a normal term, 1/√factor of a Poisson one, 1 without a constraint."""
    factor: Floats
    """Auxiliary events per unit of the parameter in a Poisson term, 1 elsewhere."""
    auxiliary: Floats
    """Auxiliary observations, 0 without a constraint."""

    @property
    def constrained(self) -> Flags:
        """Parameters that have a constraint term."""
        return self.is_normal | self.is_poisson

    def nll(self, points: Floats, auxiliary: Floats) -> Floats:
        """Return −ln of the terms, zero where each is at its maximum, shape (n_points,)."""
        normal = 0.5 * ((points - auxiliary) / self.width) ** 2
        counts = np.where(self.is_poisson, auxiliary, 0.0)
        poisson = np.where(self.is_poisson, poisson_deviance(counts, self.factor * points), 0.0)
        total: Floats = np.where(self.is_normal, normal, poisson).sum(axis=1)
        return total

    def gradient(self, points: Floats, auxiliary: Floats) -> Floats:
        """Return the derivative of `nll` by each parameter, shape (n_points, n_parameters)."""
        normal = (points - auxiliary) / self.width**2
        poisson = np.where(self.is_poisson, self.factor - auxiliary / np.where(self.is_poisson, points, 1.0), 0.0)
        slope: Floats = np.where(self.is_normal, normal, poisson)
        return slope

    def curvature(self, points: Floats, auxiliary: Floats) -> Floats:
        """Return the second derivative of `nll` by each parameter, shape (n_points, n_parameters)."""
        poisson = np.where(self.is_poisson, auxiliary / np.where(self.is_poisson, points, 1.0) ** 2, 0.0)
        bend: Floats = np.where(self.is_normal, 1.0 / self.width**2, poisson)
        return bend

    def expected(self, points: Floats) -> Floats:
        """Return the auxiliary observations expected at parameter points."""
        values: Floats = np.where(self.constrained, self.factor * points, 0.0)
        return values


@dataclass(frozen=True)
class Likelihood:
    """Rates, constraints and observations of one workspace."""

    rates: RateModel
    differences: DifferencePlan
    constraints: Constraints
    initial: Floats
    """Initial parameter values, shape (n_parameters,)."""
    lower: Floats
    """Lower bounds of the nuisance parameters."""
    upper: Floats
    """Upper bounds of the nuisance parameters."""
    poi_lower_bound: float
    """Zero if a bin has signal and no background. Otherwise −∞: the rates, which stay positive, hold the
    cross-section. The bounds that the workspace gives it are not used; it has no upper one."""
    barrier: Floats
    """Counts that fits give to an empty bin to keep its rate positive, shape (n_bins,)."""
    free: Flags
    """Nuisance parameters that are fitted."""
    observed: Dataset
    """What was observed, or the Asimov data that stand in for it while blinded; one dataset."""
    settings: MinimiserSettings

    @property
    def poi(self) -> int:
        """Index of the cross-section among the parameters."""
        return self.rates.poi

    @property
    def names(self) -> list[str]:
        """Parameter names in order."""
        return list(self.rates.model.config.par_names)

    def nll(self, points: Floats, data: Dataset) -> Floats:
        """Return −ln L of each point on its dataset, shape (n_points,); infinite where a rate is impossible."""
        expected = self.rates(points).total(points[:, self.poi])
        total: Floats = poisson_nll(data.counts, expected) + self.constraints.nll(points, data.auxiliary)
        return total

    def asimov(self, points: Floats) -> Dataset:
        """Return the data expected at parameter points, main and auxiliary, without fluctuation."""
        return Dataset(self.rates(points).total(points[:, self.poi]), self.constraints.expected(points))


def poisson_deviance(counts: Floats, rates: Floats) -> Floats:
    """Return −ln Poisson(counts | rates) less its value at rates equal to counts, element by element.

    Infinite where a rate is negative, or zero where events were counted.

    >>> poisson_deviance(np.array([3.0, 0.0, 1.0]), np.array([3.0, 0.5, 0.0])).tolist()
    [0.0, 0.5, inf]
    """
    possible = (rates > 0) | ((rates == 0) & (counts == 0))
    with np.errstate(over="ignore"):
        ratio = np.where(possible & (counts > 0), rates, 1.0) / np.where(counts > 0, counts, 1.0)
    deviance: Floats = np.where(possible, rates - counts - xlogy(counts, ratio), np.inf)
    return deviance


def poisson_nll(counts: Floats, rates: Floats) -> Floats:
    """Return the sum of `poisson_deviance` over the bins, the last axis."""
    total: Floats = poisson_deviance(counts, rates).sum(axis=-1)
    return total


def compile_likelihood(workspace: Mapping[str, Any], settings: MinimiserSettings) -> Likelihood:
    """Build the likelihood of a pyhf workspace.

    Parameters
    ----------
    workspace
        pyhf JSON specification whose first measurement's POI is a normalisation factor of the signal.
    settings
        Fit settings.

    Raises
    ------
    InferenceError
        If pyhf rejects the workspace, its observations are not finite and non-negative, or its POI is missing,
        is not a normalisation factor or scales a negative or empty template.
    """
    pyhf.set_backend("numpy")
    try:
        parsed = pyhf.Workspace(workspace)
        model = parsed.model(validate=False, batch_size=settings.batch_size)
        counts = np.asarray(parsed.data(model, include_auxdata=False), dtype=np.float64)
    except (
        pyhf.exceptions.InvalidSpecification,
        pyhf.exceptions.InvalidModel,
        pyhf.exceptions.InvalidModifier,
        pyhf.exceptions.InvalidMeasurement,
        pyhf.exceptions.InvalidNameReuse,
    ) as error:
        raise InferenceError(f"Not a valid pyhf workspace: {str(error).splitlines()[0]}") from error
    config = model.config
    if config.poi_index is None:
        raise InferenceError("The workspace's measurement names no parameter of interest.")
    if not np.all(np.isfinite(counts) & (counts >= 0)):
        raise InferenceError("The workspace's observations are not all finite and non-negative.")
    rates = RateModel(model, settings.batch_size, config.poi_index, signal_mask(model))
    constraints = _constraints(config)
    initial = np.array(config.suggested_init(), dtype=np.float64)
    bounds = np.array(config.suggested_bounds(), dtype=np.float64)
    free = ~np.array(config.suggested_fixed(), dtype=bool)
    free[config.poi_index] = False
    nominal = rates(initial[None, :])
    if np.any(nominal.signal < 0) or not np.any(nominal.signal > 0):
        raise InferenceError(f"The signal scaled by {config.poi_name} is negative somewhere or empty everywhere.")
    if np.any(nominal.background < 0):
        raise InferenceError("The expected background is negative in a bin.")
    return Likelihood(
        rates=rates,
        differences=plan_differences(rates, initial, settings.difference_step * constraints.width, free),
        constraints=constraints,
        initial=initial,
        lower=bounds[:, 0],
        upper=bounds[:, 1],
        poi_lower_bound=0.0 if np.any((nominal.background == 0) & (nominal.signal > 0)) else -np.inf,
        barrier=settings.barrier_fraction * nominal.background[0],
        free=free,
        observed=Dataset(counts[None, :], constraints.auxiliary[None, :]),
        settings=settings,
    )


def _constraints(config: Any) -> Constraints:
    is_normal = np.zeros(config.npars, dtype=bool)
    is_poisson = np.zeros(config.npars, dtype=bool)
    width, factor = np.ones(config.npars), np.ones(config.npars)
    auxiliary = np.zeros(config.npars)
    start = 0
    for name in config.auxdata_order:
        parameters, where = config.param_set(name), config.par_slice(name)
        stop = start + parameters.n_parameters
        auxiliary[where] = config.auxdata[start:stop]
        width[where] = parameters.width()
        if parameters.pdf_type == "normal":
            is_normal[where] = True
        else:
            is_poisson[where] = True
            factor[where] = parameters.factors
        start = stop
    return Constraints(is_normal, is_poisson, width, factor, auxiliary)
