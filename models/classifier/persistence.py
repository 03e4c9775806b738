"""A classifier on disk: xgboost's own JSON, one file per model, and a manifest that says what they are."""

from pathlib import Path

import xgboost
from pydantic import Field, ValidationError

from models.classifier.configuration import ClassifierError
from models.classifier.model import Classifier
from models.search import Channel, Process
from models.settings import Settings

MANIFEST_NAME = "manifest.json"


class ClassifierManifest(Settings):
    """What a folder of models was trained as."""

    channel: Channel
    features: tuple[str, ...] = Field(min_length=1)
    """Inputs in order."""
    classes: tuple[Process, ...]
    """Classes in the order of the score columns."""
    n_folds: int = Field(ge=3)
    seed: int
    """Seed of the fold hash."""
    fingerprint: str
    """Hash of features, classes, folds and models."""
    best_rounds: tuple[int, ...]
    """Boosting rounds per model."""
    events_per_class: dict[Process, int]
    """Training candidates per class."""


def save_classifier(
    classifier: Classifier, folder: Path, *, best_rounds: tuple[int, ...], events_per_class: dict[Process, int]
) -> ClassifierManifest:
    """Write the models and their manifest; the manifest comes last, so a folder with one is complete.

    Parameters
    ----------
    classifier
        What to save.
    folder
        Where; made if needed.
    best_rounds, events_per_class
        From the training, for the record.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST_NAME).unlink(missing_ok=True)
    for number, booster in enumerate(classifier.boosters):
        booster.save_model(folder / _model_name(number))
    manifest = ClassifierManifest(
        channel=classifier.channel,
        features=classifier.features,
        classes=classifier.classes,
        n_folds=classifier.n_folds,
        seed=classifier.seed,
        fingerprint=classifier.fingerprint,
        best_rounds=best_rounds,
        events_per_class=events_per_class,
    )
    partial = folder / f".{MANIFEST_NAME}.partial"
    partial.write_text(manifest.model_dump_json(indent=2))
    partial.replace(folder / MANIFEST_NAME)
    return manifest


def load_classifier(folder: Path, *, expected_features: tuple[str, ...] | None = None) -> Classifier:
    """Read a classifier back and check that it is whole and takes the features it will be given.

    Parameters
    ----------
    folder
        Written by `save_classifier`.
    expected_features
        The feature list of the candidates it will score; checked for names and order if given.

    Raises
    ------
    ClassifierError
        If the folder is incomplete, the models are not those of the manifest, or the features differ.
    """
    path = folder / MANIFEST_NAME
    try:
        manifest = ClassifierManifest.model_validate_json(path.read_text())
    except FileNotFoundError as error:
        raise ClassifierError(f"{path}: no such file; is the classifier trained?") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ClassifierError(f"{path}: invalid at '{where}': {first['msg']}") from error
    boosters = tuple(_load_booster(folder / _model_name(number)) for number in range(manifest.n_folds))
    for number, booster in enumerate(boosters):
        if tuple(booster.feature_names or ()) != manifest.features:
            raise ClassifierError(f"{folder / _model_name(number)}: trained on other features than {path} says")
    classifier = Classifier(manifest.channel, manifest.features, manifest.classes, boosters, manifest.seed)
    if classifier.fingerprint != manifest.fingerprint:
        raise ClassifierError(f"{path}: the models beside it are not the ones it was written for")
    if expected_features is not None:
        classifier.require_features(expected_features)
    return classifier


def _model_name(number: int) -> str:
    return f"model_{number}.json"


def _load_booster(path: Path) -> xgboost.Booster:
    booster = xgboost.Booster({"nthread": 1})
    try:
        booster.load_model(path)
    except (xgboost.core.XGBoostError, ValueError, OSError) as error:
        raise ClassifierError(f"{path}: not a readable xgboost model ({str(error).splitlines()[0]})") from error
    return booster
