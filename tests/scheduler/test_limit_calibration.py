"""The study of coverage and significances writes its numbers and its figure."""

import json

import pytest

from models.search import Channel
from scheduler.limit_calibration import main
from scheduler.run_folder import RunFolder
from tests.models.histfactory_workspaces import MU, workspace


def test_study_writes_numbers_and_a_figure(tmp_path, capsys):
    path = tmp_path / "counting.json"
    samples = {"signal": ([2.0], [MU]), "background": ([3.0], [])}
    path.write_text(json.dumps(workspace({"bin": samples}, {"bin": [3.0]})))
    options = ["--toys", "20", "--null-toys", "300", "--luminosity-factor", "1", "50", "--workers", "1"]
    assert main([str(path), "--out", str(tmp_path / "out"), *options]) == 0
    few, many = json.loads((tmp_path / "out" / "calibration.json").read_text())
    assert (few["name"], many["name"]) == ("counting", "counting, 50 × luminosity")
    assert many["n_expected"] == pytest.approx(150.0)
    assert [c["strength"] for c in few["coverage"]] == [0.5, 1.0, 2.0]
    assert all(c["by_method"]["cls"]["n_toys"] == 20 for c in few["coverage"])
    assert (tmp_path / "out" / "calibration.png").stat().st_size > 10_000
    assert main([str(tmp_path / "none.json"), "--out", str(tmp_path)]) == 1
    assert "none.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        *((option, "0", "0 is not a number above zero") for option in ("--toys", "--null-toys", "--workers")),
        ("--level", "3", "3 is not between 0 and 1"),
    ],
)
def test_impossible_numbers_are_refused(option, value, sentence, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "any.json"), "--out", str(tmp_path), option, value])
    assert ended.value.code == 2
    assert f"argument {option}: {sentence}" in capsys.readouterr().err


def test_observed_data_of_a_run_without_an_unblinding_stay_closed(tmp_path, capsys):
    run = RunFolder(tmp_path / "run")
    path = run.workspace(Channel.MUMU, 1.0)
    path.parent.mkdir(parents=True)
    run.configuration.write_text("{}")
    samples = {"signal": ([2.0], [MU]), "background": ([3.0], [])}
    path.write_text(json.dumps(workspace({"bin": samples}, {"bin": [3.0]})))
    assert main([str(path), "--out", str(tmp_path / "out")]) == 1
    assert "has no record of an unblinding" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
