"""``leptophile limits``: results in JSON, failures in one sentence."""

import json

import pytest
from scipy.stats import poisson

from scheduler.commands.main import run_command
from scheduler.workspace_limits import WorkspaceInference
from tests.scheduler.counting_experiment import counting_experiment


def test_results_of_every_workspace_are_written(tmp_path):
    paths = []
    for counts in (4.0, 9.0):
        paths.append(tmp_path / f"{counts:.0f}.json")
        paths[-1].write_text(json.dumps(counting_experiment(counts)))
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
    impossible = counting_experiment(3.0)
    impossible["channels"][0]["samples"][1]["data"] = [0.0]
    path, out = tmp_path / "impossible.json", tmp_path / "limits.json"
    path.write_text(json.dumps(impossible))
    assert run_command(["limits", str(path), "--json", str(out)]) == 1
    assert "background_excluded" in json.loads(out.read_text())[0]["status"]
    assert "impossible.json (fit:background_excluded" in capsys.readouterr().err.replace("\n", " ")


def test_one_method_at_another_level(tmp_path):
    path, out = tmp_path / "point.json", tmp_path / "limits.json"
    path.write_text(json.dumps(counting_experiment(9.0)))
    limits = []
    for level in ("0.9", "0.95"):
        assert run_command(["limits", str(path), "--json", str(out), "--method", "cls", "--level", level]) == 0
        (found,) = json.loads(out.read_text())
        assert found["bayes_qmc"] is found["bayes_mh"] is found["bayes_toymc"] is None
        limits.append(found["cls_obs"])
    assert limits[0] < limits[1]


def test_limits_and_goodness_of_fit_from_toys(tmp_path):
    path, out = tmp_path / "point.json", tmp_path / "limits.json"
    path.write_text(json.dumps(counting_experiment(3.0)))
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
    good.write_text(json.dumps(counting_experiment(9.0)))
    bad.write_text("{")
    assert run_command(["limits", str(bad), str(good), "--json", str(out), "--method", "cls"]) == 1
    failed, found = json.loads(out.read_text())
    assert failed["status"].startswith("failed: ")
    assert failed["mu_hat"] is None
    assert found["status"] == "ok"
    assert "bad.json" in capsys.readouterr().err


def test_pyhfs_own_inference_agrees(tmp_path):
    path, out = tmp_path / "point.json", tmp_path / "limits.json"
    path.write_text(json.dumps(counting_experiment(9.0)))
    results = []
    for engine in ("compiled", "pyhf"):
        assert run_command(["limits", str(path), "--json", str(out), "--method", "cls", "--engine", engine]) == 0
        results += json.loads(out.read_text())
    ours, theirs = results
    # 1e-3: pyhf's minimiser stops earlier.
    for name in ("mu_hat", "nll", "significance", "cls_obs"):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-3)
    assert ours["cls_exp"] == pytest.approx(theirs["cls_exp"], rel=1e-3)


def broken(change):
    specification = counting_experiment(9.0)
    change(specification["channels"][0]["samples"], specification)
    return specification


BAD_INPUT = {
    "empty bin": (
        lambda samples, w: [s.update(data=[*s["data"], 0.0]) for s in (*samples, w["observations"][0])],
        "Nothing is expected in bin 1 of channel bin",
    ),
    "zero signal": (lambda samples, _: samples[0].update(data=[0.0]), "signal that mu scales is empty"),
    "data not a number": (lambda _, w: w["observations"][0].update(data=[float("nan")]), "not all finite"),
    "template not a number": (lambda samples, _: samples[1].update(data=[float("nan")]), "not finite in its yields"),
    "negative template": (lambda samples, _: samples[1].update(data=[-5.0]), "background is negative in bin 0"),
    "negative variation": (
        lambda samples, _: samples[1]["modifiers"].append(
            {"name": "shape", "type": "histosys", "data": {"lo_data": [-1.0], "hi_data": [11.0]}}
        ),
        "negative number in lo_data of histosys shape",
    ),
    "negative uncertainty": (
        lambda samples, _: samples[1]["modifiers"].append({"name": "rate", "type": "shapesys", "data": [-1.0]}),
        "negative number in data of shapesys rate",
    ),
    "null data": (lambda _, w: w["observations"][0].update(data=[None]), "at observations[0].data[0]"),
    "no data": (lambda _, w: w["observations"].clear(), "at observations: [] should be non-empty"),
    "too little data": (lambda _, w: w["observations"][0].update(data=[]), "observations"),
    "channel twice": (lambda _, w: w["channels"].append(w["channels"][0]), "channel bin appears twice"),
    "sample twice": (lambda samples, _: samples.append(dict(samples[1])), "sample background appears twice"),
    "modifier twice": (lambda samples, _: samples[0]["modifiers"].append(samples[0]["modifiers"][0]), "normfactor mu"),
    "poi absent": (lambda _, w: w["measurements"][0]["config"].update(poi="strength"), "strength"),
    "no poi": (lambda _, w: w["measurements"][0]["config"].pop("poi"), "'poi' is a required property"),
    "beyond floating point": (lambda samples, _: samples[0].update(data=[1e300]), "expected signal is 1e+300 events"),
    "vanishing signal": (lambda samples, _: samples[0].update(data=[1e-300]), "signal that mu scales is empty"),
}
"""What is wrong → how a workspace is changed, and part of the sentence that names it."""


