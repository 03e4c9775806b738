"""The closure of the signal's interpolation in report and validation."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from models.search import Search
from models.signal_closure import closure
from models.signal_shape import SignalSample, build_signal_model
from processors.scoring import NOMINAL
from processors.signal_samples import SignalModels
from scheduler.report.signal_closure import closure_figure, closure_p_values, closure_table
from scheduler.report.signal_figures import against_mass
from scheduler.validation.page import Verdict
from scheduler.validation.signal_checks import closure_check

MASSES = (0.3, 0.6, 1.0, 1.5, 2.0, 3.0)


def models(efficiency) -> SignalModels:
    samples = []
    for mass in MASSES:
        rng = np.random.default_rng(round(1000 * mass))
        n = rng.binomial(5000, efficiency(mass))
        everything = np.ones(n, dtype=bool)
        z = rng.normal(size=n)
        samples.append(
            SignalSample(mass, 5000.0, mass + (0.002 + 0.003 * mass) * z, np.ones(n), everything, everything)
        )
    model = build_signal_model(samples)
    return SignalModels(Search.MUMU, {0.0: {NOMINAL: model}}, (), {}, closure(samples))


GOOD = models(lambda mass: 0.05 + 0.01 * mass)
BAD = models(lambda mass: 0.12 if mass == 1.0 else 0.05 + 0.01 * mass)


def test_p_values_tell_an_interpolation_that_holds_from_one_that_does_not() -> None:
    good, bad = closure_p_values(GOOD), closure_p_values(BAD)
    assert set(good) == {"efficiency", "resolution", "shape"}
    assert min(good.values()) > 0.01
    assert bad["efficiency"] < 1e-6
    assert bad["resolution"] > 0.001


@pytest.mark.parametrize(("signal", "verdict"), [(GOOD, Verdict.PASSED), (BAD, Verdict.FAILED)])
def test_the_validation_says_so(signal, verdict) -> None:
    [check] = closure_check({Search.MUMU: signal})
    assert check.verdict is verdict
    assert "4 generated masses" in check.sentence
    assert set(check.numbers) == {"mumu_efficiency", "mumu_resolution", "mumu_shape"}
    plt.close(check.figure)


def test_a_grid_without_inner_masses_is_said_to_tell_nothing() -> None:
    nothing = SignalModels(Search.MUMU, GOOD.models, (), {}, ())
    [check] = closure_check({Search.MUMU: nothing})
    assert check.verdict is Verdict.ATTENTION
    assert check.figure is None
    assert closure_figure({Search.MUMU: nothing}) is None


def test_table_and_figure_hold_every_mass(tmp_path) -> None:
    entry = closure_table({Search.MUMU: GOOD}, tmp_path)
    assert [row[1] for row in entry.rows] == ["0.6", "1", "1.5", "2"]
    assert "efficiency 0." in entry.caption
    figure = against_mass({Search.MUMU: GOOD}, (0.0, 10.0))
    assert len(figure.axes) == 3
    assert len(figure.axes[0].containers) == 1
    figure.canvas.draw()
    plt.close(figure)
    drawn = closure_figure({Search.MUMU: GOOD})
    assert drawn is not None
    drawn.canvas.draw()
    plt.close(drawn)
