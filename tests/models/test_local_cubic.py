"""Interpolation by local cubics: exact for cubics, through its nodes, errors propagated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.local_cubic import local_cubic

NODES = st.lists(st.integers(-50, 50), min_size=1, max_size=9, unique=True).map(lambda n: np.sort(np.array(n, float)))


@given(NODES, st.floats(-60, 60))
def test_weights_add_to_one_and_belong_to_the_nodes_around(nodes, at):
    found = local_cubic(nodes, at)
    assert found.weight.sum() == pytest.approx(1.0, abs=1e-9)
    assert np.all(np.diff(found.node) == 1)
    assert found.value(np.full(len(nodes), 7.0)) == pytest.approx(7.0)


@given(NODES, st.data())
def test_nodes_are_kept(nodes, data):
    values = np.array(data.draw(st.lists(st.floats(-5, 5), min_size=len(nodes), max_size=len(nodes))))
    for place, value in zip(nodes, values, strict=True):
        assert local_cubic(nodes, place).value(values) == pytest.approx(value, abs=1e-12)


def test_a_cubic_is_exact_inside_and_a_parabola_next_to_the_ends():
    nodes = np.array([0.2, 0.3, 0.5, 0.9, 1.4, 2.2])

    def cubic(x):
        return 1.0 - 2.0 * x + 0.5 * x**2 + 3.0 * x**3

    for at in (0.35, 0.6, 1.2):
        assert local_cubic(nodes, at).value(cubic(nodes)) == pytest.approx(cubic(at), rel=1e-12)
    for at in (0.25, 2.0):
        assert local_cubic(nodes, at).value(nodes**2) == pytest.approx(at**2, rel=1e-12)
        assert local_cubic(nodes, at).value(nodes**3) != pytest.approx(at**3, rel=1e-6)
    assert local_cubic(nodes, 5.0).value(nodes) == 2.2


def test_the_error_is_the_scatter_of_interpolated_values():
    nodes, errors = np.arange(6.0), np.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.1])
    found = local_cubic(nodes, 2.4)
    values = np.random.default_rng(1).normal(0.0, errors, (20_000, 6))
    assert found.error(errors) == pytest.approx(np.std([found.value(row) for row in values]), rel=0.02)
