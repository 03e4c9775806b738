"""Results that are kept as they come."""

import json

import pytest

from models.errors import UsageError
from scheduler.result_lines import result_lines


def line(identity, value):
    return json.dumps({"identity": identity, "value": value})


def found(path, wanted):
    with result_lines(path) as lines:
        return dict(lines.reuse(wanted, lambda one: one["value"] is not None))


def test_the_list_is_in_the_order_asked_for(tmp_path):
    path = tmp_path / "out.json"
    with result_lines(path) as lines:
        lines.add(1, line("b", 2.0))
        lines.add(0, line("a", 1.0))
        assert not path.exists()
        lines.finish()
    assert [one["value"] for one in json.loads(path.read_text())] == [1.0, 2.0]
    assert list(tmp_path.iterdir()) == [path]


def test_what_has_come_is_found_again_after_a_run_that_died(tmp_path):
    path = tmp_path / "out.json"
    with result_lines(path) as lines:
        # A run that is interrupted does not get to `finish`.
        lines.add(0, line("a", 1.0))
    with (tmp_path / "out.json.partial").open("a") as partial:
        partial.write(line("b", 2.0)[:-4])
    assert found(path, {"a": 5, "b": 6}) == {5: {"identity": "a", "value": 1.0}}
    with result_lines(path) as lines:
        list(lines.reuse({"a": 1}, lambda _: True))
        lines.add(0, line("b", 3.0))
        lines.finish()
    assert [one["value"] for one in json.loads(path.read_text())] == [3.0, 1.0]


def test_a_finished_list_is_added_to_and_what_failed_is_made_again(tmp_path):
    path = tmp_path / "out.json"
    with result_lines(path) as lines:
        lines.add(0, line("a", 1.0))
        lines.add(1, line("b", None))
        lines.finish()
    assert found(path, {"a": 0, "b": 1, "c": 2}) == {0: {"identity": "a", "value": 1.0}}


def test_a_list_of_another_layout_is_replaced(tmp_path):
    path = tmp_path / "out.json"
    path.write_text(json.dumps([{"identity": "a", "value": 1.0}], indent=1))
    assert found(path, {"a": 0}) == {}
    with result_lines(path) as lines:
        lines.finish()
    assert json.loads(path.read_text()) == []


def test_two_runs_do_not_write_the_same_list(tmp_path):
    path = tmp_path / "out.json"
    with result_lines(path), pytest.raises(UsageError, match=r"out\.json"), result_lines(path):
        pass
