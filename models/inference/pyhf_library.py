"""pyhf, imported without the grammar of international addresses that its schema validator loads where it finds one.

`jsonschema` compiles that grammar at import, for a format that no schema of pyhf has. With JupyterLab installed it is
there, and takes longer than everything else that pyhf imports.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_GRAMMAR: Final = "rfc3987_syntax"


@contextmanager
def _without(module: str) -> Iterator[None]:
    """Let an optional module that has not been imported yet seem not installed."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]


with _without(_GRAMMAR):
    import pyhf

__all__ = ["pyhf"]