def test_every_bad_input_is_named_and_costs_nothing_else(tmp_path, capsys):
    out, good = tmp_path / "limits.json", tmp_path / "good.json"
    good.write_text(json.dumps(counting_experiment(9.0)))
    paths = []
    for name, (change, _) in BAD_INPUT.items():
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps(broken(change)))
    assert run_command(["limits", *map(str, paths), str(good), "--json", str(out), "--method", "cls"]) == 1
    *failed, found = json.loads(out.read_text())
    for entry, (name, (_, message)) in zip(failed, BAD_INPUT.items(), strict=True):
        assert entry["name"] == name
        assert entry["status"].startswith("failed: ")
        assert message in entry["status"]
        assert "\n" not in entry["status"]
        numbers = [entry[name] for name in entry if name.startswith(("mu_", "nll", "sig", "q0", "p_", "cls", "bayes"))]
        assert {value for number in numbers for value in (number if isinstance(number, list) else [number])} == {None}
    assert found["status"] == "ok"
    assert "Traceback" not in capsys.readouterr().err


def test_a_point_that_does_not_converge_is_a_status_and_never_a_number(tmp_path):
    """A free background under a free signal in one bin: nothing tells them apart."""
    path, out = tmp_path / "degenerate.json", tmp_path / "limits.json"
    free = {"name": "free", "type": "normfactor", "data": None}
    path.write_text(json.dumps(broken(lambda samples, _: samples[1]["modifiers"].append(free))))
    assert run_command(["limits", str(path), "--json", str(out), "--method", "cls"]) == 1
    (found,) = json.loads(out.read_text())
    assert found["status"].startswith("fit:fit_failed;cls:")
    assert all(value is None for key, value in found.items() if key.startswith(("mu_", "cls_obs", "nll", "sig", "q0")))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        ('{"channels": []}', "Not a valid pyhf workspace"),
        (json.dumps(counting_experiment(4.0, poi="strength")), "strength"),
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


def write(folder, **counts):
    """Write workspaces by name and return their paths."""
    folder.mkdir(exist_ok=True)
    for name, n in counts.items():
        (folder / f"{name}.json").write_text(json.dumps(counting_experiment(n)) if n is not None else "{")
    return [str(folder / f"{name}.json") for name in counts]


def test_a_site_gives_the_same_and_keeps_the_others_where_one_fails(tmp_path, dask_client, capsys):
    paths = write(tmp_path / "in", few=4.0, broken=None, many=9.0)
    address = dask_client.scheduler.address
    results = {}
    for site in ("local", address):
        out = tmp_path / f"{len(results)}.json"
        assert run_command(["limits", *paths, "--json", str(out), "--method", "cls", "--site", site]) == 1
        assert "broken.json" in capsys.readouterr().err
        results[site] = json.loads(out.read_text())
    assert results["local"] == results[address]
    assert [found["status"].split(":")[0] for found in results[address]] == ["ok", "failed", "ok"]


def test_only_what_is_missing_is_computed(tmp_path, monkeypatch):
    out = tmp_path / "out.json"
    computed = []
    infer = WorkspaceInference.__call__

    def counted(self, file):
        computed.append(file.name)
        return infer(self, file)

    monkeypatch.setattr(WorkspaceInference, "__call__", counted)
    command = ["limits", "--json", str(out), "--method", "cls", "--workers", "1"]
    assert run_command([*command, *write(tmp_path, a=4.0, bad=None)]) == 1
    assert run_command([*command, *write(tmp_path, a=4.0, bad=3.0, new=9.0)]) == 0
    assert computed == ["a", "bad", "bad", "new"]
    assert [found["name"] for found in json.loads(out.read_text())] == ["a", "bad", "new"]
    # Another level is another result.
    assert run_command([*command, "--level", "0.95", *write(tmp_path, new=9.0)]) == 0
    assert computed[4:] == ["new"]


def test_what_nobody_expected_costs_one_workspace_only(tmp_path, monkeypatch, capsys):
    paths = write(tmp_path, good=4.0, odd=9.0)
    infer = WorkspaceInference._infer

    def broken(self, specification):
        if specification["observations"][0]["data"] == [9.0]:
            raise ZeroDivisionError("a number")
        return infer(self, specification)

    monkeypatch.setattr(WorkspaceInference, "_infer", broken)
    assert run_command(["limits", *paths, "--method", "cls"]) == 1
    shown = capsys.readouterr()
    assert "good.json: best fit" in shown.out
    assert "ZeroDivisionError: a number" in shown.err


def test_nothing_to_do_is_wrong_use():
    assert run_command(["limits"]) == 2
