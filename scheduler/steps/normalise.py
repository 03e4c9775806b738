"""The normalisation step: one simultaneous fit of all control regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.normalisation import fit_scale_factors
from processors.control_counts import NORMALISED_SEARCHES, control_inputs
from processors.histogram_files import load_histograms
from scheduler.unblinding import read_unblinding

if TYPE_CHECKING:
    from scheduler.steps.step import StepContext


def execute(context: StepContext) -> None:
    """Fit the scale factors and write them."""
    unblinding = read_unblinding(context.run, context.config)
    histograms = {s: load_histograms(context.run.histogram(s), unblinding)[0] for s in NORMALISED_SEARCHES}
    general, special = control_inputs(histograms)
    factors = fit_scale_factors(general, special, context.config.normalisation)
    context.output.normalisation.write_text(factors.model_dump_json(indent=1) + "\n", encoding="utf-8")
