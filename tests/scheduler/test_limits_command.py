"""``leptophile limits``: results in JSON, failures in one sentence."""

import json

import pytest

from scheduler.commands.main import run_command


def workspace(counts, *, poi="mu"):
    samples = [
        {"name": "signal", "data": [2.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
        {"name": "background", "data": [5.0], "modifiers": []},
    ]
    return {
        "channels": [{"name": "bin", "samples": samples}],
        "observations": [{"name": "bin", "data": [counts]}],
        "measurements": [{"name": "any", "config": {"poi": poi, "parameters": []}}],
        "version": "1.0.0",
    }


def test_results_of_every_workspace_are_written(tmp_path):
    paths = []
    for counts in (4.0, 9.0):
        paths.append(tmp_path / f"{counts:.0f}.json")
        paths[-1].write_text(json.dumps(workspace(counts)))
    out = tmp_path / "limits.json"
    assert run_command(["limits", *map(str, paths), "--json", str(out)]) == 0
    few, many = json.loads(out.read_text())
    assert few["workspace"] == str(paths[0])
    assert few["status"] == many["status"] == "ok"
    assert few["significance"] < 0 < many["significance"]
    assert few["xsec_ul_mh_fb"] < many["xsec_ul_mh_fb"]
    assert few["xsec_exp_0_fb"] == pytest.approx(many["xsec_exp_0_fb"])
    assert few["details"]["metropolis"]["r_hat"] < 1.05


def test_incomplete_result_is_written_and_fails(tmp_path, capsys):
    impossible = workspace(3.0)
    impossible["channels"][0]["samples"][1]["data"] = [0.0]
    path, out = tmp_path / "impossible.json", tmp_path / "limits.json"
    path.write_text(json.dumps(impossible))
    assert run_command(["limits", str(path), "--json", str(out)]) == 1
    assert "background_excluded" in json.loads(out.read_text())[0]["status"]
    assert "impossible.json (fit:background_excluded" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        ('{"channels": []}', "Not a valid pyhf workspace"),
        (json.dumps(workspace(4.0, poi="strength")), "strength"),
    ],
)
def test_unusable_file_is_named(tmp_path, capsys, content, message):
    path = tmp_path / "broken.json"
    if content is not None:
        path.write_text(content)
    assert run_command(["limits", str(path)]) == 1
    error = capsys.readouterr().err
    assert "broken.json" in error
    assert message in error
    assert "Traceback" not in error


def test_nothing_to_do_is_wrong_use():
    assert run_command(["limits"]) == 2
