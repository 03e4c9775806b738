"""Correction tables, event weights and their variations."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from pydantic import ValidationError

from models.search import Channel
from processors.configuration import CorrectionSettings, CorrectionTable
from processors.corrections import WeightSource, corrected_weights, weight_sources

TABLE = CorrectionTable(
    momentum_edges_gev=(0.0, 1.0, 3.0),
    theta_edges_deg=(17.0, 90.0, 150.0),
    correction=((0.90, 0.95), (1.05, 1.10)),
    uncertainty=((0.04, 0.03), (0.02, 0.01)),
)
SETTINGS = CorrectionSettings(electron_efficiency=TABLE)


def _momentum(p, theta_deg):
    theta = np.deg2rad(theta_deg)
    return [p * np.sin(theta), 0.0, p * np.cos(theta)]


@pytest.mark.parametrize(
    ("p", "theta_deg", "expected"),
    [
        (0.5, 30.0, (0.90, 0.04)),
        (0.5, 120.0, (0.95, 0.03)),
        (1.0, 30.0, (1.05, 0.02)),
        (2.0, 120.0, (1.10, 0.01)),
        (9.0, 170.0, (1.10, 0.01)),
        (0.1, 5.0, (0.90, 0.04)),
    ],
)
def test_tables_are_looked_up_by_bin_and_extended_beyond_their_edges(p, theta_deg, expected):
    assert tuple(float(x) for x in TABLE.look_up(np.array(p), np.deg2rad(theta_deg))) == expected


def test_daughters_take_the_correction_of_what_they_are_in_truth():
    momentum = np.array([[_momentum(0.5, 30.0), _momentum(2.0, 120.0)]] * 2)
    is_true = np.array([[True, True], [True, False]])
    weights = corrected_weights(np.array([2.0, 3.0]), momentum, is_true, Channel.EE, SETTINGS)
    assert_allclose(weights.nominal, [2.0 * 0.90 * 1.10, 3.0 * 0.90], rtol=1e-14)
    identification = WeightSource.IDENTIFICATION_ELECTRON
    assert_allclose(weights.up[identification], [2.0 * 0.94 * 1.11, 3.0 * 0.94], rtol=1e-14)
    assert_allclose(weights.down[identification], [2.0 * 0.86 * 1.09, 3.0 * 0.86], rtol=1e-14)
    misidentification = WeightSource.MISIDENTIFICATION_ELECTRON
    # The default 10 % for a pion above 1 GeV in the barrel.
    assert_allclose(weights.up[misidentification] / weights.nominal, [1.0, 1.10], rtol=1e-14)
    assert_allclose(weights.down[misidentification] / weights.nominal, [1.0, 0.90], rtol=1e-14)


def test_tracking_moves_all_four_tracks_together():
    momentum = np.array([[_momentum(2.0, 90.0)] * 2])
    weights = corrected_weights(np.ones(1), momentum, np.ones((1, 2), dtype=bool), Channel.MUMU, CorrectionSettings())
    assert_allclose(weights.up[WeightSource.TRACKING], 1.0035**4, rtol=1e-14)
    assert_allclose(weights.down[WeightSource.TRACKING], 0.9965**4, rtol=1e-14)


def test_an_uncertainty_larger_than_its_correction_never_turns_weights_negative():
    wild = TABLE.model_copy(update={"uncertainty": ((2.0, 2.0), (2.0, 2.0))})
    settings = SETTINGS.model_copy(update={"electron_efficiency": wild})
    momentum = np.array([[_momentum(2.0, 90.0)] * 2])
    weights = corrected_weights(np.ones(1), momentum, np.ones((1, 2), dtype=bool), Channel.EE, settings)
    assert weights.down[WeightSource.IDENTIFICATION_ELECTRON].tolist() == [0.0]


def test_default_corrections_are_one_with_uncertainties():
    rng = np.random.default_rng(1)
    momentum = rng.normal(size=(100, 2, 3))
    for channel in Channel:
        weights = corrected_weights(np.ones(100), momentum, rng.random((100, 2)) < 0.5, channel, CorrectionSettings())
        assert weights.nominal.tolist() == [1.0] * 100
        assert tuple(weights.up) == tuple(weights.down) == weight_sources(channel)
        for source in weight_sources(channel):
            assert np.all(weights.up[source] >= 1.0)
            assert np.all(weights.down[source] <= 1.0)
            assert np.any(weights.up[source] > 1.0)


@pytest.mark.parametrize(
    "change",
    [
        {"momentum_edges_gev": (0.0, 3.0, 1.0)},
        {"theta_edges_deg": (17.0,)},
        {"correction": ((0.9, 0.95),)},
        {"uncertainty": ((0.1,), (0.1,))},
        {"correction": ((0.9, float("nan")), (1.0, 1.0))},
    ],
)
def test_a_table_that_does_not_fit_its_edges_is_refused(change):
    with pytest.raises(ValidationError):
        CorrectionTable.model_validate(TABLE.model_dump() | change)
