"""``leptophile limits``: fit, significance and limits of any pyhf workspaces with one signal cross-section."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from models.errors import BadInputError, IncompleteRunError, UsageError
from scheduler.commands.options import ConfigOption, SiteOption
from scheduler.local_pool import available_cores, map_on_cores
from scheduler.result_lines import ResultLines, result_lines
from scheduler.workspace_limits import (
    Engine,
    Summary,
    WorkspaceFile,
    WorkspaceInference,
    parse,
    read_text,
    summary,
    workspace_files,
)

if TYPE_CHECKING:
    from models.inference.configuration import InferenceSettings
    from scheduler.progress import Terminal
    from scheduler.workspace_scan import Keep

    MapOver = Callable[[Sequence[WorkspaceFile], WorkspaceInference, Keep], None]

_LOCAL: Final = "local"


class Method(StrEnum):
    """Which limits to compute."""

    ALL = "all"
    MH = "mh"
    QMC = "qmc"
    TOYMC = "toymc"
    CLS = "cls"
    CLS_TOYS = "cls-toys"


def limits(
    workspaces: Annotated[list[Path], typer.Argument(metavar="WORKSPACE…", help="pyhf workspaces in JSON.")],
    json_path: Annotated[
        Path | None,
        typer.Option("--json", metavar="OUT", help="Write all results here, as they come; what it has is not redone."),
    ] = None,
    method: Annotated[
        list[Method] | None, typer.Option(help="Limits to compute, repeatable; all by default. The fit always is.")
    ] = None,
    level: Annotated[
        float | None, typer.Option(min=0.5, max=0.9999, help="Confidence and credibility level; 0.9 by default.")
    ] = None,
    expected: Annotated[bool, typer.Option(help="Expected Bayesian limits too, from toys.")] = False,
    goodness_toys: Annotated[
        int | None, typer.Option(min=0, help="Toys that calibrate the goodness of fit; none by default.")
    ] = None,
    measurement: Annotated[str | None, typer.Option(help="Name of the measurement; the first one by default.")] = None,
    engine: Annotated[
        Engine, typer.Option(help="pyhf: its own slow fits and CLs limits, for models without a compiled form.")
    ] = Engine.COMPILED,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the Bayesian methods.")] = 1,
    site: SiteOption = _LOCAL,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes of the site local; the cores of this machine by default.")
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Draw posteriors, profiles, chains, pulls, impacts, CLs here.")
    ] = None,
    corner: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Parameter of the corner plot, repeatable; the largest impacts by default."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Fit, significance and upper limits of pyhf workspaces.

    Each workspace has one parameter of interest that scales the signal; limits are in its unit.
    """
    if json_path is not None and not json_path.parent.is_dir():
        raise UsageError(f"--json: there is no folder {json_path.parent}.")
    if corner and plots is None:
        raise UsageError("--corner chooses what --plots draws; give it a folder.")
    if plots is not None and engine is Engine.PYHF:
        raise UsageError("--plots: figures are drawn by the compiled engine only.")
    if workers is not None and site != _LOCAL:
        raise UsageError("--workers: how many a site has is said in its file.")
    settings = _settings(config, method or [Method.ALL], level, goodness_toys, expected=expected)
    infer = WorkspaceInference(settings, measurement, engine, seed)
    files = workspace_files(workspaces)
    with result_lines(json_path) if json_path is not None else nullcontext() as lines:
        found = _infer_all(files, infer, lines, site, workers or available_cores(), config)
        if lines is not None:
            lines.finish()
    for one in found:
        typer.echo(f"{one.path}: {one.numbers} ({one.status})")
    if plots is not None:
        drawn = [file for file, one in zip(files, found, strict=True) if one.failure is None]
        _draw(drawn, plots, tuple(corner or ()), infer, workers or available_cores())
    _raise_incomplete(found)


