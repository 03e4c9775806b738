"""Checks of the signal model: whether its interpolation in mass predicts masses that were generated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from models.search import Search
from processors.signal_samples import SignalModels
from scheduler.report.signal_closure import closure_figure, closure_p_values, describe_closure
from scheduler.validation.page import Check, Verdict, verdict_of_p_value


def closure_check(signal: Mapping[Search, SignalModels]) -> Iterator[Check]:
    """Yield the closure of efficiency, resolution and shape: every inner generated mass predicted from the others."""
    numbers = {
        f"{search}_{name}": p_value
        for search, models in signal.items()
        for name, p_value in closure_p_values(models).items()
    }
    n_left_out = sum(len(models.closure) for models in signal.values())
    yield Check(
        "Interpolation of the signal",
        verdict_of_p_value(min(numbers.values()), len(numbers)) if numbers else Verdict.ATTENTION,
        f"{n_left_out} generated masses left out, one after the other, and predicted from the others (prompt). "
        "P-values of χ² of every other mass, for the shape the smallest of Kolmogorov–Smirnov times the "
        f"number of masses; {describe_closure(signal)}.",
        numbers,
        closure_figure(signal),
    )
