"""How well histograms of few data agree with a simulation that is itself of finite size."""

import numpy as np
from numpy.typing import NDArray


def binned_deviance(
    data: NDArray[np.float64], expected: NDArray[np.float64], variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return −2 ln(L/L_saturated) of each bin, profiled over the simulation's statistical uncertainty.

    The expectation is β ν with a Gaussian constraint of β to 1 ± δ, δ² = variance/ν². The best β solves
    β² + (ν δ² − 1) β − n δ² = 0 (arXiv:1103.0354, eq. 11).

    Parameters
    ----------
    data
        Observed counts n, shape (n_bins,).
    expected
        Expected events ν > 0, shape (n_bins,).
    variance
        Variance of the expectation, shape (n_bins,).

    Examples
    --------
    >>> binned_deviance(np.array([4.0]), np.array([4.0]), np.array([1.0])).tolist()
    [0.0]
    >>> binned_deviance(np.array([0.0]), np.array([1e-77]), np.array([1e-18])).round(9).tolist()
    [0.0]
    """
    # the settings of what uses this are read by every command, which need not wait for scipy
    from scipy.special import xlogy

    delta2 = variance / expected**2
    half = 0.5 * (1.0 - expected * delta2)
    beta = half + np.sqrt(half**2 + data * delta2)
    beta = np.maximum(beta, np.finfo(float).tiny)
    rate = beta * expected
    # where nothing is observed the rate may be too small a number to divide by
    ratio = np.divide(data, rate, out=np.ones_like(rate), where=data > 0)
    poisson = 2.0 * (rate - data + xlogy(data, ratio))
    constraint = np.divide((beta - 1.0) ** 2, delta2, out=np.zeros_like(beta), where=delta2 > 0)
    return np.asarray(poisson + constraint, dtype=np.float64)
