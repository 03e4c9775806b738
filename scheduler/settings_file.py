"""Reading typed settings from YAML: no key given twice, none unknown, and errors that name file and key path."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import JsonValue, TypeAdapter, ValidationError

from models.errors import ConfigurationError

T = TypeVar("T")

_SIMILAR: Final = 0.6
"""Least similarity (difflib ratio) of an unknown key and the one that is suggested for it."""


def read_text(path: Path) -> str:
    """Return the text of a settings file.

    Raises
    ------
    OSError
        If it cannot be read.
    ConfigurationError
        If it is not text in UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: not text in UTF-8 (byte {error.start}).") from error


def parse_mapping(text: str, source: str) -> Mapping[str, Any]:
    """Return the keys and values of a YAML text.

    Parameters
    ----------
    text
        YAML; an empty text has no keys.
    source
        Where it comes from, for messages.

    Raises
    ------
    ConfigurationError
        If it is not YAML, not keys with values, or gives a key twice.
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


def validate(
    content: Mapping[str, Any],
    source: str,
    adapter: TypeAdapter[T],
    known: Callable[[], Iterable[str]],
    tags: Iterable[str] = (),
) -> T:
    """Return settings made from keys and values.

    Parameters
    ----------
    content
        What was read.
    source
        Where it comes from, for messages.
    adapter
        The type of the settings.
    known
        Gives every key path there is, for suggestions.
    tags
        Values of a union's discriminator: pydantic puts the one that applies before the key path.

    Raises
    ------
    ConfigurationError
        Naming the key path and, for an unknown key, the one that was probably meant.
    """
    try:
        return adapter.validate_python(content)
    except ValidationError as error:
        raise ConfigurationError(f"{source}: {'; '.join(_sentences(error, known, frozenset(tags)))}") from error


def key_paths(content: Mapping[str, JsonValue], prefix: str = "") -> Iterator[str]:
    """Yield the path of every key of nested mappings.

    >>> list(key_paths({"a": 1, "b": {"c": 2}}))
    ['a', 'b', 'b.c']
    """
    for key, value in content.items():
        yield prefix + key
        if isinstance(value, Mapping):
            yield from key_paths(value, f"{prefix}{key}.")


class _StrictLoader(yaml.SafeLoader):
    """YAML loader that refuses a key given twice, of which plain YAML silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) != len(node.value):
            keys = [key.value for key, _ in node.value]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise yaml.constructor.ConstructorError(None, None, f"key '{twice}' is given twice", node.start_mark)
        return mapping


def _sentences(error: ValidationError, known: Callable[[], Iterable[str]], tags: frozenset[str]) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        location = [str(part) for part in problem["loc"] if part != "[key]"]
        path = ".".join(location[1:] if location and location[0] in tags else location)
        if problem["type"] == "extra_forbidden":
            suggestion = _closest_key(path, list(known()))
            yield f"unknown key '{path}'" + (f", did you mean '{suggestion}'?" if suggestion else ".")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            shown = problem["input"]
            given = f", given {shown!r}" if isinstance(shown, str | int | float | bool | None) else ""
            sentence = f"{message[:1].lower()}{message[1:]}{given}."
            yield f"'{path}': {sentence}" if path else sentence


def _closest_key(path: str, known: list[str]) -> str | None:
    """Return the key path that an unknown one was probably meant to be."""
    parent, _, key = path.rpartition(".")
    siblings = {
        known_path.rpartition(".")[2]: known_path for known_path in known if known_path.rpartition(".")[0] == parent
    }
    for candidates in (siblings, {known_path.rpartition(".")[2]: known_path for known_path in known}):
        found = difflib.get_close_matches(key, candidates, n=1, cutoff=_SIMILAR)
        if found:
            return candidates[found[0]]
    return None
