"""Toys of the spectrum on a finished run: reproducible, of the right mean, the same whatever else is fitted."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.scan_grid import MassPoint, mass_points
from scheduler.configuration import load_configuration
from scheduler.global_toys import draw_spectra, toy_significances
from scheduler.progress import Terminal
from scheduler.result_store import ResultStore
from scheduler.run_folder import RunFolder
from scheduler.scan import ScanInputs
from scheduler.steps.scan import load_inputs
from scheduler.steps.step import StepContext
from tests.end_to_end.conftest import Chain
from tests.end_to_end.tiny_chain import TINY

N_TOYS = 400


@pytest.fixture
def scan(chain: Chain, tmp_path: Path) -> tuple[list[MassPoint], ScanInputs]:
    """Mass points and inputs of the tiny run's scan."""
    context = StepContext(
        load_configuration(str(TINY)),
        chain.run,
        RunFolder(tmp_path),
        client=lambda: pytest.fail("toys are drawn without workers"),
        terminal=Terminal(),
        results=ResultStore(str(tmp_path / "kept")),
    )
    points = list(mass_points(context.config.scan))
    return points, load_inputs(context, points)


def test_toys_have_the_mean_of_their_expectation_and_follow_the_seed(scan) -> None:
    _, inputs = scan
    toys, again = draw_spectra(inputs, N_TOYS), draw_spectra(inputs, N_TOYS)
    assert toys.keys() == inputs.searches.keys()
    for search, drawn in toys.items():
        np.testing.assert_array_equal(drawn.counts, again[search].counts)
        expected = drawn.expected.sum(dtype=np.float64)
        # Given their expectations, all events of all toys together are one Poisson number; five of its deviations.
        assert abs(drawn.counts.sum() - expected) < 5.0 * np.sqrt(expected)
        assert drawn.nominal.sum() > 0.0


def test_significances_do_not_depend_on_which_others_are_asked_for(scan) -> None:
    points, inputs = scan
    toys = draw_spectra(inputs, N_TOYS)
    for point in (points[0], points[-1]):
        significances = toy_significances(point, inputs, toys[point.search])
        assert significances.shape == (N_TOYS,)
        assert np.all(np.isfinite(significances))
        np.testing.assert_array_equal(significances, toy_significances(point, inputs, toys[point.search]))


def test_the_scan_reports_toys_beside_the_bound(chain: Chain) -> None:
    toys = json.loads(chain.run.global_significance.read_text())["toys"]
    assert toys["n_toys"] == load_configuration(str(TINY)).look_elsewhere.n_toys
    assert toys["p_global"] == toys["n_above"] / toys["n_toys"]
    assert toys["p_global_low"] <= toys["p_global"] <= toys["p_global_high"]
