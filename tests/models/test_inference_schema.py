"""The compiled schema and pyhf's own validation agree."""

import copy
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.inference.pyhf_library import pyhf
from models.inference.results import InferenceError
from models.inference.schema import validate_workspace
from models.inference.specification import read_specification

SAMPLES = [
    {"name": "signal", "data": [2.0, 1.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
    {
        "name": "background",
        "data": [5.0, 3.0],
        "modifiers": [
            {"name": "yield", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}},
            {"name": "shape", "type": "histosys", "data": {"hi_data": [5.5, 2.5], "lo_data": [4.5, 3.5]}},
            {"name": "statistics", "type": "staterror", "data": [0.5, 0.3]},
            {"name": "uniform", "type": "shapesys", "data": [1.0, 1.0]},
            {"name": "free", "type": "shapefactor", "data": None},
            {"name": "lumi", "type": "lumi", "data": None},
        ],
    },
]
PARAMETER = {"name": "lumi", "auxdata": [1.0], "sigmas": [0.02], "bounds": [[0.5, 1.5]], "inits": [1.0]}
WORKSPACE = {
    "channels": [{"name": "bin", "samples": SAMPLES}],
    "observations": [{"name": "bin", "data": [4.0, 4.0]}],
    "measurements": [{"name": "any", "config": {"poi": "mu", "parameters": [PARAMETER]}}],
    "version": "1.0.0",
}


def places(part, path=()):
    """Yield the path of every value in a workspace."""
    yield path
    items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


def verdict(validate, workspace):
    try:
        validate(workspace)
    except (pyhf.exceptions.InvalidSpecification, pyhf.exceptions.SchemaNotFound, TypeError) as error:
        return type(error), str(error)
    return None


@settings(max_examples=60)
@given(
    path=st.sampled_from([path for path in places(WORKSPACE) if path]),
    value=st.sampled_from([None, True, -1.0, 3, "text", "normsys", [], [1.0, "a"], {}, {"hi": 1.0}, float("nan"), ...]),
)
def test_a_damaged_workspace_gets_the_verdict_of_pyhf(path, value):
    damaged = copy.deepcopy(WORKSPACE)
    place = damaged
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    theirs = verdict(lambda w: pyhf.schema.validate(w, "workspace.json", version=w.get("version")), damaged)
    assert verdict(validate_workspace, damaged) == theirs


def test_arrays_pass_as_they_do_in_pyhf():
    workspace = copy.deepcopy(WORKSPACE)
    workspace["observations"][0]["data"] = np.array([4.0, 4.0])
    validate_workspace(workspace)


def test_an_unknown_version_is_named():
    workspace = json.loads(json.dumps(WORKSPACE)) | {"version": "9.0.0"}
    with pytest.raises(InferenceError, match=r"9\.0\.0"):
        read_specification(workspace)
