"""Both global p-values on scans of known statistics: what agrees passes, what does not is said."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from scheduler.validation.look_elsewhere_check import look_elsewhere_check
from scheduler.validation.page import Verdict

N_POINTS, N_TOYS = 200, 1500


def smooth_scans(seed: int, width: float = 3.0) -> np.ndarray:
    """Return unit Gaussian processes of a known correlation length, shape (n_points, n_toys)."""
    noise = np.random.default_rng(seed).standard_normal((N_POINTS + 40, N_TOYS))
    smooth = gaussian_filter1d(noise, width, axis=0, mode="wrap")[20:-20]
    return smooth / smooth.std()


def test_normal_significances_pass_with_crossings_of_the_known_rate() -> None:
    check = look_elsewhere_check(smooth_scans(1), [100], None)
    assert check.verdict is Verdict.PASSED, check.sentence
    # Rice: a smooth Gaussian process crosses zero upwards 1/(2π √2 w) times a step; one step in 200 is not scanned.
    expected = 198 / (2.0 * np.pi * np.sqrt(2.0) * 3.0)
    assert abs(check.numbers["mean_upcrossings"] - expected) < 0.05 * expected
    for alpha in (0.05, 0.1):
        assert check.numbers[f"fraction_below_{alpha:g}"] < alpha + 4.0 * np.sqrt(alpha / N_TOYS)
    assert "In data" not in check.sentence


def test_long_tails_are_seen() -> None:
    scans = smooth_scans(2)
    check = look_elsewhere_check(scans * np.where(scans > 2.0, 1.5, 1.0), [], None)
    assert check.verdict is Verdict.ATTENTION
    assert "The bound is below the toys" in check.sentence


def test_failed_fits_are_counted_and_no_toys_at_all_is_a_failure() -> None:
    scans = smooth_scans(3)
    scans[5, :7] = np.nan
    assert "7 fits of toys failed" in look_elsewhere_check(scans, [], None).sentence
    assert look_elsewhere_check(None, [], None).verdict is Verdict.FAILED
