"""Templates of sparse simulation: smooth in narrow bins, true to the count in wide ones."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.sparse_templates import BinnedMass, template_yields

N_ATOMIC = 40
ATOMIC_EDGES = np.linspace(0.2, 7.0, N_ATOMIC + 1)
FIT_EDGES = ATOMIC_EDGES[[0, 18, 19, 20, 21, N_ATOMIC]]
COUNTS = st.lists(st.integers(0, 4), min_size=N_ATOMIC, max_size=N_ATOMIC)


def from_counts(counts, weight=0.7):
    content = weight * np.array(counts, dtype=float)
    shifted = np.roll(content, 1)
    return BinnedMass(ATOMIC_EDGES, np.stack([content, 1.1 * content, 0.9 * shifted]), weight * content)


@given(COUNTS, st.sampled_from([3.0, 9.0, 1000.0]))
def test_no_sparse_bin_exceeds_its_count_by_more_than_an_event(counts, minimum_effective):
    distribution = from_counts(counts)
    values = template_yields(distribution, FIT_EDGES, minimum_effective=minimum_effective).values
    counted = distribution.values[0, :18].sum(), distribution.values[0, 21:].sum()
    # (k + 1)/(1 + 1/μ) stays below k + 1 for every μ.
    for estimate, exact in zip(values[0, [0, -1]], counted, strict=True):
        assert estimate <= exact + 0.7 * (1 + 1e-9)
    assert np.all(np.isfinite(values))
    assert np.all(values >= 0)
    # Variations are ratios of the same intervals.
    np.testing.assert_allclose(values[1], 1.1 * values[0], rtol=1e-9)


def test_bins_with_enough_events_are_sums():
    yields = template_yields(from_counts([4] * N_ATOMIC), FIT_EDGES, minimum_effective=4)
    assert not yields.widened.any()
    np.testing.assert_allclose(yields.values[0], 0.7 * 4 * np.array([18, 1, 1, 1, 19]))


def test_a_peak_does_not_fill_the_empty_bin_beside_it():
    counts = np.zeros(N_ATOMIC, dtype=int)
    counts[8:18] = 1
    yields = template_yields(from_counts(counts, weight=1.0), FIT_EDGES, minimum_effective=9)
    assert yields.widened.tolist() == [False, True, True, True, True]
    assert yields.values[0, 0] == 10.0
    # Its own density of zero events counts; without it the bin would get the peak's: about ten.
    assert 0.0 < yields.values[0, -1] < 1.0
    inner = yields.values[0, 1:4]
    assert np.all(inner > 0.2)
    np.testing.assert_allclose(yields.stat_error[1:4] / inner, 1.0 / 3.0, atol=0.03)
