"""Convergence of many parallel Markov chains: split R̂ and effective sample size.

Source: A. Gelman et al., Bayesian Data Analysis, section 11.4 (split R̂) and, in the 2nd edition, eq. 11.4 (effective
size from the variance between chains, which is accurate when there are many of them).
"""

from typing import Final, NamedTuple

import numpy as np

from models.inference.compiled_model import Floats

ROUNDING: Final = 1e-12


class Convergence(NamedTuple):
    """Diagnostics of one scalar quantity."""

    r_hat: float
    """Root of the ratio of the total variance to that within half-chains; 1 when all agree."""
    effective_size: float
    """Number of independent draws whose mean has the same error; at most the number of draws."""


def diagnose(chains: Floats) -> Convergence:
    """Return the diagnostics of a quantity followed along chains.

    Parameters
    ----------
    chains
        Values, shape (n_chains, n_steps), at least two chains and four steps.

    Examples
    --------
    >>> independent = diagnose(np.random.default_rng(1).normal(size=(200, 100)))
    >>> abs(independent.r_hat - 1.0) < 0.005, independent.effective_size > 0.7 * 20000
    (True, True)
    """
    n_steps = chains.shape[1]
    half = n_steps // 2
    halves = np.concatenate([chains[:, :half], chains[:, half : 2 * half]])
    within, total = _variances(halves)
    if total <= (ROUNDING * float(np.abs(chains).max())) ** 2:
        # A quantity that is the same everywhere, up to rounding, has nothing left to converge.
        return Convergence(1.0, float(chains.size))
    r_hat = float(np.sqrt(total / within)) if within > 0 else float("inf")
    of_means = float(chains.mean(axis=1).var(ddof=1)) / len(chains)
    return Convergence(r_hat, min(float(chains.size), total / of_means))


def _variances(chains: Floats) -> tuple[float, float]:
    """Return the mean variance within chains, and the variance that they and their means' spread amount to."""
    n_steps = chains.shape[1]
    within = float(chains.var(axis=1, ddof=1).mean())
    between = float(chains.mean(axis=1).var(ddof=1))
    return within, within * (n_steps - 1) / n_steps + between
