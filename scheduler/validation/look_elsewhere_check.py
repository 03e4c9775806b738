"""Check of the look-elsewhere effect: toys of the whole scan against the bound of Gross and Vitells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import ks_2samp, norm

from models.inference.binomial import Fraction
from models.inference.look_elsewhere import count_upcrossings, global_p_value_bound
from scheduler.failures import TaskFailure, shorten
from scheduler.limits_table import LargestExcess
from scheduler.validation.page import Check, CheckTable, Verdict, verdict_of_p_value

FloatArray = NDArray[np.float64]

COMPARED_AT: Final = (0.2, 0.1, 0.05, 0.02)
"""Global p-values of the toys at which the bound is compared with them: it holds where the probability is small."""
LARGEST_RATIO: Final = 2.0
"""Of the bound to the toys there; it may be above them, as a bound is."""
ERRORS_ALLOWED: Final = 3.0
"""Statistical uncertainties of the toys by which the bound may be below them."""


def look_elsewhere_check(
    significances: FloatArray | None,
    ends: Sequence[int],
    excess: LargestExcess | None,
    failures: Sequence[TaskFailure] = (),
) -> Check:
    """Return the comparison of both global p-values on background-only toys, and on data where they are open.

    Parameters
    ----------
    significances
        Signed significance of every mass point in every toy, NaN where a fit failed, shape (n_points, n_toys); None if
        toys could not be fitted.
    ends
        Where the mass points are split into stretches (`models.scan_grid.stretch_ends`).
    excess
        Largest excess in data; None while blinded.
    failures
        Why there are none.
    """
    if significances is None:
        why = shorten([f"{failure.task} ({failure.reason})" for failure in failures], 3)
        return Check("Look-elsewhere effect", Verdict.FAILED, f"Toys could not be fitted: {why}.", {}, None)
    n_points, n_toys = significances.shape
    n_failed = int(np.sum(~np.isfinite(significances)))
    filled = np.where(np.isfinite(significances), significances, -np.inf)
    largest = filled.max(axis=0)
    crossings = np.array(
        [sum(count_upcrossings(part, 0.0) for part in np.split(toy, ends)) for toy in filled.T], dtype=np.float64
    )
    mean_crossings = float(crossings.mean())
    rows = [_compared(largest, at, mean_crossings, n_points) for at in COMPARED_AT if at * n_toys >= 1.0]
    # Each toy with its own crossings, as data are judged: how often a global p-value below α happens.
    of_toys = global_p_value_bound(largest, crossings, n_points)
    below = {alpha: float(np.mean(of_toys < alpha)) for alpha in (0.05, 0.1, 0.2)}
    uniform = _agreement_of_halves(largest)
    low = [row for row in rows if row.bound < row.toys - ERRORS_ALLOWED * row.error]
    high = [row for row in rows if row.bound > LARGEST_RATIO * (row.toys + ERRORS_ALLOWED * row.error)]
    said = (
        f"{n_toys} background-only toys at {n_points} mass points, {mean_crossings:.1f} ± {crossings.std():.1f} upward "
    )
    said += "crossings of zero. Global p-value by toys and by Gross and Vitells: "
    said += ", ".join(f"{row.toys:.3f} ± {row.error:.3f} and {row.bound:.3f} at Z = {row.z:.2f}" for row in rows)
    said += ". Toys with a p-value by Gross and Vitells below 5, 10, 20 %: "
    said += ", ".join(f"{fraction:.1%}" for fraction in below.values())
    said += f"; p-values by toys of other toys are uniform with p = {uniform:.2g}"
    if n_failed:
        said += f"; {n_failed} fits of toys failed"
    numbers = {"mean_upcrossings": mean_crossings, "uniformity_p_value": uniform}
    numbers |= {f"fraction_below_{alpha:g}": fraction for alpha, fraction in below.items()}
    if excess is not None:
        said += f". In data: Z = {excess.z_local:.2f} at {excess.channel} {excess.m_phi_gev:g} GeV, global p-value by "
        said += f"Gross and Vitells {excess.p_global:.3g} with the crossings in data, "
        with_mean = float(global_p_value_bound(excess.z_local, mean_crossings, n_points))
        said += f"{with_mean:.3g} with those of toys"
        numbers |= {"p_global_bound": excess.p_global, "p_global_bound_mean_crossings": with_mean}
        toys = _fraction(largest, excess.z_local)
        said += f"; by toys {toys[0]:.3g} ({toys[1]:.3g} to {toys[2]:.3g})"
        numbers["p_global_toys"] = toys[0]
    verdict = verdict_of_p_value(uniform)
    if low or high:
        verdict = Verdict.ATTENTION
        said += ". The bound is " + (
            "below the toys"
            if low
            else f"more than {LARGEST_RATIO:g} times the toys: local significances are not normal"
        )
    return Check(
        "Look-elsewhere effect",
        verdict,
        f"{said}.",
        numbers,
        _figure(largest, mean_crossings, n_points, of_toys, excess),
        CheckTable(
            ("toy", "largest_significance", "n_upcrossings", "p_global_bound"),
            [
                (i, float(z), int(n), float(p))
                for i, (z, n, p) in enumerate(zip(largest, crossings, of_toys, strict=True))
            ],
        ),
    )


class _Compared(NamedTuple):
    """Both global p-values at one largest significance."""

    z: float
    toys: float
    error: float
    bound: float


def _compared(largest: FloatArray, at: float, mean_crossings: float, n_points: int) -> _Compared:
    z = float(np.quantile(largest, 1.0 - at))
    fraction, low, high = _fraction(largest, z)
    return _Compared(z, fraction, 0.5 * (high - low), float(global_p_value_bound(z, mean_crossings, n_points)))


def _fraction(largest: FloatArray, z: float) -> tuple[float, float, float]:
    """Return the fraction of toys whose largest significance is at least z, with its central 68 % interval."""
    found = Fraction.of(int(np.sum(largest >= z)), largest.size)
    return found.value, found.low, found.high


def _agreement_of_halves(largest: FloatArray) -> float:
    """Return the p-value of one half of the toys having the distribution that the other half says they have."""
    half = largest.size // 2
    return float(ks_2samp(largest[:half], largest[half:]).pvalue) if half > 1 else 1.0


def _figure(
    largest: FloatArray, mean_crossings: float, n_points: int, of_toys: FloatArray, excess: LargestExcess | None
) -> Figure:
    figure, (survival, calibration) = plt.subplots(1, 2, figsize=(12.0, 4.8))
    z = np.linspace(min(0.0, float(largest.min())), max(float(largest.max()) + 0.5, 4.0), 200)
    toys = np.array([_fraction(largest, value) for value in z])
    survival.plot(z, toys[:, 0], color="#3f90da", label="toys")
    survival.fill_between(z, toys[:, 1], toys[:, 2], color="#3f90da", alpha=0.3, linewidth=0)
    survival.plot(z, global_p_value_bound(z, mean_crossings, n_points), color="#bd1f01", label="Gross and Vitells")
    survival.plot(z, norm.sf(z), color="#555555", linestyle=":", label="local")
    if excess is not None:
        survival.axvline(excess.z_local, color="black", linewidth=0.8, label="data")
    survival.set(yscale="log", ylim=(0.3 / largest.size, 1.5), xlabel="largest local significance", ylabel="p-value")
    survival.legend(fontsize=10)
    ordered = np.sort(of_toys)
    calibration.plot(ordered, np.arange(1, len(ordered) + 1) / len(ordered), color="#bd1f01", label="Gross and Vitells")
    calibration.axline((0.0, 0.0), slope=1.0, color="#555555", linewidth=0.8, linestyle="--", label="uniform")
    calibration.set(xlabel="global p-value of a toy", ylabel="fraction of toys below", xlim=(0, 1), ylim=(0, 1.02))
    calibration.legend(fontsize=10)
    return figure
