"""The global p-value of a scan from toys of the underlying spectrum, its fits mapped over Dask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from models.inference.likelihood import compile_likelihood
from models.inference.toy_significances import GlobalPValue, global_p_value, matched_counts, signed_significances
from models.inference.workspace import build_workspace
from models.scan_grid import MassPoint, sum_into_bins
from models.search import Search
from processors.template_builder import build_templates
from processors.toy_spectra import draw_systematics, expected_spectra, systematic_names
from scheduler.failures import TaskFailure
from scheduler.scan import ScanInputs
from scheduler.tasks import TaskSettings, run_tasks

if TYPE_CHECKING:
    from distributed import Client

    from scheduler.progress import Terminal

Floats = NDArray[np.float64]
_SEED_KEY: Final = 0x70757973
"""Keeps the toys' random numbers apart from those of the mass points."""
_POINTS_PER_TASK: Final = 16
"""Mass points of one task, some seconds of fits."""


@dataclass(frozen=True)
class SpectrumToys:
    """Toys of one search in the atomic bins of its mass axis."""

    counts: NDArray[np.int32]
    """Events, shape (n_toys, n_atomic)."""
    expected: NDArray[np.float32]
    """Expectation that they were drawn from, systematics included, same shape."""
    nominal: Floats
    """Expectation without systematics, shape (n_atomic,)."""


def draw_spectra(inputs: ScanInputs, n_toys: int) -> dict[Search, SpectrumToys]:
    """Return toys of every search's spectrum, with systematics common to them.

    Parameters
    ----------
    inputs
        Those of the scan; the toys depend on its seed and nothing else that is random.
    n_toys
        Number of toys.
    """
    sources = inputs.scale_factors.sources(correlated=inputs.systematics.correlated_scale_factors)
    names = systematic_names({str(search): part for search, part in inputs.searches.items()}, sources)
    common, *of_search = np.random.SeedSequence(inputs.seed, spawn_key=(_SEED_KEY,)).spawn(1 + len(Search))
    pulls = draw_systematics(names, n_toys, np.random.default_rng(common))
    factors = inputs.scale_factors.for_templates()
    toys = {}
    for search, part in inputs.searches.items():
        rng = np.random.default_rng(of_search[list(Search).index(search)])
        expected = expected_spectra(part, factors, sources, pulls, inputs.templates, inputs.systematics, rng)
        at_rest = {name: np.zeros(1) for name in names}
        nominal = expected_spectra(part, factors, sources, at_rest, inputs.templates, inputs.systematics, None)[0]
        toys[search] = SpectrumToys(
            rng.poisson(expected).astype(np.int32), expected.astype(np.float32), np.asarray(nominal)
        )
    return toys


def toy_significances(point: MassPoint, inputs: ScanInputs, toys: SpectrumToys) -> Floats:
    """Return the signed significance of a mass point in every toy, NaN where a fit failed, shape (n_toys,)."""
    part = inputs.searches[point.search]
    templates = build_templates(point, part, inputs.scale_factors, inputs.scan, inputs.templates)
    likelihood = compile_likelihood(build_workspace(templates, inputs.systematics), validate=False)
    background, _ = likelihood.rates(likelihood.model.initial)
    counts, expected, nominal = (
        sum_into_bins(np.asarray(contents, dtype=np.float64), part.atomic_edges_gev, templates.edges_gev)
        for contents in (toys.counts, toys.expected, toys.nominal)
    )
    key = (_SEED_KEY, 1 + list(Search).index(point.search), round(1e6 * point.m_phi_gev))
    rng = np.random.default_rng(np.random.SeedSequence(inputs.seed, spawn_key=key))
    # auxiliary observations stay what they are: systematics have moved the spectra
    observed = likelihood.observed.repeat(len(counts))
    toys_of_point = observed._replace(counts=matched_counts(counts, expected, nominal, background, rng))
    return signed_significances(likelihood, toys_of_point)


def significances_of_toys(
    client: Client,
    terminal: Terminal,
    points: Sequence[MassPoint],
    inputs: ScanInputs,
    n_toys: int,
    settings: TaskSettings,
) -> tuple[Floats | None, list[TaskFailure]]:
    """Return the signed significance of every mass point in every toy, shape (n_points, n_toys); None if a task failed.

    Parameters
    ----------
    client
        Dask client.
    terminal
        Shows the progress.
    points
        Mass points of the scan, in its order.
    inputs
        Those of the scan; with the toys, they travel to each worker once.
    n_toys
        Number of toys.
    settings
        Supervision of the tasks.
    """
    groups = _groups(points)
    with terminal.progress("global p-value", len(points), "mass points") as advance:
        outcomes = run_tasks(
            client,
            _fit_group,
            groups,
            describe=lambda group: f"toys of {group[0].label} to {group[-1].label}",
            size=lambda group: float(len(group)),
            settings=settings,
            advance=advance,
            shared=(inputs, draw_spectra(inputs, n_toys)),
        )
    if outcomes.failures:
        return None, list(outcomes.failures)
    rows = {
        point: row
        for group, part in zip(groups, outcomes.results, strict=True)
        for point, row in zip(group, part, strict=True)
    }
    return np.stack([rows[point] for point in points]), []


def global_p_value_from_toys(
    client: Client,
    terminal: Terminal,
    points: Sequence[MassPoint],
    inputs: ScanInputs,
    n_toys: int,
    observed: float,
    settings: TaskSettings,
) -> tuple[GlobalPValue | None, list[TaskFailure]]:
    """Return the probability of an excess anywhere in the scan, and tasks that failed; None if any did.

    Parameters
    ----------
    client, terminal, points, inputs, n_toys, settings
        As for `significances_of_toys`, with mass points that have an observed significance.
    observed
        Largest observed signed significance.
    """
    significances, failures = significances_of_toys(client, terminal, points, inputs, n_toys, settings)
    return (None if significances is None else global_p_value(observed, significances)), failures


def _groups(points: Sequence[MassPoint]) -> list[list[MassPoint]]:
    """Return mass points in groups of one search each."""
    groups: list[list[MassPoint]] = []
    for search in Search:
        members = [point for point in points if point.search is search]
        groups += [members[i : i + _POINTS_PER_TASK] for i in range(0, len(members), _POINTS_PER_TASK)]
    return groups


def _fit_group(task: tuple[Sequence[MassPoint], tuple[ScanInputs, dict[Search, SpectrumToys]]]) -> Floats:
    points, (inputs, toys) = task
    return np.stack([toy_significances(point, inputs, toys[point.search]) for point in points])
