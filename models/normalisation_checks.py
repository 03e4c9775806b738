"""Whether scale factors can be believed: without parts of the control regions, and on pseudo-data of known factors."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.stats import norm

from models.normalisation import (
    ControlRegion,
    NormalisationError,
    NormalisationSettings,
    ScaleFactors,
    ScaleFactorStatus,
    SpecialRegion,
    fit_scale_factors,
)
from models.search import Process
from models.settings import Settings


class ShiftedFactor(Settings):
    """A scale factor when one distribution is left out of the fit."""

    process: Process
    without: str
    """The control region that was left out."""
    value: float
    pull: float
    """Shift over its expected size: a fit to part of the data scatters about the fit to all by √(σ_part² − σ_all²)."""


class FactorPulls(Settings):
    """(fitted − true)/error of one scale factor over pseudo-experiments."""

    process: Process
    true_value: float
    n_toys: int = Field(ge=0)
    mean: float
    width: float
    expected_mean: float
    expected_width: float
    """Of unbiased fits: 0 and 1, but for a true value so close to zero that the bound cuts the distribution off."""
    mean_fit_error: float
    pulls: tuple[float, ...]


def stability(
    regions: Sequence[ControlRegion],
    special: Sequence[SpecialRegion],
    all_data: ScaleFactors,
    settings: NormalisationSettings,
) -> list[ShiftedFactor]:
    """Return the measured factors with each of the control regions left out in turn, largest pull first.

    Parameters
    ----------
    regions, special, settings
        As for `fit_scale_factors`.
    all_data
        The fit to all of them.
    """
    shifted = []
    for number, left_out in enumerate(regions):
        if not np.any(left_out.data):
            continue
        rest = [region for position, region in enumerate(regions) if position != number]
        try:
            partial = fit_scale_factors(rest, special, settings)
        except NormalisationError:
            continue
        for process, factor in all_data.factors.items():
            other = partial.factors.get(process)
            if other is None or ScaleFactorStatus.PRIOR in (factor.status, other.status):
                continue
            # Errors of a finite simulation need not grow when bins are left out.
            scatter = np.sqrt(abs(other.fit_error**2 - factor.fit_error**2)) + 1e-3 * factor.fit_error
            pull = float((other.value - factor.value) / max(scatter, 0.1 * factor.fit_error))
            shifted.append(ShiftedFactor(process=process, without=left_out.name, value=other.value, pull=pull))
    return sorted(shifted, key=lambda factor: -abs(factor.pull))


def toy_pulls(
    regions: Sequence[ControlRegion],
    true_factors: Mapping[Process, float],
    settings: NormalisationSettings,
    *,
    n_toys: int,
    seed: int,
) -> list[FactorPulls]:
    """Fit pseudo-data generated with known scale factors and return the pulls of those that data measure.

    In each pseudo-experiment data are Poisson counts around the expectation with the true factors, and the simulation
    that is fitted fluctuates by its own finite size: what it has in a bin is as many events as its variance says.

    Parameters
    ----------
    regions
        General control regions; their data are not used.
    true_factors
        Component → factor; one where a component is not named.
    settings
        Of the fit.
    n_toys, seed
        Pseudo-experiments and their random seed.
    """
    results: dict[Process, list[tuple[float, float, float]]] = {}
    for stream in np.random.SeedSequence(seed).spawn(n_toys):
        rng = np.random.default_rng(stream)
        fitted = fit_scale_factors([_pseudo_region(region, true_factors, rng) for region in regions], [], settings)
        for process, factor in fitted.factors.items():
            if factor.status is ScaleFactorStatus.MEASURED and factor.fit_error > 0:
                true = true_factors.get(process, 1.0)
                pull = (factor.value - true) / factor.fit_error
                results.setdefault(process, []).append((pull, factor.fit_error, true))
    return [_summary(process, np.array(rows)) for process, rows in results.items()]


def bounded_moments(distance: float) -> tuple[float, float]:
    """Return mean and standard deviation of the pull of a normal estimate that is not allowed below zero.

    Parameters
    ----------
    distance
        True value over the estimate's uncertainty.

    Examples
    --------
    >>> [round(x, 3) for x in bounded_moments(0.0)], [round(x, 3) for x in bounded_moments(10.0)]
    ([0.399, 0.584], [0.0, 1.0])
    """
    density, below = float(norm.pdf(distance)), float(norm.cdf(distance))
    mean = distance * below + density
    square = (distance**2 + 1.0) * below + distance * density
    return mean - distance, float(np.sqrt(square - mean**2))


def _summary(process: Process, rows: NDArray[np.float64]) -> FactorPulls:
    """Return the pulls of one component from pull, fit error and true value of each toy, shape (n_toys, 3)."""
    pulls, errors, true = rows.T
    expected_mean, expected_width = bounded_moments(float(true[0] / errors.mean()))
    return FactorPulls(
        process=process,
        true_value=float(true[0]),
        n_toys=len(rows),
        mean=float(pulls.mean()),
        width=float(pulls.std()),
        expected_mean=expected_mean,
        expected_width=expected_width,
        mean_fit_error=float(errors.mean()),
        pulls=tuple(pulls.tolist()),
    )


def _pseudo_region(
    region: ControlRegion, true_factors: Mapping[Process, float], rng: np.random.Generator
) -> ControlRegion:
    mean = sum(
        (true_factors.get(process, 1.0) * np.maximum(content, 0.0) for process, content in region.expected.items()),
        np.zeros(len(region.data)),
    )
    expected: dict[Process, NDArray[np.float64]] = {}
    variance: dict[Process, NDArray[np.float64]] = {}
    for process, content in region.expected.items():
        spread = region.variance[process]
        weight = np.divide(spread, content, out=np.zeros_like(content), where=content > 0)
        simulated = rng.poisson(np.divide(content, weight, out=np.zeros_like(content), where=weight > 0))
        expected[process] = weight * simulated
        variance[process] = weight**2 * simulated
    return ControlRegion(region.name, rng.poisson(mean).astype(np.float64), expected, variance)
