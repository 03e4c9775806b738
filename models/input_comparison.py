"""Whether simulation describes the shape of a distribution: a binned likelihood-ratio test with its own statistics."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import chdtrc

from models.binned_deviance import binned_deviance
from models.copies import SummedCopies
from models.settings import Settings

FloatArray = NDArray[np.float64]


class InputComparison(Settings):
    """One quantity in data and simulation."""

    name: str
    edges: tuple[float, ...]
    data: tuple[float, ...]
    expected: tuple[float, ...]
    """Simulation, scaled to the number of data."""
    variance: tuple[float, ...]
    """Of `expected`, from the size of the simulation."""
    deviance: float
    n_degrees_of_freedom: int
    p_value: Annotated[float, Field(ge=0, le=1)]


def compare_inputs(
    data: Mapping[str, NDArray[np.floating]],
    simulation: Mapping[str, NDArray[np.floating]],
    weight: FloatArray,
    *,
    generated: NDArray[np.int64] | None = None,
    n_bins: int = 12,
    minimum_expected: float = 5.0,
    minimum_effective: float = 5.0,
) -> list[InputComparison]:
    """Compare every quantity and return the worst described first.

    Parameters
    ----------
    data, simulation
        Name → values, shapes (n_data,) and (n_simulated,).
    weight
        Of the simulation, any normalisation, shape (n_simulated,).
    generated
        Number that copies of one generated event share, shape (n_simulated,); None if there are no copies.
    n_bins
        Bins with equal parts of the simulation, fewer where there are few values or events.
    minimum_expected, minimum_effective
        Least expected data and effective simulated events in a bin.
    """
    found = [
        _compare(name, np.asarray(values, float), np.asarray(simulation[name], float), weight, generated, n_bins,
                 minimum_expected, minimum_effective)
        for name, values in data.items()
    ]  # fmt: skip
    return sorted(found, key=lambda comparison: (comparison.p_value, -comparison.deviance))


def _compare(
    name: str,
    data: FloatArray,
    simulation: FloatArray,
    weight: FloatArray,
    generated: NDArray[np.int64] | None,
    n_bins: int,
    minimum_expected: float,
    minimum_effective: float,
) -> InputComparison:
    scale = len(data) / weight.sum() if weight.sum() > 0 else 0.0
    edges = _edges(simulation, weight, n_bins)
    observed = np.histogram(data, edges)[0].astype(float)
    expected = scale * np.histogram(simulation, edges, weights=weight)[0]
    squares = weight**2
    if generated is not None:
        copies = SummedCopies.of(np.searchsorted(edges, simulation, side="right"), generated)
        simulation, squares = simulation[copies.first], copies.sum(weight) ** 2
    variance = scale**2 * np.histogram(simulation, edges, weights=squares)[0]
    starts, sums = [0], np.zeros(2)
    for position in range(len(expected)):
        sums += expected[position], variance[position]
        if sums[0] >= minimum_expected and sums[0] ** 2 >= minimum_effective * max(sums[1], 1e-300):
            starts.append(position + 1)
            sums[:] = 0.0
    cuts = np.array(starts[:-1] or [0])
    observed, expected, variance = (np.add.reduceat(column, cuts) for column in (observed, expected, variance))
    n_degrees = max(len(cuts) - 1, 0)
    deviance = float(np.sum(binned_deviance(observed, np.maximum(expected, 1e-9), variance)))
    shown = edges[[*cuts, -1]]
    return InputComparison(
        name=name,
        edges=tuple(np.clip(shown, min(data.min(), simulation.min()), max(data.max(), simulation.max())).tolist()),
        data=tuple(observed.tolist()),
        expected=tuple(expected.tolist()),
        variance=tuple(variance.tolist()),
        deviance=deviance,
        n_degrees_of_freedom=n_degrees,
        p_value=float(chdtrc(n_degrees, deviance)) if n_degrees else 1.0,
    )


def _edges(values: FloatArray, weight: FloatArray, n_bins: int) -> FloatArray:
    """Return edges between equal parts of the simulation; a value that many events share is not split."""
    order = np.argsort(values)
    cumulative = np.cumsum(weight[order])
    inner = values[order][np.searchsorted(cumulative, cumulative[-1] * np.arange(1, n_bins) / n_bins)]
    return np.concatenate([[-np.inf], np.unique(inner), [np.inf]])
