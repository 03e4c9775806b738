"""The log-density of a compiled model, normalised as pyhf normalises it.

Poisson terms are continued to real counts with the gamma function, as in pyhf, so that Asimov data have a density too.
"""

import math

import numpy as np

from models.compiled import compiled
from models.inference.compiled_model import CompiledModel, Floats
from models.inference.rate_kernels import rates


@compiled
def poisson_log_density(count: float, rate: float) -> float:
    """Return ln Poisson(count | rate), −∞ where that is impossible.

    >>> round(poisson_log_density(2.0, 3.0), 6)
    -1.495923
    """
    if rate < 0.0 or (rate == 0.0 and count > 0.0):
        return -np.inf
    log_term = count * math.log(rate) if count > 0.0 else 0.0
    return log_term - rate - math.lgamma(count + 1.0)


@compiled
def constraint_log_density(model: CompiledModel, point: Floats, auxiliary: Floats) -> float:
    """Return ln of the product of all constraint terms.

    Parameters
    ----------
    model
        The model.
    point
        Parameters, shape (n_parameters,).
    auxiliary
        Auxiliary observation of each parameter, shape (n_parameters,).
    """
    total = 0.0
    for i in range(model.initial.size):
        if model.constraint[i] == 1:
            width = model.width[i]
            total -= 0.5 * ((auxiliary[i] - point[i]) / width) ** 2 + math.log(width * math.sqrt(2.0 * math.pi))
        elif model.constraint[i] == 2:
            total += poisson_log_density(auxiliary[i], model.factor[i] * point[i])
    return total


@compiled
def log_density(model: CompiledModel, point: Floats, counts: Floats, auxiliary: Floats) -> float:
    """Return ln of the probability density of data, equal to that of the pyhf model.

    Parameters
    ----------
    model
        The model.
    point
        Parameters including the cross-section, shape (n_parameters,).
    counts
        Events per bin, shape (n_bins,).
    auxiliary
        Auxiliary observation of each parameter, shape (n_parameters,).
    """
    background, signal = np.empty(model.n_bins), np.empty(model.n_bins)
    rates(model, point, background, signal)
    total = constraint_log_density(model, point, auxiliary)
    for b in range(model.n_bins):
        total += poisson_log_density(counts[b], background[b] + point[model.poi] * signal[b])
    return total
