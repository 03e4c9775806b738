"""Convergence of Markov chains: split R̂ and effective sample size.

Source: A. Gelman et al., Bayesian Data Analysis, 3rd ed., sections 11.4 and 11.5.
"""

from typing import NamedTuple

import numpy as np

from models.inference.rates import Floats


class Convergence(NamedTuple):
    """Diagnostics of one scalar quantity."""

    r_hat: float
    """Root of the ratio of the total variance to that within half-chains; 1 when all agree."""
    effective_size: float
    """Number of independent draws with the same error of the mean."""


def diagnose(chains: Floats) -> Convergence:
    """Return the diagnostics of a quantity followed along chains.

    Parameters
    ----------
    chains
        Values, shape (n_chains, n_steps), at least four steps.

    Examples
    --------
    >>> independent = diagnose(np.random.default_rng(1).normal(size=(8, 1000)))
    >>> abs(independent.r_hat - 1.0) < 0.005, abs(independent.effective_size / 8000 - 1.0) < 0.1
    (True, True)
    """
    half = chains.shape[1] // 2
    split = np.concatenate([chains[:, :half], chains[:, half : 2 * half]])
    n_chains, n_steps = split.shape
    within = float(split.var(axis=1, ddof=1).mean())
    between = float(split.mean(axis=1).var(ddof=1))
    total = within * (n_steps - 1) / n_steps + between
    if total == 0.0:
        # A quantity that is the same everywhere has nothing left to converge.
        return Convergence(1.0, float(split.size))
    r_hat = float(np.sqrt(total / within)) if within > 0 else float("inf")
    centred = split - split.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, n=2 * n_steps, axis=1)
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :n_steps].mean(axis=0) / n_steps
    correlation = 1.0 - (within * (n_steps - 1) / n_steps - covariance) / total
    correlation[0] = 1.0
    # Sums of neighbouring pairs are positive and decreasing for a reversible chain; noise is cut where they are not.
    pairs = correlation[: n_steps // 2 * 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs < 0)
    pairs = np.minimum.accumulate(pairs[: negative[0]] if negative.size else pairs)
    autocorrelation_time = max(2.0 * float(pairs.sum()) - 1.0, 1.0 / np.log10(n_chains * n_steps))
    return Convergence(r_hat, n_chains * n_steps / autocorrelation_time)
