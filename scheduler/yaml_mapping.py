"""Reading YAML that people write: keys given once, and failures of validation as sentences that name the key path."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from models.errors import ConfigurationError


def read_mapping(text: str, source: str) -> Mapping[Any, Any]:
    """Return the keys and values of a YAML document; none if it is empty.

    Parameters
    ----------
    text
        YAML, or JSON, which is YAML.
    source
        Where it comes from, for messages.

    Raises
    ------
    ConfigurationError
        If it is not YAML, holds something else, or a key twice.
    """
    try:
        content = yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{source}: not valid YAML: {' '.join(str(error).split())}.") from error
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        raise ConfigurationError(f"{source}: expected keys with values, found {type(content).__name__}.")
    return content


class _StrictLoader(yaml.SafeLoader):
    """YAML loader that refuses a key given twice, of which plain YAML silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) != len(node.value):
            keys = [key.value for key, _ in node.value]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise yaml.constructor.ConstructorError(None, None, f"key '{twice}' is given twice", node.start_mark)
        return mapping


def sentences(error: ValidationError, suggest: Callable[[str], str | None] = lambda _: None) -> Iterator[str]:
    """Yield what is wrong, one sentence a key.

    Parameters
    ----------
    error
        What pydantic found.
    suggest
        Returns the key path that an unknown one was probably meant to be, if any.
    """
    for problem in error.errors(include_url=False):
        path = ".".join(str(part) for part in problem["loc"] if part != "[key]")
        if problem["type"] == "extra_forbidden":
            suggestion = suggest(path)
            yield f"unknown key '{path}'" + (f", did you mean '{suggestion}'?" if suggestion else ".")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            shown = problem["input"]
            given = f", given {shown!r}" if isinstance(shown, str | int | float | bool | None) else ""
            yield f"'{path}': {message[:1].lower()}{message[1:]}{given}."
