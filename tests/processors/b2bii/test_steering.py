"""The shipped basf2 steering file writes exactly what conversion reads; a stand-in for basf2 records what it asks."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from processors.b2bii.variables import (
    EVENT_VARIABLES,
    PARTICLE_VARIABLES,
    REQUIRED_TREES,
    Need,
    Tree,
    escape,
    unescape,
)

STEERING = Path(__file__).parents[3] / "docs" / "basf2" / "steering.py"
UNREAD = {"track": {"E"}, "photon": {"clusterTheta"}}
"""Variables that are written for other uses."""


@pytest.fixture
def steer(monkeypatch):
    """Run the steering file; return the arguments of the conversion and of every tree's module."""

    def run(kind):
        calls = SimpleNamespace(conversion=None, filled=[], trees={}, processed=0)

        class RecordedPath:
            def add_module(self, name, **parameters):
                assert name == "VariablesToEventBasedTree"
                calls.trees[parameters["treeName"]] = parameters

        def module(name, **content):
            stand_in = ModuleType(name)
            vars(stand_in).update(content)
            monkeypatch.setitem(sys.modules, name, stand_in)

        def process(path):
            calls.processed += 1

        conditions = SimpleNamespace(disable_globaltag_replay=lambda: None, globaltags=None)
        module("basf2", conditions=conditions, create_path=RecordedPath, process=process)
        module(
            "b2biiConversion",
            convertBelleMdstToBelleIIMdst=lambda source, **options: setattr(calls, "conversion", (source, options)),
        )
        module(
            "modularAnalysis",
            fillParticleList=lambda particles, cut, path: calls.filled.append(particles),
            fillParticleListFromMC=lambda particles, cut, skipNonPrimaryDaughters, path: calls.filled.append(particles),
            matchMCTruth=lambda particles, path: calls.filled.index(particles),
        )
        specification = importlib.util.spec_from_file_location("steering", STEERING)
        steering = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(steering)
        steering.main(kind, "belle.mdst", "out.root")
        return calls

    return run


def as_read(variables):
    return {unescape(escape(variable)) for variable in variables}


@pytest.mark.parametrize("kind", ["data", "mc", "signal"])
def test_the_steering_file_writes_what_is_read(steer, kind):
    calls = steer(kind)
    generated = {name for name in calls.trees if name not in REQUIRED_TREES}
    assert set(REQUIRED_TREES) <= set(calls.trees)
    assert all(name == Tree.MC or name.startswith("mc_") for name in generated)
    assert bool(generated) == (kind != "data")
    for name, module in calls.trees.items():
        table = PARTICLE_VARIABLES[Tree.MC if name in generated else Tree(name)]
        expected = [v.name for v in table if v.need is not Need.TRUTH or kind != "data"]
        assert as_read(module["variables"]) - UNREAD.get(name, set()) == as_read(expected)
        assert set(module["event_variables"]) <= set(EVENT_VARIABLES)
        assert module["fileName"] == "out.root"
        # Lists that the conversion makes, or that were filled before.
        assert module["particleList"] in {"gamma:mdst", "pi0:mdst", *calls.filled}
    assert calls.processed == 1


def test_the_hadronic_skims_are_off(steer):
    source, options = steer("data").conversion
    assert source == "belle.mdst"
    assert (options["HadronA"], options["HadronB"]) == (False, False)
