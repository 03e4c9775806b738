"""The project as a whole: its environments agree, imports point one way, and its documents hold together."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("models", "processors", "simulation", "scheduler")
MAY_IMPORT = {
    "models": {"models"},
    "processors": {"processors", "models"},
    "simulation": {"simulation", "processors", "models"},
    "scheduler": {"scheduler", "simulation", "processors", "models"},
}
CONDA_NAMES = {
    "coffea[dask]": ("coffea",),
    "dask[distributed]": ("dask", "distributed"),
    "dask-gateway-server[local]": ("dask-gateway-server-local",),
    "fastjsonschema": ("python-fastjsonschema",),
    "htcondor": ("python-htcondor",),
    "matplotlib": ("matplotlib-base",),
    "xgboost-cpu": ("py-xgboost-cpu",),
}
"""PyPI requirement → conda-forge packages that stand for it; the same name if not listed."""
CONDA_ONLY = {"python", "pip"}


def sources() -> list[Path]:
    """Return every file under version control that is text."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    binary = {".png", ".pdf", ".root", ".npz", ".parquet"}
    return [ROOT / name for name in listed if (ROOT / name).is_file() and Path(name).suffix not in binary]


def requirement(text: str) -> tuple[str, str]:
    """Split a requirement into name and version specifier."""
    match = re.fullmatch(r"([A-Za-z0-9_.\-]+(?:\[[a-z,]+\])?)\s*(.*)", text.strip())
    assert match, text
    return match.group(1), match.group(2).replace(" ", "")


def test_environment_equals_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = dict(
        requirement(text) for text in [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    )
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    from_pip = dict(requirement(text) for entry in listed if isinstance(entry, dict) for text in entry["pip"])
    conda = dict(requirement(entry) for entry in listed if isinstance(entry, str))
    assert conda.pop("python") == project["project"]["requires-python"]
    expected = {
        name: version
        for requirement_name, version in wanted.items()
        if requirement_name not in from_pip
        for name in CONDA_NAMES.get(requirement_name, (requirement_name,))
    }
    assert {name: version for name, version in conda.items() if name not in CONDA_ONLY} == expected
    assert from_pip.items() <= wanted.items()


def test_lock_holds_every_dependency_with_hashes_and_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for dependency in [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]:
        name = requirement(dependency)[0].split("[")[0]
        assert re.search(rf"^{re.escape(name)}==[^ ]+ .*\\$", text, re.MULTILINE | re.IGNORECASE), name
    assert "://" not in text
    assert len(re.findall(r"^[A-Za-z0-9]", text, re.MULTILINE)) <= text.count("--hash=sha256:")


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        imported = {name.split(".")[0] for name in imports(path)} & set(PACKAGES)
        assert imported <= MAY_IMPORT[package], f"{path.relative_to(ROOT)} imports {imported - MAY_IMPORT[package]}"


@pytest.mark.parametrize(
    ("package", "library"),
    [("models", "uproot"), ("models", "awkward"), ("models", "dask"), ("models", "distributed"), ("models", "coffea")]
    + [(package, library) for package in ("processors", "simulation") for library in ("dask", "distributed")],
)
def test_models_know_no_events_and_processors_no_cluster(package: str, library: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        assert library not in {name.split(".")[0] for name in imports(path)}, path.relative_to(ROOT)


def imports(path: Path) -> Iterator[str]:
    """Yield the name of every module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


# Written in pieces, so that this file does not contain them itself.
@pytest.mark.parametrize("string", ["/" + "work/", "/" + "root/", "/home" + "/", "pypi" + ".org", "/" + "tmp/"])
def test_no_file_names_a_machine_or_a_registry(string: str) -> None:
    assert [path.relative_to(ROOT) for path in sources() if string in path.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("path", [path for path in sources() if path.suffix == ".md"], ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.relative_to(ROOT)} links to {target}"
