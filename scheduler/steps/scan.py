"""The scan step: every mass point on a worker, then one table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from models.errors import ConfigurationError
from models.inference.look_elsewhere import global_significance
from models.inference.toy_significances import GlobalPValue
from models.normalisation import ScaleFactors
from models.scan_grid import MassPoint, mass_points, stretch_ends
from models.search import Search
from processors.blinding import Unblinding
from processors.correction_sets import CorrectionName, read_corrections
from processors.histogram_files import load_histograms
from processors.signal_files import load_signal_models
from processors.template_builder import SearchTemplates, unpack_search
from scheduler.failures import TaskFailure, raise_failures
from scheduler.global_toys import global_p_value_from_toys
from scheduler.limits_table import (
    LargestExcess,
    LimitRow,
    column,
    write_couplings,
    write_lifetime_limits,
    write_limited_templates,
    write_limits,
)
from scheduler.run_folder import RunFolder
from scheduler.scan import PointOutcome, ScanInputs, scan_mass_point
from scheduler.steps.step import PartialResultError
from scheduler.tasks import run_shown_tasks
from scheduler.unblinding import read_unblinding

if TYPE_CHECKING:
    from scheduler.steps.step import StepContext


def execute(context: StepContext) -> None:
    """Fit all mass points and write workspaces and limits, also when some points failed."""
    config = context.config
    check_luminosity(config.systematics.luminosity_relative, context.run)
    points = mass_points(config.scan)
    inputs = load_inputs(context, points)
    outcomes, failures = _map_points(context, points, inputs)
    rows = [outcome.row for outcome in outcomes]
    context.output.limits.mkdir(exist_ok=True)
    write_limits(rows, context.output.limits_csv, context.output.limits_json)
    write_lifetime_limits(
        [limit for outcome in outcomes for limit in outcome.lifetimes], context.output.lifetime_limits
    )
    write_couplings([row for outcome in outcomes for row in outcome.couplings], context.output.couplings)
    write_limited_templates(
        [limited for outcome in outcomes for limited in outcome.limited], context.output.limited_templates
    )
    failures += _write_global_significance(context, rows, points, inputs)
    failures += [
        TaskFailure(task=_label(outcome.row), reason=outcome.row.status)
        for outcome in outcomes
        if not outcome.is_complete
    ]
    raise_failures(failures, f"of {len(points)} mass points", config.tasks, PartialResultError, asked=len(points))


def load_inputs(context: StepContext, points: Sequence[MassPoint]) -> ScanInputs:
    """Return what the mass points share, read from the run folder as far as the run's unblinding opens it."""
    config = context.config
    unblinding = read_unblinding(context.run, config)
    return ScanInputs(
        searches={
            search: _load(search, context.run, unblinding) for search in sorted({point.search for point in points})
        },
        scale_factors=ScaleFactors.model_validate_json(context.run.normalisation.read_bytes()),
        scan=config.scan,
        templates=config.templates,
        systematics=config.systematics,
        inference=config.inference,
        seed=config.seed,
        output=context.output,
        store=context.results,
    )


def check_luminosity(relative: float, run: RunFolder) -> None:
    """Refuse an uncertainty of the luminosity that is not that of the corrections which the run applied.

    Raises
    ------
    ConfigurationError
        If the two differ.
    """
    nominal, up, down = read_corrections(run.corrections).factor(CorrectionName.LUMINOSITY)
    of_corrections = max(abs(up - nominal), abs(down - nominal)) / nominal
    if not math.isclose(relative, of_corrections, rel_tol=1e-6):
        raise ConfigurationError(
            f"'systematics.luminosity_relative' is {relative:g}, but the correction '{CorrectionName.LUMINOSITY}' of "
            f"'candidates.corrections' has an uncertainty of {of_corrections:g}: make them agree."
        )


def _load(search: Search, run: RunFolder, unblinding: Unblinding | None) -> SearchTemplates:
    histograms, manifest = load_histograms(run.histogram(search), unblinding)
    return unpack_search(histograms, manifest, load_signal_models(run.signal_models(search)))


def _map_points(
    context: StepContext, points: Sequence[MassPoint], inputs: ScanInputs
) -> tuple[list[PointOutcome], list[TaskFailure]]:
    outcomes = run_shown_tasks(
        context.client(),
        _scan,
        points,
        describe=lambda point: point.label,
        label="scan",
        unit="mass points",
        settings=context.config.tasks,
        terminal=context.terminal,
        shared=inputs,
    )
    return [outcome for outcome in outcomes.results if outcome is not None], list(outcomes.failures)


def _scan(task: tuple[MassPoint, ScanInputs]) -> PointOutcome:
    return scan_mass_point(*task)


def _label(row: LimitRow) -> str:
    return f"{row.channel} m{row.m_phi_gev:.3f}"


def _write_global_significance(
    context: StepContext, rows: Sequence[LimitRow], points: Sequence[MassPoint], inputs: ScanInputs
) -> list[TaskFailure]:
    """Write the look-elsewhere result over all mass points that have a significance; nothing while blinded.

    Toys are fitted at the same mass points. Returns what went wrong with them.
    """
    ordered = sorted((row for row in rows if row.significance is not None), key=lambda r: (r.channel, r.m_phi_gev))
    if not ordered:
        return []
    fitted = {(row.channel, row.m_phi_gev) for row in ordered}
    scanned = [point for point in points if (str(point.search.channel), point.m_phi_gev) in fitted]
    ends = stretch_ends(scanned, context.config.scan)
    result = global_significance(np.split(column(ordered, "significance"), ends))
    toys: GlobalPValue | None = None
    failures: list[TaskFailure] = []
    n_toys = context.config.look_elsewhere.n_toys
    if n_toys > 0:
        toys, failures = global_p_value_from_toys(
            context.client(), context.terminal, scanned, inputs, n_toys, result.z_local, context.config.tasks
        )
    numbers = result._asdict()
    strongest = ordered[numbers.pop("strongest")]
    excess = LargestExcess(channel=strongest.channel, m_phi_gev=strongest.m_phi_gev, **numbers, toys=toys)
    context.output.global_significance.write_text(excess.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return failures
