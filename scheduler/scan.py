"""One mass point from templates to its row of the limits table: what a worker does for the scan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.coupling import PUBLISHED, CouplingLimit, CouplingStatus, needs_lifetime, xi_limit
from models.inference.configuration import InferenceSettings, SystematicsSettings
from models.inference.engine import infer_mass_point
from models.inference.results import MassPointResult
from models.inference.workspace import build_workspace, limited_variations
from models.normalisation import ScaleFactors
from models.scan_grid import MassPoint, ScanSettings
from models.search import Search
from models.templates import MassPointTemplates
from processors.atomic_file import atomic_path
from processors.scoring import NOMINAL
from processors.signal_samples import PROMPT_CTAU_MM
from processors.template_builder import SearchTemplates, build_templates
from processors.template_settings import TemplateSettings
from scheduler.limits_table import LifetimeLimit, LimitedTemplate, LimitRow
from scheduler.run_folder import RunFolder

XI_COLUMNS = {
    "xsec_ul_mh_fb": "xi_ul",
    **{f"xsec_exp_{level}_fb": f"xi_exp_{level}" for level in ("m2", "m1", "0", "p1", "p2")},
}
"""Column of a cross-section limit → column of the limit on ξ that follows from it."""
_SEED_UNIT_GEV = 1e-6
"""Masses and decay lengths enter random seeds as whole numbers of this and of its value in mm."""


@dataclass(frozen=True)
class ScanInputs:
    """What all mass points share."""

    searches: Mapping[Search, SearchTemplates]
    scale_factors: ScaleFactors
    scan: ScanSettings
    templates: TemplateSettings
    systematics: SystematicsSettings
    inference: InferenceSettings
    seed: int
    output: RunFolder
    """Where workspaces are written."""


class PointOutcome(NamedTuple):
    """What one mass point gave."""

    row: LimitRow
    """Cross-sections are those of a φ that does not fly; ξ accounts for the lifetime where the convention does."""
    lifetimes: tuple[LifetimeLimit, ...]
    """Cross-section limits at every decay length, where the lifetime counts."""
    is_complete: bool
    """Whether every number was found, or is blinded."""
    limited: tuple[LimitedTemplate, ...]
    """Template variations that were too large for the statistical model."""


def scan_mass_point(point: MassPoint, inputs: ScanInputs) -> PointOutcome:
    """Build the workspaces of a mass point, write them, and compute its limits.

    Parameters
    ----------
    point
        The hypothesis.
    inputs
        Everything else; the outcome depends on nothing but these two.
    """
    templates = {
        ctau_mm: build_templates(
            point, inputs.searches[point.search], inputs.scale_factors, inputs.scan, inputs.templates, ctau_mm=ctau_mm
        )
        for ctau_mm in _lifetimes_mm(point, inputs)
    }
    results = {ctau_mm: _infer(point, ctau_mm, templates[ctau_mm], inputs) for ctau_mm in templates}
    columns = {ctau_mm: result.columns() for ctau_mm, result in results.items()}
    couplings = {
        xi_column: _coupling(point, {ctau_mm: values[xsec_column] for ctau_mm, values in columns.items()})
        for xsec_column, xi_column in XI_COLUMNS.items()
    }
    row = LimitRow(
        channel=str(point.search.channel),
        m_phi_gev=point.m_phi_gev,
        **columns[PROMPT_CTAU_MM],
        **{name: coupling.xi if coupling else None for name, coupling in couplings.items()},
        status=_status(results, couplings),
    )
    return PointOutcome(
        row,
        tuple(
            LifetimeLimit(
                channel=row.channel,
                m_phi_gev=point.m_phi_gev,
                ctau_mm=ctau_mm,
                **{name: columns[ctau_mm][name] for name in XI_COLUMNS},
                status=results[ctau_mm].status,
            )
            for ctau_mm in results
            if len(results) > 1
        ),
        all(result.is_complete for result in results.values()),
        tuple(
            LimitedTemplate(channel=row.channel, m_phi_gev=point.m_phi_gev, ctau_mm=ctau_mm, **limited._asdict())
            for ctau_mm in templates
            for limited in limited_variations(templates[ctau_mm], inputs.systematics)
        ),
    )


def _lifetimes_mm(point: MassPoint, inputs: ScanInputs) -> list[float]:
    """Return the decay lengths that limits are set for, prompt first.

    A decay length at which no simulated signal survives the selection sets no limit. Leaving it out is safe: the
    coupling is never extrapolated far beyond the longest decay length that does.
    """
    if not needs_lifetime(point.m_phi_gev, PUBLISHED):
        return [PROMPT_CTAU_MM]
    models = inputs.searches[point.search].signal.models
    return [
        ctau_mm
        for ctau_mm in sorted(models)
        if ctau_mm == PROMPT_CTAU_MM or models[ctau_mm][NOMINAL].efficiency_at(point.m_phi_gev).value > 0
    ]


def _infer(point: MassPoint, ctau_mm: float, templates: MassPointTemplates, inputs: ScanInputs) -> MassPointResult:
    workspace = build_workspace(templates, inputs.systematics)
    path = inputs.output.workspace(point.search.channel, point.m_phi_gev, ctau_mm)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(workspace, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return infer_mass_point(workspace, inputs.inference, _seed(point, ctau_mm, inputs.seed))


def _coupling(point: MassPoint, limits_fb: Mapping[float, float | None]) -> CouplingLimit | None:
    """Return the limit on ξ from cross-section limits by cτ, None where one of those is missing."""
    known = {ctau_mm: limit for ctau_mm, limit in limits_fb.items() if limit is not None}
    if len(known) < len(limits_fb):
        return None
    return xi_limit(list(known.values()), point.m_phi_gev, point.search.channel, PUBLISHED, ctau_nodes_mm=list(known))


def _status(results: Mapping[float, MassPointResult], couplings: Mapping[str, CouplingLimit | None]) -> str:
    """Return the status of a row: that of the inference at each decay length, and of limits on ξ that do not exist."""
    statuses = {result.status for result in results.values()}
    troubles = {
        coupling.status
        for coupling in couplings.values()
        if coupling and coupling.status in (CouplingStatus.NO_FIXED_POINT, CouplingStatus.NO_LIFETIME_LIMITS)
    }
    return ";".join(sorted(statuses) + sorted(f"xi:{status}" for status in troubles))


def _seed(point: MassPoint, ctau_mm: float, seed: int) -> np.random.SeedSequence:
    key = (list(Search).index(point.search), round(point.m_phi_gev / _SEED_UNIT_GEV), round(ctau_mm / _SEED_UNIT_GEV))
    return np.random.SeedSequence(seed, spawn_key=key)
