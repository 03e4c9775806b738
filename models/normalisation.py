"""Scale factors of the simulated backgrounds from a simultaneous fit to data in the general control regions.

The likelihood is binned: Poisson terms for data, and the simulation's statistical uncertainty as one Gaussian
multiplicative parameter per bin, profiled in closed form (R. Barlow and C. Beeston, Comput. Phys. Commun. 77 (1993)
219, in the simplified form of J. S. Conway, arXiv:1103.0354). A wide Gaussian prior around one keeps components
that the data do not see at what the simulation says, with an uncertainty that says so.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.binned_deviance import binned_deviance
from models.copies import BinPairs
from models.errors import LeptophileError
from models.search import Process
from models.settings import Settings


class NormalisationSettings(Settings):
    """The control-region fit."""

    prior_relative_uncertainty: float = Field(default=1.0, gt=0)
    """Width of the Gaussian prior of each scale factor around one: simulation is trusted to a factor of two."""
    calculated_prior_uncertainty: dict[Process, Annotated[float, Field(gt=0)]] = Field(default={Process.TAUTAULL: 0.1})
    """Narrower priors of components that are calculated rather than modelled. τ⁺τ⁻ℓ⁺ℓ⁻ looks like signal, so that
    control regions hardly see it; its rate is tree-level QED with initial-state radiation and vacuum polarisation,
    which are 10 % together (choice)."""
    measured_below_prior_fraction: float = Field(default=0.7, gt=0, lt=1)
    """A scale factor counts as measured if its uncertainty is below this fraction of the prior's."""
    add_fit_error: bool = True
    """Whether the fit's uncertainty is added in quadrature to the published one, |general − special region|.

    The two regions share most of their events: their factors can agree to a per mille where either is known to 10 %."""
    minimum_expected_events: float = Field(default=5.0, ge=0)
    """Neighbouring mass bins are merged until each expects this many events and has the effective simulated events."""
    minimum_effective_events: float = Field(default=5.0, ge=0)
    """Effective number of simulated events, (Σw)²/Σw², that a merged bin has."""

    def prior_width(self, process: Process) -> float:
        """Return the width of a component's prior."""
        return self.calculated_prior_uncertainty.get(process, self.prior_relative_uncertainty)


class NormalisationError(LeptophileError):
    """The scale factors cannot be determined."""


class ControlRegion(NamedTuple):
    """One binned distribution of the simultaneous fit."""

    name: str
    """For messages, e.g. `ee gcr`."""
    data: NDArray[np.float64]
    """Observed counts, shape (n_bins,)."""
    expected: Mapping[Process, NDArray[np.float64]]
    """Component → events expected at scale factor one, shape (n_bins,)."""
    variance: Mapping[Process, NDArray[np.float64]]
    """Component → variance from the size of its simulation, shape (n_bins,)."""
    pairs: Mapping[Process, BinPairs] = MappingProxyType({})
    """Component → covariances of bins, where it has any. They count where bins are merged; between the bins of the fit
    they are left out."""


class SpecialRegion(NamedTuple):
    """Event counts of one special control region, summed over its bins."""

    name: str
    process: Process
    """The component the region is enriched in."""
    data: float
    expected: Mapping[Process, float]


class ScaleFactorStatus(StrEnum):
    """How a scale factor came about."""

    MEASURED = "measured"
    PRIOR = "prior"
    """The control regions hardly constrain it; value and uncertainty are mostly the prior's."""


class ScaleFactor(Settings):
    """Scale factor of one background component."""

    value: float = Field(ge=0)
    fit_error: float = Field(ge=0)
    """Uncertainty from the fit to the general control regions."""
    special_region_value: float | None
    """Scale factor that its special control region wants, None where there is none (or nothing expected in it)."""
    error: float = Field(ge=0)
    """|Difference of the two regions|, by default in quadrature with the fit's uncertainty; that alone where there is
    no special region."""
    status: ScaleFactorStatus

    @property
    def relative_error(self) -> float:
        """Total uncertainty over value; for a factor at its bound of zero, over one."""
        return self.error / self.value if self.value > 0 else self.error


