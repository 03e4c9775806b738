"""Inference at one mass point: the interface that a faster engine can take over."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.inference.cls_limits import cls_limits
from models.inference.configuration import InferenceSettings
from models.inference.fits import fit_observed, summarise
from models.inference.likelihood import compile_likelihood
from models.inference.metropolis import metropolis_limit
from models.inference.prior_averaging import prior_averaged_limit
from models.inference.results import BayesianLimit, BestFit, MassPointResult, Status
from models.inference.workspace import is_blinded


def infer_mass_point(
    workspace: Mapping[str, Any], settings: InferenceSettings, seed: int | np.random.SeedSequence
) -> MassPointResult:
    """Return fit, significance and limits of a workspace with one signal cross-section.

    Parameters
    ----------
    workspace
        pyhf JSON specification; if it is blinded, only expected limits are computed.
    settings
        What to compute and how well.
    seed
        Seed of the Bayesian methods; the result depends on nothing else that is random.

    Raises
    ------
    InferenceError
        If the workspace cannot be used.
    """
    likelihood = compile_likelihood(workspace, settings.minimiser)
    blinded = is_blinded(workspace)
    fits = fit_observed(likelihood)
    cls = cls_limits(likelihood, fits, settings, blinded=blinded)
    if blinded:
        hidden = BayesianLimit(Status.BLINDED)
        return MassPointResult(BestFit(Status.BLINDED), cls, hidden, hidden)
    chains, toys = (np.random.default_rng(s) for s in _sequence(seed).spawn(2))
    return MassPointResult(
        fit=summarise(likelihood, fits, settings),
        cls=cls,
        metropolis=metropolis_limit(likelihood, fits, settings, chains),
        prior_averaging=prior_averaged_limit(likelihood, fits, settings, toys),
    )


def _sequence(seed: int | np.random.SeedSequence) -> np.random.SeedSequence:
    if isinstance(seed, int):
        return np.random.SeedSequence(seed)
    # A sequence remembers what it has spawned; a copy makes the result independent of its past.
    return np.random.SeedSequence(entropy=seed.entropy, spawn_key=seed.spawn_key)
