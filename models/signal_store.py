"""Signal models on disk: one compressed numpy archive per search."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np

from models.errors import BadInputError
from models.signal_shape import SignalModel

SEPARATOR = "/"


def write_signal_models(archive: zipfile.ZipFile, models: Mapping[float, Mapping[str, SignalModel]]) -> None:
    """Add signal models to an open archive as `signal/<cτ in mm>/<variation>/<field>.npy`.

    Parameters
    ----------
    archive
        Open for writing.
    models
        cτ in mm → variation → model.
    """
    for ctau_mm, by_variation in models.items():
        for variation, model in by_variation.items():
            for field in fields(SignalModel):
                buffer = io.BytesIO()
                np.save(buffer, getattr(model, field.name), allow_pickle=False)
                name = SEPARATOR.join(("signal", f"{ctau_mm:g}", variation, f"{field.name}.npy"))
                archive.writestr(name, buffer.getvalue())


def read_signal_models(archive: zipfile.ZipFile) -> dict[float, dict[str, SignalModel]]:
    """Return what `write_signal_models` wrote, lifetimes ascending.

    Raises
    ------
    BadInputError
        If a model lacks an array.
    """
    arrays: dict[tuple[float, str], dict[str, object]] = {}
    for name in archive.namelist():
        parts = name.split(SEPARATOR)
        if parts[0] != "signal":
            continue
        _, ctau_mm, variation, field = parts
        content = np.load(io.BytesIO(archive.read(name)), allow_pickle=False)
        arrays.setdefault((float(ctau_mm), variation), {})[field.removesuffix(".npy")] = content
    models: dict[float, dict[str, SignalModel]] = {}
    for (ctau_mm, variation), by_field in sorted(arrays.items(), key=lambda item: item[0]):
        try:
            model = SignalModel(**{field.name: np.asarray(by_field[field.name]) for field in fields(SignalModel)})
        except KeyError as error:
            source = Path(str(archive.filename)).name
            raise BadInputError(f"{source}: signal model {ctau_mm:g} mm {variation} lacks {error}") from error
        models.setdefault(ctau_mm, {})[variation] = model
    return models
