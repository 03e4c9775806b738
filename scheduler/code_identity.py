"""Which code a step runs: a digest of every module of this project that its entry module imports, directly or not.

The dependencies are read from the import statements instead of being declared, so that no list can go stale. Imports
under ``if TYPE_CHECKING`` are left out: they are not executed.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import platform
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from pydantic import JsonValue

PROJECT_PACKAGES: Final = ("models", "processors", "simulation", "scheduler")
DISTRIBUTION: Final = "leptophile"
_BLOCKS: Final = ("body", "orelse", "finalbody", "handlers", "cases")
"""Where a syntax tree keeps statements inside statements."""


@cache
def code_digest(module: str) -> str:
    """Return a digest of `module`, all project modules it imports transitively and the data files beside them.

    Parameters
    ----------
    module
        Dotted name of the entry module.

    Examples
    --------
    >>> code_digest("models.search") != code_digest("models.settings")
    True
    """
    digest = hashlib.sha256()
    for name, path in sorted(imported_modules(module).items()):
        digest.update(name.encode())
        digest.update(path.read_bytes())
    folders = {path.parent for path in imported_modules(module).values()}
    for file in sorted(data for folder in folders for data in _data_files(folder)):
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


@cache
def library_versions() -> dict[str, str]:
    """Return the installed version of every library the project depends on directly."""
    names = [re.split(r"[^A-Za-z0-9._-]", text)[0] for text in importlib.metadata.requires(DISTRIBUTION) or ()]
    return {name: importlib.metadata.version(name) for name in sorted(names)}


@cache
def computation_identity(module: str) -> dict[str, JsonValue]:
    """Return what results of a module follow from besides its arguments: its code, and the libraries that it imports.

    Digests are those of the files when this process first asked: a worker that outlives an edit goes on saying which
    code it runs.

    Parameters
    ----------
    module
        Dotted name of the entry module.

    Examples
    --------
    >>> sorted(computation_identity("processors.regions"))
    ['code', 'libraries', 'python']
    """
    return {
        "code": code_digest(module),
        "libraries": dict(imported_libraries(module)),
        "python": platform.python_version(),
    }


@cache
def imported_libraries(module: str) -> dict[str, str]:
    """Return name and version of every installed library that a module or a project module below it imports.

    >>> list(imported_libraries("models.settings"))
    ['pydantic']
    """
    imported = {
        name.split(".")[0] for source, path in imported_modules(module).items() for name in _imports(path, source)
    }
    distributions = _distributions()
    names = {name for package in imported - {*PROJECT_PACKAGES} for name in distributions.get(package, ())}
    return {name: importlib.metadata.version(name) for name in sorted(names)}


@cache
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


@cache
def imported_modules(module: str) -> dict[str, Path]:
    """Return the source file of `module` and of every project module that importing it executes.

    >>> sorted(imported_modules("models.search"))
    ['models', 'models.constants', 'models.search']
    """
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _source(name)
        if name in found or path is None:
            continue
        found[name] = path
        parent = name.rpartition(".")[0]
        waiting += [parent] if parent else []
        waiting += _imports(path, name)  # what is not of this project has no source and ends here
    return found


@cache
def _source(module: str) -> Path | None:
    """Return the source file of a project module, or None when the name is not one."""
    package, *rest = module.split(".")
    if package not in PROJECT_PACKAGES:
        return None
    specification = importlib.util.find_spec(package)
    if specification is None or specification.origin is None:
        return None
    stem = Path(specification.origin).parent.joinpath(*rest)
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


@cache
def _imports(path: Path, module: str) -> tuple[str, ...]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names: list[str] = []
    for node in _executed_statements(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = importlib.util.resolve_name("." * node.level + base, package)
            # `from package import name` may name a module or an attribute; the former exists as a file.
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(names)


def _executed_statements(node: ast.AST) -> Iterator[ast.stmt | ast.ExceptHandler | ast.match_case]:
    """Yield the statements below a node; expressions, which are most of a syntax tree, hold no imports."""
    for block in _BLOCKS:
        for child in getattr(node, block, ()):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            yield child
            yield from _executed_statements(child)


def _data_files(folder: Path) -> Iterator[Path]:
    """Yield the files beside the modules of a package that are not code: tables, reference values, templates."""
    for file in folder.iterdir():
        if file.is_file() and file.suffix != ".py" and not file.name.startswith("."):
            yield file
