"""The validation page: verdicts, figures that exist, and what is unlikely by chance."""

import json
from pathlib import Path

import matplotlib.pyplot as plt

from scheduler.validation.page import Check, CheckTable, Verdict, verdict_of_p_value, write_validation_page


def test_every_check_has_its_row_and_its_figure(tmp_path: Path) -> None:
    figure, axes = plt.subplots()
    axes.plot([0, 1], [0, 1])
    checks = [
        Check("Inputs ee", Verdict.ATTENTION, "n_pi0 p = 1e-3 < 0.05", {"n_pi0": 1e-3}, figure),
        Check(
            "Nothing to draw", Verdict.PASSED, "all <fine>", {}, None, CheckTable(("a", "b"), [(1, None), (2.5, "x")])
        ),
    ]
    results = write_validation_page(checks, tmp_path / "validation", "a run")
    page = (tmp_path / "validation" / "index.html").read_text()
    assert page.count("<tr>") == 3
    assert 'href="#check-0"' in page
    assert 'id="check-0"' in page
    assert "all &lt;fine&gt;" in page
    assert results[1].table == "nothing_to_draw.csv"
    assert f'href="{results[1].table}"' in page
    assert (tmp_path / "validation" / results[1].table).read_text().split() == ["a,b", "1,", "2.5,x"]
    assert results[0].figure is not None
    assert (tmp_path / "validation" / results[0].figure).read_bytes()[:4] == b"\x89PNG"
    written = json.loads((tmp_path / "validation" / "checks.json").read_text())
    assert [check["verdict"] for check in written] == ["attention", "passed"]


def test_the_smallest_of_many_p_values_is_judged_for_their_number() -> None:
    assert verdict_of_p_value(0.01) is Verdict.ATTENTION
    assert verdict_of_p_value(0.01, 20) is Verdict.PASSED
    assert verdict_of_p_value(1e-8, 20) is Verdict.FAILED