class ScaleFactors(Settings):
    """Result of the control-region fit."""

    factors: dict[Process, ScaleFactor]
    covariance: tuple[tuple[float, ...], ...]
    """Fit covariance in the order of `factors`."""
    minus_two_log_likelihood_ratio: float
    """Goodness of fit against the saturated model."""
    n_degrees_of_freedom: int
    p_value: float
    """χ² probability of the two."""

    @property
    def correlation(self) -> tuple[tuple[float, ...], ...]:
        """Correlation matrix of the fit in the order of `factors`."""
        covariance = np.asarray(self.covariance, dtype=np.float64).reshape(len(self.factors), -1)
        errors = np.sqrt(np.diag(covariance))
        scale = np.outer(errors, errors)
        matrix = np.divide(covariance, scale, out=np.eye(len(errors)), where=scale > 0)
        return tuple(tuple(row) for row in matrix.tolist())

    def correlated_modes(self) -> dict[str, dict[Process, float]]:
        """Return independent sources of one standard deviation each → component → relative shift of its factor.

        The fit's covariance is split into its principal axes, and what the comparison with special regions adds stays a
        source of each component: together they give the covariance whose diagonal is the squared total errors.
        """
        processes = list(self.factors)
        values = np.array([factor.value if factor.value > 0 else 1.0 for factor in self.factors.values()])
        relative = np.asarray(self.covariance, dtype=np.float64).reshape(len(processes), -1) / np.outer(values, values)
        variance, axes = np.linalg.eigh(relative)
        shifts = axes * np.sqrt(np.maximum(variance, 0.0))
        modes = {
            f"scale_factor_mode_{number}": dict(zip(processes, shifts[:, -1 - number].tolist(), strict=True))
            for number in range(len(processes))
        }
        for process, fitted in zip(processes, np.diag(relative), strict=True):
            rest = self.factors[process].relative_error ** 2 - fitted
            if rest > 0:
                modes[f"scale_factor_{process}"] = {process: float(np.sqrt(rest))}
        return modes

    def sources(self, *, correlated: bool) -> dict[str, dict[Process, float]]:
        """Return independent source → component → relative shift of its factor: correlated, or one a component."""
        if correlated:
            return self.correlated_modes()
        return {f"scale_factor_{process}": {process: f.relative_error} for process, f in self.factors.items()}

    def for_templates(self) -> dict[Process, tuple[float, float]]:
        """Return component → (scale factor, relative uncertainty)."""
        return {process: (factor.value, factor.relative_error) for process, factor in self.factors.items()}


def fit_scale_factors(
    regions: Sequence[ControlRegion], special: Sequence[SpecialRegion], settings: NormalisationSettings | None = None
) -> ScaleFactors:
    """Fit one scale factor per component to all control regions at once.

    Parameters
    ----------
    regions
        General control regions; a component in several of them has one common factor.
    special
        Special control regions that the result is compared with.
    settings
        Prior and merging of bins.

    Raises
    ------
    NormalisationError
        If there are no data, or the fit does not converge.
    """
    from scipy.special import chdtrc

    settings = settings or NormalisationSettings()
    if sum(float(np.sum(region.data)) for region in regions) <= 0:
        names = ", ".join(region.name for region in regions) or "none given"
        raise NormalisationError(f"no data in the control regions ({names}) to fit scale factors to")
    merged = [merge_sparse_bins(region, settings) for region in regions]
    processes = [p for p in Process if any(p in region.expected for region in merged)]
    data = np.concatenate([region.data for region in merged])
    expected, variance = (
        np.stack(
            [
                np.concatenate([getattr(region, name).get(p, np.zeros_like(region.data)) for region in merged])
                for p in processes
            ]
        )
        for name in ("expected", "variance")
    )
    values, covariance, minimum = _minimise(
        data, expected, variance, np.array([settings.prior_width(p) for p in processes])
    )
    n_free = len(processes)
    n_dof = len(data) - n_free
    fit_errors = np.sqrt(np.diag(covariance))
    central = dict(zip(processes, values.tolist(), strict=True))
    wanted = {process: special_region_factor(special, process, central) for process in processes}
    return ScaleFactors(
        factors={
            process: _scale_factor(value, error, wanted[process], settings, settings.prior_width(process))
            for process, value, error in zip(processes, values.tolist(), fit_errors.tolist(), strict=True)
        },
        covariance=tuple(tuple(row) for row in covariance.tolist()),
        minus_two_log_likelihood_ratio=minimum,
        n_degrees_of_freedom=n_dof,
        p_value=float(chdtrc(n_dof, minimum)) if n_dof > 0 else 1.0,
    )


def special_region_factor(
    special: Sequence[SpecialRegion], process: Process, others: Mapping[Process, float]
) -> float | None:
    """Return the factor by which a component accounts for the data of its special control regions.

    Parameters
    ----------
    special
        All special control regions; those of the component are added up.
    process
        The component.
    others
        Scale factors of the remaining components.

    Returns
    -------
    The factor, not below zero; None if the component is not expected in any region of its own.
    """
    own = [region for region in special if region.process is process]
    expected = sum(region.expected.get(process, 0.0) for region in own)
    if expected <= 0:
        return None
    rest = sum(others.get(p, 1.0) * count for region in own for p, count in region.expected.items() if p is not process)
    return max(0.0, (sum(region.data for region in own) - rest) / expected)


