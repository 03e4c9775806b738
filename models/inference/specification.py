"""pyhf workspaces as they come in: parsed by pyhf, and checked for what no inference can be made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from models.inference.compiled_model import Floats
from models.inference.pyhf_library import pyhf
from models.inference.results import InferenceError
from models.inference.schema import validate_workspace

_PYHF_ERRORS = (
    pyhf.exceptions.InvalidSpecification,
    pyhf.exceptions.SchemaNotFound,
    pyhf.exceptions.InvalidModel,
    pyhf.exceptions.InvalidModifier,
    pyhf.exceptions.InvalidMeasurement,
    pyhf.exceptions.InvalidNameReuse,
    pyhf.exceptions.Unsupported,
)

NON_NEGATIVE: Final = ("lo_data", "hi_data", "data")
"""Entries of modifiers that are templates or uncertainties."""


class Specification(NamedTuple):
    """One measurement of a workspace."""

    model: Any
    """`pyhf.Model`."""
    counts: Floats
    """Observed events in the order of the model's bins."""


def read_specification(
    workspace: Mapping[str, Any], measurement: str | None = None, *, validate: bool = True
) -> Specification:
    """Return the pyhf model and the observations of a workspace.

    Parameters
    ----------
    workspace
        pyhf JSON specification.
    measurement
        Name of the measurement; the first one if not given.
    validate
        Whether the workspace is checked against pyhf's schema. Only one of
        `models.inference.workspace.build_workspace` may go without.

    Raises
    ------
    InferenceError
        If pyhf rejects the workspace, names are used twice, the measurement or its parameter of interest is missing, or
        observations or templates are not numbers that a counting experiment can have.
    """
    pyhf.set_backend("numpy")
    try:
        if validate:
            validate_workspace(workspace)
        _refuse_duplicates(workspace)
        config = _measurement(workspace, measurement)["config"]
        parts = {"channels": workspace["channels"], "parameters": config["parameters"]}
        if not config["poi"]:
            raise InferenceError("The workspace's measurement names no parameter of interest.")
        _check_templates(workspace)
        model = pyhf.Model(parts, poi_name=config["poi"], validate=False)
    except _PYHF_ERRORS as error:
        place = getattr(error, "path", "")
        reason = str(error).splitlines()[0]
        raise InferenceError(f"Not a valid pyhf workspace{f', at {place}' if place else ''}: {reason}") from error
    except (AssertionError, IndexError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        # What pyhf's schema lets through and its model cannot take, e.g. a staterror on some samples' channels only.
        raise InferenceError(f"pyhf cannot build a model of the workspace: {type(error).__name__}: {error}") from error
    return Specification(model, _counts(workspace, model))


def _measurement(workspace: Mapping[str, Any], name: str | None) -> Mapping[str, Any]:
    measurements = workspace["measurements"]
    for measurement in measurements:
        if name is None or measurement["name"] == name:
            return dict(measurement)
    known = ", ".join(str(measurement["name"]) for measurement in measurements)
    raise InferenceError(f"The workspace has no measurement {name}; it has {known}.")


def _refuse_duplicates(workspace: Mapping[str, Any]) -> None:
    _unique("channel", (channel["name"] for channel in workspace["channels"]), "the workspace")
    _unique("observation", (observation["name"] for observation in workspace["observations"]), "the workspace")
    _unique("measurement", (measurement["name"] for measurement in workspace["measurements"]), "the workspace")
    for channel in workspace["channels"]:
        _unique("sample", (sample["name"] for sample in channel["samples"]), f"channel {channel['name']}")
        for sample in channel["samples"]:
            kinds = (f"{modifier['type']} {modifier['name']}" for modifier in sample["modifiers"])
            _unique("modifier", kinds, f"sample {sample['name']} of channel {channel['name']}")


def _unique(what: str, names: Iterable[str], where: str) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InferenceError(f"The {what} {repeated[0]} appears twice in {where}.")


def _check_templates(workspace: Mapping[str, Any]) -> None:
    """Refuse templates that are not finite, which would surface as a fit that never converges, or negative."""
    for channel in workspace["channels"]:
        for sample in channel["samples"]:
            where = f"sample {sample['name']} of channel {channel['name']}"
            templates = {"its yields": sample["data"]}
            for modifier in sample["modifiers"]:
                data = modifier.get("data")
                entries = data.items() if isinstance(data, Mapping) else [("data", data)] if data is not None else []
                templates |= {f"{name} of {modifier['type']} {modifier['name']}": values for name, values in entries}
            for name, values in templates.items():
                if not np.all(np.isfinite(np.asarray(values, dtype=np.float64))):
                    raise InferenceError(f"The {where} has a number that is not finite in {name}.")
                # Yields are checked where the bin can be named; of factors, negative ones have no interpolation.
                if name.partition(" ")[0] in NON_NEGATIVE and np.any(np.asarray(values, dtype=np.float64) < 0):
                    raise InferenceError(f"The {where} has a negative number in {name}.")


def _counts(workspace: Mapping[str, Any], model: Any) -> Floats:
    observed = {observation["name"]: observation["data"] for observation in workspace["observations"]}
    counts = []
    for channel in model.config.channels:
        if channel not in observed:
            raise InferenceError(f"The workspace has no observations for channel {channel}.")
        data = np.asarray(observed[channel], dtype=np.float64)
        if data.shape != (model.config.channel_nbins[channel],):
            raise InferenceError(
                f"Channel {channel} has {model.config.channel_nbins[channel]} bins and {data.size} observations."
            )
        if not np.all(np.isfinite(data) & (data >= 0)):
            raise InferenceError(f"The observations of channel {channel} are not all finite and non-negative.")
        counts.append(data)
    return np.concatenate(counts)
