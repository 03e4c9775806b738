"""Toys: datasets drawn at a parameter point, main and auxiliary observations, and what they say of other points.

Nuisance parameters stay at the point and their auxiliary measurements fluctuate around it, as in the toys of pyhf and
in the LHC Higgs combination procedure (ATL-PHYS-PUB-2011-011): the sampling distribution of everything measured.
"""

from __future__ import annotations

import numpy as np
from scipy.special import xlogy

from models.inference.compiled_model import Constraint, Floats
from models.inference.likelihood import Dataset, Likelihood


def toy_datasets(likelihood: Likelihood, point: Floats, n_toys: int, rng: np.random.Generator) -> Dataset:
    """Return toys drawn at a parameter point.

    Parameters
    ----------
    likelihood
        The model; its observations are not used.
    point
        Parameters including the cross-section, shape (n_parameters,).
    n_toys
        Number of toys.
    rng
        Source of randomness.
    """
    model = likelihood.model
    counts = rng.poisson(np.maximum(likelihood.expected(point), 0.0), size=(n_toys, model.n_bins))
    auxiliary = np.zeros((n_toys, point.size))
    normal, poisson = (model.constraint == kind for kind in (Constraint.NORMAL, Constraint.POISSON))
    auxiliary[:, normal] = rng.normal(point[normal], model.width[normal], size=(n_toys, int(normal.sum())))
    auxiliary[:, poisson] = rng.poisson((model.factor * point)[poisson], size=(n_toys, int(poisson.sum())))
    return Dataset(counts.astype(np.float64), auxiliary)


def log_densities(likelihood: Likelihood, data: Dataset, points: Floats) -> Floats:
    """Return ln of the density of each dataset at each point, up to a constant of the dataset, (n_toys, n_points).

    Parameters
    ----------
    likelihood
        The model.
    data
        Datasets.
    points
        Shape (n_points, n_parameters).
    """
    model = likelihood.model
    normal, poisson = (model.constraint == kind for kind in (Constraint.NORMAL, Constraint.POISSON))
    found = np.empty((len(data.counts), len(points)))
    for k, point in enumerate(points):
        expected, factors = likelihood.expected(point), (model.factor * point)[poisson]
        pulls = (data.auxiliary[:, normal] - point[normal]) / model.width[normal]
        found[:, k] = (
            xlogy(data.counts, expected).sum(axis=1)
            - expected.sum()
            - 0.5 * np.sum(pulls**2, axis=1)
            + xlogy(data.auxiliary[:, poisson], factors).sum(axis=1)
            - factors.sum()
        )
    return found
