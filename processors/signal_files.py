"""Signal models on disk: one zip of numpy arrays per search."""

import io
import json
import zipfile
from collections import defaultdict
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import BadInputError
from models.search import Search
from models.signal_closure import ClosurePoint
from models.signal_shape import Measured, SignalModel
from processors.atomic_file import atomic_path
from processors.signal_samples import SignalModels

INDEX_NAME = "index.json"


def save_signal_models(signal: SignalModels, path: Path) -> None:
    """Write the signal models of a search: `<cτ in mm>/<variation>/<field>.npy` and an index.

    Parameters
    ----------
    signal
        What to write.
    path
        File to make or replace.
    """
    with atomic_path(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            INDEX_NAME,
            json.dumps(
                {
                    "search": signal.search,
                    "borrowed_shape_ctau_mm": signal.borrowed_shape_ctau_mm,
                    "closure": signal.closure,
                    "refused": {f"{ctau_mm:g}": reason for ctau_mm, reason in signal.refused.items()},
                },
                ensure_ascii=False,
            ),
        )
        for ctau_mm, by_variation in signal.models.items():
            for variation, model in by_variation.items():
                for field in fields(SignalModel):
                    buffer = io.BytesIO()
                    np.save(buffer, getattr(model, field.name), allow_pickle=False)
                    archive.writestr(f"{ctau_mm:g}/{variation}/{field.name}.npy", buffer.getvalue())


def load_signal_models(path: Path) -> SignalModels:
    """Read what `save_signal_models` wrote, lifetimes ascending.

    Raises
    ------
    BadInputError
        If the file is missing or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            index = json.loads(archive.read(INDEX_NAME))
            arrays: defaultdict[tuple[float, str], dict[str, NDArray[Any]]] = defaultdict(dict)
            for name in archive.namelist():
                if name == INDEX_NAME:
                    continue
                ctau_mm, variation, field = name.removesuffix(".npy").split("/")
                content = np.load(io.BytesIO(archive.read(name)), allow_pickle=False)
                arrays[float(ctau_mm), variation][field] = content
        models: dict[float, dict[str, SignalModel]] = {}
        for (lifetime, variation), content in sorted(arrays.items(), key=lambda item: item[0]):
            threshold_gev = float(content.pop("threshold_gev"))
            models.setdefault(lifetime, {})[variation] = SignalModel(**content, threshold_gev=threshold_gev)
        points = tuple(
            ClosurePoint(m_phi_gev, Measured(*p), Measured(*e), Measured(*sp), Measured(*s), *others)
            for m_phi_gev, p, e, sp, s, *others in index["closure"]
        )
        refused = {float(ctau_mm): reason for ctau_mm, reason in index["refused"].items()}
        return SignalModels(Search(index["search"]), models, tuple(index["borrowed_shape_ctau_mm"]), refused, points)
    except FileNotFoundError as error:
        raise BadInputError(f"{path}: no such file; are the histograms filled?") from error
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise BadInputError(f"{path}: not a readable file of signal models ({type(error).__name__})") from error
