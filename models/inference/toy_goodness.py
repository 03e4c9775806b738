"""Goodness of fit calibrated by toys: how often a fit is as far from its data as the observed one."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from models.inference.compiled_model import Floats
from models.inference.fits import fit
from models.inference.likelihood import Likelihood
from models.inference.results import GoodnessOfFit
from models.inference.toy_datasets import toy_datasets

TIE: Final = 1e-6
"""Difference of the statistic below which two datasets are equally far: fits stop within 1e-9 of their minima."""


def calibrated_goodness(
    likelihood: Likelihood, best: Floats, goodness: GoodnessOfFit, n_toys: int, rng: np.random.Generator
) -> GoodnessOfFit:
    """Return the goodness of fit with its p-value from toys too.

    Toys are thrown at the best fit, auxiliary observations included, and fitted as the observed data were.

    Parameters
    ----------
    likelihood
        The model.
    best
        Best fit, shape (n_parameters,).
    goodness
        That of the observed data.
    n_toys
        Number of toys. The p-value is (k + 1)/(n + 1) with k of n toys at least as far from their fits as the data: the
        data are one more draw of the model, so that no finite number of toys makes anything impossible.
    rng
        Source of randomness.
    """
    data = toy_datasets(likelihood, best, n_toys, rng)
    fits = fit(likelihood, data, np.repeat(best[None, :], n_toys, axis=0), poi_free=True)
    n_usable = int(fits.converged.sum())
    n_as_far = int(np.sum(fits.converged & (2.0 * fits.nll >= goodness.statistic - TIE)))
    p_value = (n_as_far + 1) / (n_usable + 1)
    return replace(
        goodness,
        p_value_toys=p_value if n_usable else None,
        p_value_toys_error=float(np.sqrt(p_value * (1.0 - p_value) / (n_usable + 1))) if n_usable else None,
        n_failed_toys=n_toys - n_usable,
    )
