"""pyhf's schema of workspaces as compiled code, which pyhf itself interprets anew for every workspace.

pyhf stays the judge: what the compiled schema does not pass is left to it, to accept (arrays for lists) or to explain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import fastjsonschema

from models.inference.pyhf_library import pyhf

_WORKSPACE = "workspace.json"


def validate_workspace(workspace: Mapping[str, Any]) -> None:
    """Check a workspace against the schema of its version.

    Parameters
    ----------
    workspace
        pyhf JSON specification.

    Raises
    ------
    pyhf.exceptions.InvalidSpecification
        If it does not follow the schema; the message is pyhf's.
    pyhf.exceptions.SchemaNotFound
        If pyhf knows no schema of its version.

    Examples
    --------
    >>> validate_workspace({"version": "1.0.0"})  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    ...
    pyhf.exceptions.InvalidSpecification: 'channels' is a required property.
    """
    version = workspace.get("version")
    if version == pyhf.schema.version:
        try:
            _compiled_schema(version)(workspace)
        except fastjsonschema.JsonSchemaException:
            pass
        else:
            return
    pyhf.schema.validate(workspace, _WORKSPACE, version=version)


@cache
def _compiled_schema(version: str) -> Callable[[Mapping[str, Any]], object]:
    definitions = pyhf.schema.load_schema(f"{version}/defs.json")
    schema = {**definitions, "$ref": "#/definitions/workspace"}
    validate: Callable[[Mapping[str, Any]], object] = fastjsonschema.compile(
        schema, use_default=False, use_formats=False
    )
    return validate