def _settings(
    config: str | None, asked: Sequence[Method], level: float | None, goodness_toys: int | None, *, expected: bool
) -> InferenceSettings:
    from models.inference.configuration import InferenceSettings, LimitMethod

    settings = InferenceSettings() if config is None else _configured(config)
    if Method.ALL in asked:
        methods = [*settings.methods, *([LimitMethod.CLS_TOYS] if Method.CLS_TOYS in asked else [])]
    else:
        # Toys are thrown around the asymptotic limits, which then are worth comparing with.
        with_cls = [LimitMethod.CLS] if Method.CLS_TOYS in asked else []
        methods = [*with_cls, *(LimitMethod(method.replace("-", "_")) for method in asked)]
    methods = [method for method in methods if method is not LimitMethod.EXPECTED_BAYESIAN]
    if expected:
        methods.append(LimitMethod.EXPECTED_BAYESIAN)
    changes: dict[str, Any] = {"methods": tuple(dict.fromkeys(methods))}
    if level is not None:
        changes["confidence_level"] = level
    if goodness_toys is not None:
        changes["goodness_toys"] = goodness_toys
    return settings.model_copy(update=changes)


def _configured(config: str) -> InferenceSettings:
    # Imports all packages whose settings a configuration has, which takes as long as dozens of limits.
    from scheduler.configuration import load_configuration

    return load_configuration(config).inference


def _infer_all(
    files: Sequence[WorkspaceFile],
    infer: WorkspaceInference,
    lines: ResultLines | None,
    site: str,
    workers: int,
    config: str | None,
) -> list[Summary]:
    """Compute every workspace whose result is not there yet, keep the results, and return what there is to say."""
    from scheduler.progress import Terminal

    terminal = Terminal()
    found: dict[int, Summary] = {}
    if lines is not None:
        files = [infer.identified(file) for file in files]
        wanted = {file.identity: file.index for file in files if file.identity is not None}
        found = {index: summary(one) for index, one in lines.reuse(wanted, lambda one: summary(one).failure is None)}
        if found:
            terminal.say(f"Limits: {len(found)} of {len(files)} workspaces have their results already")
    missing = [file for file in files if file.index not in found]
    if missing:
        with (
            _mapping(site, workers, config, terminal) as map_over,
            terminal.progress("Limits", len(missing), "workspaces") as advance,
        ):

            def keep(file: WorkspaceFile, line: str) -> None:
                if lines is not None:
                    lines.add(file.index, line)
                found[file.index] = summary(json.loads(line))
                advance(1)

            map_over(missing, infer, keep)
    return [found[file.index] for file in files]


@contextmanager
def _mapping(site: str, workers: int, config: str | None, terminal: Terminal) -> Iterator[MapOver]:
    """Yield how workspaces are mapped: over processes of this machine, or over the workers of another site."""
    from scheduler.workspace_scan import infer_on_cores, infer_on_workers

    if site == _LOCAL:
        from models.compiled import plain_arrays_only

        with plain_arrays_only():
            yield partial(infer_on_cores, workers=workers)
        return
    from scheduler.clusters import check_site, connect
    from scheduler.configuration import AnalysisConfig, load_configuration

    check_site(site)
    analysis = AnalysisConfig() if config is None else load_configuration(config)
    with connect(site, analysis.cluster, terminal) as client:
        yield partial(infer_on_workers, client, settings=analysis.tasks)


def _draw(
    files: Sequence[WorkspaceFile], folder: Path, corner: tuple[str, ...], infer: WorkspaceInference, workers: int
) -> None:
    """Draw the figures of every workspace that has a result."""
    from scheduler.progress import Terminal
    from scheduler.workspace_figures import draw_workspace

    tasks = [(file.path, parse(read_text(file.path), file.path), file.name) for file in files]
    draw = partial(
        draw_workspace,
        folder=folder,
        corner=corner,
        settings=infer.settings,
        measurement=infer.measurement,
        seed=infer.seed,
    )
    with Terminal().progress("Figures", len(tasks), "workspaces") as advance:
        for _ in map_on_cores(draw, tasks, workers):
            advance(1)


def _raise_incomplete(found: Sequence[Summary]) -> None:
    """End with a failure if a workspace has no result, or not all that was asked for."""
    if len(found) == 1 and found[0].failure is not None:
        raise BadInputError(f"{found[0].path}: {found[0].failure}")
    incomplete = [f"{one.path} ({one.failure or one.status})" for one in found if not one.is_complete]
    if incomplete:
        raise IncompleteRunError(f"No complete result for {', '.join(incomplete)}.")
