"""``leptophile limits``: results in JSON, failures in one sentence."""

import json

import pytest
from scipy.stats import poisson

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
    assert [few["name"], many["name"]] == ["4", "9"]
    # One bin with known background: n = 5 + 2 μ, in closed form.
    assert (few["mu_hat"], many["mu_hat"]) == (pytest.approx(-0.5, abs=1e-4), pytest.approx(2.0, abs=1e-4))
    assert (few["q0"], many["q0"]) == (0.0, pytest.approx(many["significance"] ** 2))
    assert many["nll"] == pytest.approx(-poisson.logpmf(9, 9.0), abs=1e-6)
    for method in ("bayes_qmc", "bayes_mh", "bayes_toymc"):
        assert few[method] < many[method]
        assert few[method] == pytest.approx(few["bayes_qmc"], rel=2e-4)
        assert few[f"{method}_err"] < 0.01
    assert few["cls_exp"] == pytest.approx(many["cls_exp"])
    assert few["bayes_exp"] == [None] * 5
    assert few["details"]["metropolis"]["r_hat"] < 1.05


def test_incomplete_result_is_written_and_fails(tmp_path, capsys):
    impossible = workspace(3.0)
    impossible["channels"][0]["samples"][1]["data"] = [0.0]
    path, out = tmp_path / "impossible.json", tmp_path / "limits.json"
    path.write_text(json.dumps(impossible))
    assert run_command(["limits", str(path), "--json", str(out)]) == 1
    assert "background_excluded" in json.loads(out.read_text())[0]["status"]
    assert "impossible.json (fit:background_excluded" in capsys.readouterr().err.replace("\n", " ")


def test_one_method_at_another_level(tmp_path):
    path, out = tmp_path / "point.json", tmp_path / "limits.json"
    path.write_text(json.dumps(workspace(9.0)))
    limits = []
    for level in ("0.9", "0.95"):
        assert run_command(["limits", str(path), "--json", str(out), "--method", "cls", "--level", level]) == 0
        (found,) = json.loads(out.read_text())
        assert found["bayes_qmc"] is found["bayes_mh"] is found["bayes_toymc"] is None
        limits.append(found["cls_obs"])
    assert limits[0] < limits[1]


def test_limits_and_goodness_of_fit_from_toys(tmp_path):
    path, out = tmp_path / "point.json", tmp_path / "limits.json"
    path.write_text(json.dumps(workspace(3.0)))
    asked = ["--method", "cls-toys", "--goodness-toys", "200"]
    assert run_command(["limits", str(path), "--json", str(out), *asked]) == 0
    (found,) = json.loads(out.read_text())

    def cls(xsec):
        return poisson.cdf(3, 5.0 + 2.0 * xsec) / poisson.cdf(3, 5.0)

    # One bin with known background: CLs is a ratio of Poisson probabilities, a tenth of it per 1 % of the limit here.
    assert cls(found["cls_toys_obs"]) == pytest.approx(0.1, abs=0.02)
    assert 0 < found["cls_toys_obs_err"] < 0.01 * found["cls_toys_obs"]
    assert found["cls_toys_exp"] == sorted(found["cls_toys_exp"])
    assert all(0 < error < 0.05 for error in found["cls_toys_exp_err"])
    # The asymptotic limit that the toys are thrown around is there to compare with.
    assert found["cls_obs"] == pytest.approx(found["cls_toys_obs"], rel=0.2)
    assert found["bayes_qmc"] is None
    assert 0 < found["gof_p_toys"] <= 1
    assert found["gof_p"] is None


def test_a_bad_workspace_does_not_cost_the_others(tmp_path, capsys):
    good, bad, out = tmp_path / "good.json", tmp_path / "bad.json", tmp_path / "limits.json"
    good.write_text(json.dumps(workspace(9.0)))
    bad.write_text("{")
    assert run_command(["limits", str(bad), str(good), "--json", str(out), "--method", "cls"]) == 1
    failed, found = json.loads(out.read_text())
    assert failed["status"].startswith("failed: ")
    assert failed["mu_hat"] is None
    assert found["status"] == "ok"
    assert "bad.json" in capsys.readouterr().err


def test_pyhfs_own_inference_agrees(tmp_path):
    path, out = tmp_path / "point.json", tmp_path / "limits.json"
    path.write_text(json.dumps(workspace(9.0)))
    results = []
    for engine in ("compiled", "pyhf"):
        assert run_command(["limits", str(path), "--json", str(out), "--method", "cls", "--engine", engine]) == 0
        results += json.loads(out.read_text())
    ours, theirs = results
    # 1e-3: pyhf's minimiser stops earlier.
    for name in ("mu_hat", "nll", "significance", "cls_obs"):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-3)
    assert ours["cls_exp"] == pytest.approx(theirs["cls_exp"], rel=1e-3)


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
