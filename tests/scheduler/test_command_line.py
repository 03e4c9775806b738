"""The command line as a user meets it: real processes, exit statuses, one-sentence errors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("leptophile")
STEPS = ("simulate", "process", "train", "histogram", "normalise", "scan", "report")
COMMANDS = (*STEPS, "run", "limits", "theory", "config")


def leptophile(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command with narrow, colourless output."""
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"}
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, cwd=cwd, env=environment, timeout=120)


def test_help_lists_the_commands_that_exist() -> None:
    shown = leptophile("--help")
    assert shown.returncode == 0
    for command in COMMANDS:
        assert f" {command} " in shown.stdout


def test_theory_takes_masses_one_after_another() -> None:
    shown = leptophile("theory", "--mass", "0.1", "1", "4", "--json")
    assert [point["m_phi_gev"] for point in json.loads(shown.stdout)] == [0.1, 1.0, 4.0]


def test_theory_prints_json_for_scripts() -> None:
    shown = leptophile("theory", "--mass", "0.1", "--mass", "1", "--json")
    assert shown.returncode == 0
    points = json.loads(shown.stdout)
    assert [point["m_phi_gev"] for point in points] == [0.1, 1.0]
    assert points[0]["sigma_born_fb"] == pytest.approx(5.7254, rel=1e-3)


def test_config_show_prints_what_can_be_read_back(tmp_path: Path) -> None:
    shown = leptophile("config", "show", "--config", "demo")
    assert shown.returncode == 0
    (tmp_path / "mine.yml").write_text(shown.stdout)
    assert leptophile("config", "check", "--config", "mine.yml", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["simulte"], 2, "No such command 'simulte'"),
        (["run"], 2, "Missing option '--out'"),
        (["run", "--out", "r"], 2, "has no config.yml yet: say which configuration with --config, e.g. demo."),
        (["run", "--out", "r", "--config", "bad.yml"], 2, "unknown key 'sead', did you mean 'seed'?"),
        (["run", "--out", "r", "--config", "demo", "--site", "moon"], 2, "Unknown site 'moon': use 'local', or"),
        (["scan", "--out", "r", "--config", "demo"], 2, "'scan' needs the step 'histogram', which is missing"),
        (["theory", "--mass", "20"], 2, "--mass: m_φ = 20 GeV is outside the range"),
        (["process", "--out", "r", "--config", "nothing-there.yml"], 2, "cannot be read"),
        (["process", "--out", "r", "--config", "inputs.yml"], 2, "'inputs.ntuples': there is no folder"),
        (["run", "--out", "r", "--config", "hasty.yml", "--site", "tcp://127.0.0.1:9"], 1, "No Dask scheduler answers"),
        (["histogram", "--out", "r", "--config", "demo", "--unblind", " "], 2, "--unblind needs a reason"),
    ],
)
def test_failures_are_one_sentence_with_their_exit_status(
    arguments: list[str], status: int, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.yml").write_text("sead: 1")
    (tmp_path / "hasty.yml").write_text("cluster: {connect_timeout_s: 1}")
    (tmp_path / "inputs.yml").write_text("inputs: {ntuples: nowhere}")
    shown = leptophile(*arguments, cwd=tmp_path)
    assert shown.returncode == status, shown.stderr
    assert sentence in " ".join(shown.stderr.split())
    assert "Traceback" not in shown.stderr
    assert shown.stdout == ""


def test_a_refused_command_does_not_unblind(tmp_path: Path) -> None:
    shown = leptophile("histogram", "--out", "r", "--config", "demo", "--unblind", "review passed", cwd=tmp_path)
    assert shown.returncode == 2
    assert "'histogram' needs the step" in " ".join(shown.stderr.split())
    assert not list(tmp_path.rglob("unblinding.json"))


def test_debug_adds_the_traceback_wherever_it_stands(tmp_path: Path) -> None:
    shown = leptophile("run", "--debug", "--out", "r", cwd=tmp_path)
    assert shown.returncode == 2
    assert "Traceback" in shown.stderr
