"""What the commands make of places they cannot write to."""

import json

import pytest

from scheduler.commands.main import run_command


def test_run_folder_that_is_a_file_is_wrong_use(tmp_path, capsys):
    (tmp_path / "notes").write_text("not a folder")
    assert run_command(["run", "--config", "demo", "--out", str(tmp_path / "notes" / "mine")]) == 2
    assert f"--out: {tmp_path / 'notes'} is not a folder" in capsys.readouterr().err.replace("\n", " ")


def test_results_without_a_place_fail_before_the_work(tmp_path, capsys):
    out = tmp_path / "nowhere" / "limits.json"
    assert run_command(["limits", str(tmp_path / "any.json"), "--json", str(out)]) == 2
    assert f"--json: there is no folder {out.parent}." in capsys.readouterr().err.replace("\n", " ")


def test_failure_of_the_file_system_is_one_sentence(tmp_path, capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr("scheduler.commands.config.json.dumps", full)
    assert run_command(["config", "show", "--json"]) == 1
    error = capsys.readouterr().err
    assert "leptophile: somewhere: No space left on device." in error
    assert "Traceback" not in error


@pytest.mark.parametrize("masses", [["0.5"], ["0.5", "1", "3"]])
def test_theory_table_shows_whole_names_and_numbers(masses, capsys):
    arguments = [argument for mass in masses for argument in ("--mass", mass)]
    assert run_command(["theory", *arguments]) == 0
    shown = capsys.readouterr().out
    assert "sigma_born_fb" in shown
    assert "2.4667" in shown
    assert "…" not in shown


def test_configuration_in_json_is_json(capsys):
    assert run_command(["config", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seed"] == 1


def test_configuration_that_is_not_text_is_wrong_use(tmp_path, capsys):
    path = tmp_path / "picture.yml"
    path.write_bytes(b"seed: 1 # \xff")
    assert run_command(["config", "check", "--config", str(path)]) == 2
    assert "picture.yml: not text in UTF-8 (byte 10)." in capsys.readouterr().err.replace("\n", "")
