"""Remake ``workspaces.json`` from a checkout of pyhf: ``python -m tests.models.pyhf_validation.remake CHECKOUT``.

The inputs are data of the pyhf project (scikit-hep/pyhf, Apache-2.0): the models of its ``tests/test_validation.py``
with the CLs values that stand there, which come from ROOT or agree with it; its HistFactory XML imports, which are
ROOT's own examples; and the workspaces of its documentation and tests. Where pyhf publishes no value, that of the
installed pyhf at μ = 1 with a converged minimiser stands in, and ``source`` says so.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import inspect
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyhf
import pyhf.readxml

ASYMPTOTIC = ("1bin_shapesys", "1bin_lumi", "1bin_normsys", "2bin_histosys", "2bin_2channel")
SETTINGS = {"normsys": {"interpcode": "code1"}}
"""Interpolation that pyhf's validation test chooses; the others are pyhf's defaults."""
N_STARTS = 8
COUPLED = tuple(f"2bin_2channel_coupled{kind}" for kind in ("norm", "histosys", "shapefactor"))
XML = {
    "xml example": ("xmlimport_input/config/example.xml", "xmlimport_input"),
    "xml example 2": ("xmlimport_input2/config/example.xml", "xmlimport_input2"),
    "xml ShapeSys": ("xmlimport_input3/config/examples/example_ShapeSys.xml", "xmlimport_input3"),
    "xml coupled histosys": (
        "multichan_coupledhistosys_histfactory/config/example.xml",
        "multichan_coupledhistosys_histfactory",
    ),
    "xml coupled overall": (
        "multichan_coupledoverall_histfactory/config/example.xml",
        "multichan_coupledoverall_histfactory",
    ),
    "xml multichannel": ("multichannel_histfactory/config/example.xml", "multichannel_histfactory"),
    "xml overallsys": ("overallsys_histfactory/config/example.xml", "overallsys_histfactory"),
    "xml shared nuisance": ("shared_nuispar_across_types/config/example.xml", "shared_nuispar_across_types"),
}


def validation_models(checkout: Path) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield name, workspace and published CLs of the models that pyhf's validation test builds."""
    found = importlib.util.spec_from_file_location("pyhf_test_validation", checkout / "tests" / "test_validation.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    # Its other tests are parametrised with backends that need not be installed.
    pyhf.tensor.jax_backend = None
    found.loader.exec_module(module)

    def fixture(name: str, *arguments: object) -> Any:
        function = getattr(module, name)
        return inspect.unwrap(function)(*arguments)

    for name in (*ASYMPTOTIC, *COUPLED):
        source = fixture(f"source_{name}")
        specification = fixture(f"spec_{name}", source)
        channels = source.get("channels") or {specification["channels"][0]["name"]: source}
        data = {channel["name"]: channels[channel["name"]]["bindata"]["data"] for channel in specification["channels"]}
        workspace = {
            "channels": specification["channels"],
            "observations": [{"name": channel, "data": counts} for channel, counts in data.items()],
            "measurements": [
                {"name": "validation", "config": {"poi": "mu", "parameters": specification.get("parameters", [])}}
            ],
            "version": "1.0.0",
        }
        yield name, workspace, fixture(f"expected_result_{name}")


def other_workspaces(checkout: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and workspace of everything for which pyhf publishes no value."""
    for name, (xml, folder) in XML.items():
        yield name, pyhf.readxml.parse(checkout / "validation" / xml, checkout / "validation" / folder)
    yield "documentation", json.loads((checkout / "docs" / "examples" / "json" / "2-bin_1-channel.json").read_text())
    background = pyhf.Workspace(json.loads((checkout / "tests" / "test_patchset" / "example_bkgonly.json").read_text()))
    patches = pyhf.PatchSet(json.loads((checkout / "tests" / "test_patchset" / "example_patchset.json").read_text()))
    for patch in patches:
        yield f"patch {patch.name}", dict(patches.apply(background, patch.name))


def computed(workspace: dict[str, Any], settings: dict[str, Any]) -> tuple[dict[str, float], dict[str, Any]]:
    """Return best fit with μ ≥ 0 and CLs at μ = 1 as the installed pyhf finds them.

    With the smooth interpolation some of these likelihoods have a second minimum in which a fit from pyhf's own start
    ends; the start is the lowest of the fits from a few.
    """
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-12, maxiter=100_000))
    parsed = pyhf.Workspace(workspace)
    model = parsed.model(modifier_settings=settings) if settings else parsed.model()
    bounds = model.config.suggested_bounds()
    bounds[model.config.poi_index] = (0.0, 100.0)
    data = parsed.data(model)
    rng = np.random.default_rng(1)
    best, lowest = model.config.suggested_init(), np.inf
    free = ~np.array(model.config.suggested_fixed())
    for _ in range(N_STARTS):
        start = np.clip(best + free * rng.normal(size=free.size), *np.array(bounds).T)
        with contextlib.suppress(pyhf.exceptions.FailedMinimization):
            point, twice_nll = pyhf.infer.mle.fit(data, model, start.tolist(), bounds, return_fitted_val=True)
            if twice_nll < lowest:
                best, lowest = point.tolist(), twice_nll
    observed, band = pyhf.infer.hypotest(1.0, data, model, best, bounds, return_expected_set=True)
    fit = {"mu": best[model.config.poi_index], "twice_nll": float(lowest)}
    return fit, {"obs": float(observed), "exp": [float(value) for value in band]}


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    checkout = parser.parse_args().checkout.resolve()
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True, check=True)
    os.chdir(checkout)
    published = f"published by pyhf at {commit.stdout.strip()[:12]}"
    entries = {}
    for name, workspace, cls in validation_models(checkout):
        fit, _ = computed(workspace, SETTINGS)
        entries[name] = {"source": published, "settings": SETTINGS, "workspace": workspace, "fit": fit, "cls": cls}
    for name, workspace in other_workspaces(checkout):
        fit, cls = computed(workspace, {})
        source = f"computed by pyhf {pyhf.__version__}"
        entries[name] = {"source": source, "settings": {}, "workspace": workspace, "fit": fit, "cls": cls}
    for entry in entries.values():
        assert np.all(np.isfinite([entry["cls"]["obs"], *entry["cls"]["exp"]]))
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items())
    Path(__file__).with_name("workspaces.json").write_text("{\n" + lines + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
