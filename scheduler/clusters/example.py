"""Examples of site files: every key with its meaning, unit and default, made from the model itself."""

from __future__ import annotations

import textwrap
from typing import Final

import yaml
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from models.errors import UsageError
from scheduler.clusters.settings import WorkerCount
from scheduler.clusters.site import KINDS

_WIDTH: Final = 110
_FIRST: Final = ("kind", "address", "workers")
_HEADING: Final = """\
# A site for the option --site of leptophile, such as: leptophile run --config demo --site {kind}.yml --out runs/mine
# Every key has its default and may be left out, but kind. To see what would be started, add --dry-run to a command.
"""


def example_site(kind: str) -> str:
    """Return a valid, annotated site file.

    Parameters
    ----------
    kind
        ``local``, ``htcondor``, ``slurm``, ``gateway`` or ``existing``.

    Raises
    ------
    UsageError
        If there is no such kind.

    Examples
    --------
    >>> yaml.safe_load(example_site("slurm"))["cores_per_job"]
    1
    """
    if kind not in KINDS:
        raise UsageError(f"There is no kind of site '{kind}': choose {', '.join(KINDS)}.")
    fields = KINDS[kind].model_fields
    names = [*(name for name in _FIRST if name in fields), *(name for name in fields if name not in _FIRST)]
    return _HEADING.format(kind=kind) + "".join(f"\n{_annotated(name, fields[name])}" for name in names)


def _annotated(name: str, field: FieldInfo) -> str:
    meaning = " ".join((field.description or "").split())
    lines = textwrap.wrap(meaning, _WIDTH, initial_indent="# ", subsequent_indent="# ")
    value = field.default
    if value is PydanticUndefined:
        value = (field.examples or [None])[0]
    elif field.examples:
        lines += [f"# For example: {_yaml(name, field.examples[0])}"]
    return "\n".join([*lines, _yaml(name, value)]) + "\n"


def _yaml(name: str, value: object) -> str:
    if isinstance(value, WorkerCount):
        value = value.maximum if value.fixed else value.model_dump()
    if isinstance(value, tuple):
        value = list(value)
    shown = yaml.safe_dump(value, default_flow_style=True, width=1000, sort_keys=False).removesuffix("...\n").strip()
    return f"{name}: {shown}"
