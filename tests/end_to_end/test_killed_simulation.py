"""A run of which every process is killed goes on where it stopped, and ends with the files of an undisturbed one."""

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import uproot
import yaml

from processors.ntuple import TREE_NAME
from processors.sample import read_sample_metadata
from tests.end_to_end.tiny_chain import COMMAND, CommandLine

CONFIG = {
    "simulation": {
        "tau_library": {"n_decays": 400, "decays_per_task": 400},
        "upsilon": {"library": {"n_decays": 400, "decays_per_task": 400}},
        "signal": {},
        "skim": {"preselection": {"enabled": True}},
        "production": {
            "data_luminosity_fb": 0.0001,
            "events_per_file": 2000,
            "events_per_file_of": {"qqbar": 1000},
            "mc_luminosity_ratio": {"tautau": 130.0, "qqbar": 12.0},
            "importance": {
                "qqbar": {
                    "semileptonic_boost": 50,
                    "semileptonic_share": 0.4,
                    "identification_boost": {"ee": 20, "mumu": 20},
                    "splitting": {"copies": {"ee": 50, "mumu": 50}},
                }
            },
        },
    },
    "cluster": {"workers": 2},
}


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("[!.]*.root")}


@pytest.mark.timeout(900)  # three runs of the command, each of which starts a cluster
@pytest.mark.long
def test_a_killed_run_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    config = tmp_path / "small.yml"
    config.write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    whole, killed = CommandLine(tmp_path / "whole"), CommandLine(tmp_path / "killed")
    assert whole("simulate", "--config", str(config)).returncode == 0

    # A group of its own: command, scheduler and workers die together, none can tidy up.
    process = subprocess.Popen(
        [COMMAND, "simulate", "--config", config, "--out", killed.run.path],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 200.0
    while len(_files(killed.run.unfinished)) < 3 and time.monotonic() < deadline:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = {path: path.stat().st_mtime_ns for path in killed.run.unfinished.rglob("[!.]*.root")}
    assert len(done) >= 3
    assert not killed.run.ntuples.exists()

    again = killed("simulate", "--config", str(config))
    assert again.returncode == 0, again.stderr
    assert _files(killed.run.ntuples) == _files(whole.run.ntuples)
    assert len(done) < len(_files(whole.run.ntuples))
    kept = {path.name: path.stat().st_mtime_ns for path in killed.run.ntuples.rglob("*.root")}
    assert all(kept[path.name] == time_ns for path, time_ns in done.items())
    for name in _files(whole.run.ntuples):
        one, other = (folder.run.ntuples / name for folder in (whole, killed))
        assert read_sample_metadata(one) == read_sample_metadata(other)
        with uproot.open(one) as first, uproot.open(other) as second:
            columns = first[TREE_NAME].arrays(library="np"), second[TREE_NAME].arrays(library="np")
        assert columns[0].keys() == columns[1].keys()
        for branch, values in columns[0].items():
            for entry, same in zip(values, columns[1][branch], strict=True):
                np.testing.assert_array_equal(entry, same, err_msg=f"{name}: {branch}")
    assert not list(killed.run.path.rglob(".*.root"))
