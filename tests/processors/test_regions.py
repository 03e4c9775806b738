from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from models.search import Channel
from models.thresholds import MassThresholds
from processors.blinding import Unblinding
from processors.regions import RegionError, RegionSettings, assign_regions, control_regions

SETTINGS = RegionSettings()
UNBLINDING = Unblinding(
    who="A. Physicist", reason="review passed", when=datetime(2022, 7, 15, tzinfo=UTC), configuration_hash="0" * 64
)


def softmax(raw):
    exponential = np.exp(raw.astype(np.float32))
    return exponential / exponential.sum(axis=1, keepdims=True)


raw_scores = arrays(np.float64, st.tuples(st.integers(0, 30), st.just(5)), elements=st.floats(-6, 6))


@given(raw_scores, st.sampled_from(list(Channel)), st.sampled_from([0.5, 0.65, 0.95]))
def test_regions_are_disjoint_or_nested_as_defined(raw, channel, threshold):
    settings = SETTINGS.with_signal_thresholds({channel: threshold})
    masks = assign_regions(softmax(raw), channel, settings, is_data=False).masks
    assert list(masks) == [*control_regions(channel), "sr"]
    special = [masks[name] for name in control_regions(channel)[1:]]
    assert np.all(np.sum(special, axis=0) <= 1)
    for mask in special:
        assert not np.any(mask & ~masks["gcr"] & (softmax(raw)[:, 0] < 0.5))
        assert not np.any(mask & masks["sr"])
    assert not np.any(masks["gcr"] & masks["sr"])


@given(raw_scores, st.sampled_from(list(Channel)))
def test_blinded_data_in_the_signal_region_are_in_no_region(raw, channel):
    scores = softmax(raw)
    regions = assign_regions(scores, channel, SETTINGS, is_data=True)
    hidden = scores[:, 0] > SETTINGS.sr_above_signal_score(channel)
    assert regions.n_blinded == np.count_nonzero(hidden)
    for mask in regions.masks.values():
        assert not np.any(mask & hidden)
    unblinded = assign_regions(scores, channel, SETTINGS, is_data=True, unblinding=UNBLINDING)
    np.testing.assert_array_equal(unblinded.masks["sr"], hidden)
    simulated = assign_regions(scores, channel, SETTINGS, is_data=False)
    for name in control_regions(channel):
        np.testing.assert_array_equal(regions.masks[name], simulated.masks[name])


def test_thresholds_that_would_let_regions_overlap_are_refused():
    with pytest.raises(ValidationError, match="sr_above_signal_score_ee"):
        RegionSettings(sr_above_signal_score_ee=0.4)
    with pytest.raises(ValidationError, match="greater than or equal to"):
        SETTINGS.with_signal_thresholds({Channel.MUMU: 0.3})


@pytest.mark.parametrize("missing", ["who", "reason", "when", "configuration_hash"])
def test_an_unblinding_needs_a_name_a_reason_a_time_and_a_configuration(missing):
    with pytest.raises(ValidationError, match=missing):
        Unblinding.model_validate(UNBLINDING.model_dump() | {missing: ""})


def test_only_what_an_unblinding_opens_is_in_the_signal_region():
    scores = np.tile(np.array([0.99, 0.01, 0.0, 0.0, 0.0], dtype=np.float32), (4, 1))
    opened = np.array([True, False, False, True])
    regions = assign_regions(scores, Channel.EE, SETTINGS, is_data=True, unblinding=UNBLINDING, opened=opened)
    np.testing.assert_array_equal(regions.masks["sr"], opened)
    assert regions.n_blinded == 2
    # What is said to be open is not, without a record.
    blinded = assign_regions(scores, Channel.EE, SETTINGS, is_data=True, opened=opened)
    assert not blinded.masks["sr"].any()


def test_thresholds_that_vary_with_mass_need_the_masses():
    by_mass = MassThresholds(mass_gev=(1.0, 4.0), threshold=(0.6, 0.9))
    settings = SETTINGS.model_copy(update={"sr_by_mass": {Channel.MUMU: by_mass}})
    scores = np.tile(np.array([0.7, 0.3, 0.0, 0.0, 0.0], dtype=np.float32), (3, 1))
    masses = np.array([1.0, 2.0, 4.0])
    regions = assign_regions(scores, Channel.MUMU, settings, is_data=False, mass_gev=masses)
    assert regions.masks["sr"].tolist() == [True, False, False]
    blinded = assign_regions(scores, Channel.MUMU, settings, is_data=True, mass_gev=masses)
    assert blinded.n_blinded == 1
    with pytest.raises(RegionError, match="mumu signal threshold varies with mass"):
        assign_regions(scores, Channel.MUMU, settings, is_data=False)
    # the other channel keeps its constant
    assert assign_regions(scores, Channel.EE, settings, is_data=False).masks["sr"].sum() == 0
