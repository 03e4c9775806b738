"""One mass point from templates to its row of the limits table: what a worker does for the scan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from models.coupling import (
    PUBLISHED_CTAU_MM,
    CouplingLimit,
    CouplingStatus,
    needs_lifetime,
    xi_limit,
)
from models.coupling_conventions import LIFETIME_AWARE, PUBLISHED, ConventionName
from models.inference.configuration import InferenceSettings, LimitMethod, SystematicsSettings
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
from scheduler.code_identity import computation_identity
from scheduler.limits_table import CouplingRow, LifetimeLimit, LimitedTemplate, LimitRow
from scheduler.result_store import ResultStore, result_key
from scheduler.run_folder import RunFolder

XI_COLUMNS = {
    # The precise integration: chains agree with it within their errors, which are several times larger.
    "xsec_ul_qmc_fb": "xi_ul",
    **{f"xsec_exp_{level}_fb": f"xi_exp_{level}" for level in ("m2", "m1", "0", "p1", "p2")},
}
"""Column of a cross-section limit → column of the limit on ξ that follows from it."""
FLIGHT_METHODS: Final = (LimitMethod.CLS, LimitMethod.QMC)
"""Limits set where φ flies: those that limits on ξ are made of."""
_ENGINE: Final = "models.inference.engine"
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
    store: ResultStore
    """Where results of workspaces are kept, and found again by what they follow from."""


class PointOutcome(NamedTuple):
    """What one mass point gave."""

    row: LimitRow
    """Cross-sections are those of a φ that does not fly; ξ accounts for the lifetime where the convention does."""
    lifetimes: tuple[LifetimeLimit, ...]
    """Cross-section limits at every decay length, where the lifetime counts."""
    couplings: tuple[CouplingRow, ...]
    """Limits on ξ in both conventions."""
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
    scanned = _scan_lifetimes(point, inputs)
    results = scanned.results
    columns = {ctau_mm: result.columns() for ctau_mm, result in results.items()}
    couplings = {name: _couplings(point, columns, name) for name in ConventionName}
    aware = couplings[ConventionName.LIFETIME_AWARE]
    row = LimitRow(
        channel=str(point.search.channel),
        m_phi_gev=point.m_phi_gev,
        **columns[PROMPT_CTAU_MM],
        **{name: coupling.xi if coupling else None for name, coupling in couplings[inputs.scan.xi_convention].items()},
        status=_status(results, couplings[inputs.scan.xi_convention]),
        **{f"{name}_lifetime_aware": coupling.xi if coupling else None for name, coupling in aware.items()},
        xi_status_lifetime_aware=_coupling_status(aware),
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
        tuple(
            _coupling_row(row, name, limit, coupling)
            for name, by_limit in couplings.items()
            for limit, coupling in by_limit.items()
            if coupling is not None
        ),
        all(result.is_complete for result in results.values()),
        tuple(
            LimitedTemplate(channel=row.channel, m_phi_gev=point.m_phi_gev, ctau_mm=ctau_mm, **limited._asdict())
            for ctau_mm, templates in scanned.templates.items()
            for limited in limited_variations(templates, inputs.systematics)
        ),
    )


class _Scanned(NamedTuple):
    """What was fitted at one mass point, by decay length in mm, ascending."""

    templates: dict[float, MassPointTemplates]
    results: dict[float, MassPointResult]


def _scan_lifetimes(point: MassPoint, inputs: ScanInputs) -> _Scanned:
    """Set limits at prompt and at as many decay lengths as either convention needs.

    A decay length at which no simulated signal survives the selection sets no limit. Leaving it out is safe: the
    coupling is never extrapolated far beyond the longest decay length that does.
    """
    search = inputs.searches[point.search]
    templates: dict[float, MassPointTemplates] = {}
    results: dict[float, MassPointResult] = {}

    def fit(ctau_mm: float) -> None:
        templates[ctau_mm] = build_templates(
            point, search, inputs.scale_factors, inputs.scan, inputs.templates, ctau_mm=ctau_mm
        )
        results[ctau_mm] = _infer(point, ctau_mm, templates[ctau_mm], inputs)

    fit(PROMPT_CTAU_MM)
    efficiency = {
        ctau_mm: models[NOMINAL].efficiency_at(point.m_phi_gev).value
        for ctau_mm, models in sorted(search.signal.models.items())
        if ctau_mm > PROMPT_CTAU_MM
    }
    seen = [ctau_mm for ctau_mm, value in efficiency.items() if value > 0.0]
    if needs_lifetime(point.m_phi_gev, PUBLISHED):
        for ctau_mm in set(PUBLISHED_CTAU_MM) & set(seen):
            fit(ctau_mm)
    if needs_lifetime(point.m_phi_gev, LIFETIME_AWARE):
        for index, ctau_mm in enumerate(seen):
            if ctau_mm not in results:
                fit(ctau_mm)
            later = [length / efficiency[length] for length in seen[index + 1 :]]
            # Limits go as 1/efficiency: where cτ/efficiency only grows from here on, nothing crosses a second time.
            if _all_converged(point, results, ctau_mm) and all(
                value > ctau_mm / efficiency[ctau_mm] for value in later
            ):
                break
    return _Scanned(dict(sorted(templates.items())), dict(sorted(results.items())))


def _all_converged(point: MassPoint, results: Mapping[float, MassPointResult], longest_mm: float) -> bool:
    """Return whether the limits up to a decay length enclose the fixed points of all limits on ξ."""
    columns = {ctau_mm: result.columns() for ctau_mm, result in sorted(results.items()) if ctau_mm <= longest_mm}
    found = _couplings(point, columns, ConventionName.LIFETIME_AWARE)
    return all(coupling is None or coupling.status is CouplingStatus.CONVERGED for coupling in found.values())


def _couplings(
    point: MassPoint, columns: Mapping[float, Mapping[str, float | None]], name: ConventionName
) -> dict[str, CouplingLimit | None]:
    """Return column → limit on ξ in a convention, from the columns of cross-section limits by decay length."""
    used = (PROMPT_CTAU_MM, *PUBLISHED_CTAU_MM) if name is ConventionName.PUBLISHED else tuple(columns)
    return {
        xi_column: _coupling(
            point, {ctau_mm: values[xsec_column] for ctau_mm, values in columns.items() if ctau_mm in used}, name
        )
        for xsec_column, xi_column in XI_COLUMNS.items()
    }


def _coupling_row(row: LimitRow, name: ConventionName, limit: str, coupling: CouplingLimit) -> CouplingRow:
    return CouplingRow(
        channel=row.channel,
        m_phi_gev=row.m_phi_gev,
        convention=str(name),
        limit=limit,
        xi=coupling.xi,
        ctau_mm=coupling.ctau_mm,
        xsec_ul_fb=coupling.xsec_ul_fb,
        xi_smallest_excluded=coupling.bands[-1].low if coupling.bands else coupling.xi,
        n_bands=len(coupling.bands),
        status=str(coupling.status),
    )


def _coupling_status(couplings: Mapping[str, CouplingLimit | None]) -> str | None:
    """Return how limits on ξ came about: statuses in the order of `CouplingStatus`, each once."""
    found = {coupling.status for coupling in couplings.values() if coupling is not None}
    return ";".join(status for status in CouplingStatus if status in found) or None


def _infer(point: MassPoint, ctau_mm: float, templates: MassPointTemplates, inputs: ScanInputs) -> MassPointResult:
    """Return the result of one workspace: the stored one, if there is one of the same workspace, settings and code."""
    workspace = build_workspace(templates, inputs.systematics)
    text = json.dumps(workspace, allow_nan=False)
    with atomic_path(inputs.output.workspace(point.search.channel, point.m_phi_gev, ctau_mm)) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    settings = inputs.inference
    if ctau_mm > PROMPT_CTAU_MM:
        methods = tuple(method for method in settings.methods if method in FLIGHT_METHODS)
        settings = settings.model_copy(update={"methods": methods, "impacts": False})
    seed = _seed(point, ctau_mm, inputs.seed)
    key = result_key(
        what="inference",
        engine=computation_identity(_ENGINE),
        workspace=text,
        settings=settings.model_dump(mode="json"),
        seed=[inputs.seed, *seed.spawn_key],
    )
    stored = inputs.store.load(key)
    if stored is not None and isinstance(stored.value, MassPointResult):
        return stored.value
    # The workspace is our own: pyhf's schema, which takes longer than the fits, has nothing to find in it.
    result = infer_mass_point(workspace, settings, seed, validate=False)
    inputs.store.save(key, result)
    return result


def _coupling(point: MassPoint, limits_fb: Mapping[float, float | None], name: ConventionName) -> CouplingLimit | None:
    """Return the limit on ξ from cross-section limits by cτ, None where one of those is missing."""
    known = {ctau_mm: limit for ctau_mm, limit in limits_fb.items() if limit is not None}
    if len(known) < len(limits_fb):
        return None
    return xi_limit(
        list(known.values()), point.m_phi_gev, point.search.channel, name.convention, ctau_nodes_mm=list(known)
    )


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
