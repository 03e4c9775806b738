"""A trained classifier: k models that share features and classes, applied by fold."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from models.classifier.configuration import ClassifierError
from models.search import Channel, Process


@dataclass(frozen=True)
class Classifier:
    """The k-fold classifier of one channel."""

    channel: Channel
    features: tuple[str, ...]
    """Names of the inputs in the order of the feature matrix."""
    classes: tuple[Process, ...]
    """Classes in the order of the score columns."""
    boosters: tuple[xgboost.Booster, ...]
    """One xgboost model per fold."""
    seed: int
    """Seed of the fold hash."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the models as bytes, which a worker turns into models once and not for every chunk."""
        raw = tuple(bytes(booster.save_raw(raw_format="ubj")) for booster in self.boosters)
        return _from_raw, (self.channel, self.features, self.classes, raw, self.seed)

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return len(self.boosters)

    @property
    def fingerprint(self) -> str:
        """Hash of everything that determines a score."""
        digest = hashlib.sha256(json.dumps([self.channel, self.features, self.classes, self.seed]).encode())
        for booster in self.boosters:
            digest.update(bytes(booster.save_raw(raw_format="ubj")))
        return digest.hexdigest()

    def require_features(self, names: Sequence[str]) -> None:
        """Check that a feature matrix is laid out as the classifier was trained.

        Raises
        ------
        ClassifierError
            If a name or the order differs.
        """
        if tuple(names) == self.features:
            return
        missing = [name for name in self.features if name not in names]
        unknown = [name for name in names if name not in self.features]
        msg = (
            f"the {self.channel} classifier was trained on other features: missing {missing or 'none'}, "
            f"not known to it {unknown or 'none'}{'' if missing or unknown else ', order differs'}"
        )
        raise ClassifierError(msg)

    def scores(self, features: NDArray[np.float32], fold: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the class scores of each candidate, by the model that has not seen its fold.

        Parameters
        ----------
        features
            Feature matrix, shape (n, n_features).
        fold
            Fold of each candidate's event, shape (n,).

        Returns
        -------
        Scores that add to one in every row, shape (n, n_classes).

        Raises
        ------
        ClassifierError
            If the matrix has another number of columns or holds values that are not finite.
        """
        self._check(features)
        scores = np.zeros((len(features), len(self.classes)), dtype=np.float32)
        for number, booster in enumerate(self.boosters):
            rows = fold == number
            if np.any(rows):
                scores[rows] = booster.inplace_predict(features[rows])
        return scores

    def scores_of_model(self, number: int, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scores that one of the models gives to every row, shape (n, n_classes)."""
        self._check(features)
        if len(features) == 0:
            return np.zeros((0, len(self.classes)), dtype=np.float32)
        return np.asarray(self.boosters[number].inplace_predict(features), dtype=np.float32)

    def _check(self, features: NDArray[np.float32]) -> None:
        if features.ndim != 2 or features.shape[1] != len(self.features):
            raise ClassifierError(
                f"the {self.channel} classifier takes {len(self.features)} features, "
                f"got a matrix of shape {features.shape}"
            )
        finite = np.isfinite(features).all(axis=0)
        if not finite.all():
            raise ClassifierError(f"feature {self.features[int(np.argmin(finite))]} is not finite for some candidates")


@lru_cache(maxsize=4)
def _from_raw(
    channel: Channel, features: tuple[str, ...], classes: tuple[Process, ...], raw: tuple[bytes, ...], seed: int
) -> Classifier:
    boosters = tuple(xgboost.Booster({"nthread": 1}, model_file=bytearray(model)) for model in raw)
    return Classifier(channel, features, classes, boosters, seed)