def merge_sparse_bins(region: ControlRegion, settings: NormalisationSettings) -> ControlRegion:
    """Return a region whose neighbouring bins are merged until each expects enough events.

    The decision uses the simulation only. What is left over at the end joins the last complete bin.

    Parameters
    ----------
    region
        Finely binned.
    settings
        What is enough.
    """
    total = np.sum(list(region.expected.values()), axis=0)
    variance = np.sum(list(region.variance.values()), axis=0)
    pairs = sum(region.pairs.values(), BinPairs.none())
    ends = np.argsort(pairs.upper, kind="stable")
    first_ending = np.searchsorted(pairs.upper[ends], np.arange(len(total) + 1))
    starts = [0]
    sum_expected = sum_variance = 0.0
    for position in range(len(total)):
        sum_expected += total[position]
        ending = ends[first_ending[position] : first_ending[position + 1]]
        covariance = np.sum(pairs.covariance[ending][pairs.lower[ending] >= starts[-1]])
        sum_variance += variance[position] + 2.0 * covariance
        effective = sum_expected**2 / sum_variance if sum_variance > 0 else 0.0
        if sum_expected >= settings.minimum_expected_events and effective >= settings.minimum_effective_events:
            starts.append(position + 1)
            sum_expected = sum_variance = 0.0
    # the last start opens a bin that never filled up: it is joined to the one before
    cuts = np.array(starts[:-1] or [0])
    group = np.searchsorted(cuts, np.arange(len(total)), side="right") - 1
    merged = {process: found.merged(group, len(cuts)) for process, found in region.pairs.items()}
    return ControlRegion(
        region.name,
        np.add.reduceat(region.data, cuts),
        {process: np.add.reduceat(content, cuts) for process, content in region.expected.items()},
        {
            process: np.add.reduceat(content, cuts) + (merged[process][0] if process in merged else 0.0)
            for process, content in region.variance.items()
        },
        {process: between for process, (_, between) in merged.items()},
    )


def _minimise(
    data: NDArray[np.float64],
    expected: NDArray[np.float64],
    variance: NDArray[np.float64],
    prior_widths: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return values, covariance and the deviance of data at the minimum (the priors' part left out)."""
    from iminuit import Minuit

    floor = np.finfo(np.float64).tiny ** 0.25

    def deviance(factors: NDArray[np.float64]) -> float:
        rate = np.maximum(factors @ expected, floor)
        return float(np.sum(binned_deviance(data, rate, factors**2 @ variance)))

    def objective(factors: NDArray[np.float64]) -> float:
        pulls = (factors - 1.0) / prior_widths
        return deviance(factors) + float(np.sum(pulls**2))

    minuit = Minuit(objective, np.ones(len(expected)))
    minuit.errordef = Minuit.LEAST_SQUARES
    minuit.limits = [(0.0, None)] * len(expected)
    minuit.strategy = 2
    minuit.migrad()
    if not minuit.valid:
        minuit.simplex().migrad()
    if not minuit.valid:
        raise NormalisationError("the control-region fit of the scale factors did not converge")
    values = np.array(minuit.values)
    # Within bounds Minuit's own coordinates give a factor at zero no width: the curvature is taken without bounds.
    unbounded = Minuit(objective, values)
    unbounded.errordef = Minuit.LEAST_SQUARES
    unbounded.strategy = 2
    unbounded.hesse()
    if unbounded.covariance is None or not unbounded.accurate:
        raise NormalisationError("the control-region fit of the scale factors has no covariance")
    return values, np.array(unbounded.covariance), deviance(values)


def _scale_factor(
    value: float,
    fit_error: float,
    special_region_value: float | None,
    settings: NormalisationSettings,
    prior_width: float,
) -> ScaleFactor:
    if special_region_value is None:
        error = fit_error
    else:
        error = float(np.hypot(fit_error if settings.add_fit_error else 0.0, value - special_region_value))
    measured = fit_error < settings.measured_below_prior_fraction * prior_width
    return ScaleFactor(
        value=value,
        fit_error=fit_error,
        special_region_value=special_region_value,
        error=error,
        status=ScaleFactorStatus.MEASURED if measured else ScaleFactorStatus.PRIOR,
    )
