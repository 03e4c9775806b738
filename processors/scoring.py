"""Candidate columns to classifier scores and weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.classifier.folds import fold_of
from models.classifier.model import Classifier
from models.errors import BadInputError
from processors.regions import LOWEST_SIGNAL_THRESHOLD
from processors.variations import Kinematics

Columns = Mapping[str, NDArray[Any]]
"""Candidate columns by name, all of one length."""

NOMINAL = str(Kinematics.NOMINAL)
"""Kinematics folder and variation without any shift."""
DIRECTIONS = ("up", "down")
WEIGHT_PREFIX = "weight_"
IDENTITY = ("experiment", "run", "event")
"""Columns that identify an event within its sample."""


def feature_matrix(columns: Columns, features: tuple[str, ...]) -> NDArray[np.float32]:
    """Return the classifier's inputs in order, shape (n, n_features).

    Raises
    ------
    BadInputError
        If a feature is not among the columns.
    """
    missing = [name for name in features if name not in columns]
    if missing:
        raise BadInputError(f"the candidates lack the feature {missing[0]}")
    return np.column_stack([np.asarray(columns[name], dtype=np.float32) for name in features])


def candidate_folds(columns: Columns, sample: str, *, n_folds: int, seed: int, repeats: int = 1) -> NDArray[np.int64]:
    """Return the fold of each candidate's event, shape (n,); repeats of one generated event are in one fold."""
    event = np.asarray(columns["event"]) // repeats
    return fold_of(columns["experiment"], columns["run"], event, sample, n_folds=n_folds, seed=seed)


def score_candidates(columns: Columns, classifier: Classifier, sample: str, *, repeats: int = 1) -> NDArray[np.float32]:
    """Return the class scores of candidates, each by the model that has not seen its event.

    Parameters
    ----------
    columns
        Features and event identity.
    classifier
        Of the candidates' channel.
    sample
        Name of the sample, part of the identity.
    repeats
        Times that each generated event is in the sample (`SampleMetadata.repeats`).

    Returns
    -------
    Scores of shape (n, 5).
    """
    folds = candidate_folds(columns, sample, n_folds=classifier.n_folds, seed=classifier.seed, repeats=repeats)
    return classifier.scores(feature_matrix(columns, classifier.features), folds)


@dataclass(frozen=True)
class OutsideSignalRegion:
    """Which candidates of a sample are in no signal region whatever its threshold, for `CandidateStore.read_control`.

    Control regions lie below the lowest threshold that settings can have, so that none of them opens anything.
    """

    classifier: Classifier
    sample: str
    repeats: int = 1

    def __call__(self, columns: Columns) -> NDArray[np.bool_]:
        """Return the mask of candidates, shape (n,)."""
        scores = score_candidates(columns, self.classifier, self.sample, repeats=self.repeats)
        return np.asarray(scores[:, 0] <= np.float32(LOWEST_SIGNAL_THRESHOLD))


def weight_variations(names: list[str]) -> dict[str, str]:
    """Return variation → column for every alternative weight among column names, nominal first.

    >>> weight_variations(["m_ll_gev", "weight", "weight_tracking_up"])
    {'nominal': 'weight', 'tracking_up': 'weight_tracking_up'}
    """
    suffixes = tuple(f"_{direction}" for direction in DIRECTIONS)
    alternatives = sorted(name for name in names if name.startswith(WEIGHT_PREFIX) and name.endswith(suffixes))
    return {NOMINAL: "weight", **{name.removeprefix(WEIGHT_PREFIX): name for name in alternatives}}


def finite_weights(columns: Columns, name: str, where: str) -> NDArray[np.float64]:
    """Return a weight column after checking that it holds numbers.

    Raises
    ------
    BadInputError
        If a weight is NaN or infinite, or the column is missing; the message says where.
    """
    if name not in columns:
        raise BadInputError(f"{where}: the candidates lack the column {name}")
    weight = np.asarray(columns[name], dtype=np.float64)
    if not np.all(np.isfinite(weight)):
        raise BadInputError(f"{where}: {name} is not finite for candidate {int(np.argmin(np.isfinite(weight)))}")
    return weight
