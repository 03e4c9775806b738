"""``leptophile convert``: B2BII files to compact ntuples."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from models.errors import UsageError
from models.search import Channel, Process
from scheduler.commands.options import JsonOption, OnBadFile, SiteOption

if TYPE_CHECKING:
    from processors.fileset import MapFiles
    from processors.locations import Location
    from scheduler.configuration import AnalysisConfig
    from scheduler.conversion import ConversionSummary
    from scheduler.conversion_sources import Sources
    from scheduler.progress import Terminal
    from scheduler.sample_description import SampleDescription


class FormatChoice(StrEnum):
    """How ntuples are stored."""

    TTREE = "ttree"
    RNTUPLE = "rntuple"


_LOCAL = "local"
_IS_DATA = typer.Option("--data/--mc", help="Data or simulation; by default, what process and files say.")


def convert(
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="A file for one input, a folder for many.")],
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE…", help="B2BII files, folders of them, or URLs.")
    ] = None,
    catalogue: Annotated[
        Path | None, typer.Option("--catalogue", help="YAML catalogue whose files are converted; see docs/datasets.md.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Which of the catalogue's data sets; the only one by default.")
    ] = None,
    sample: Annotated[
        str | None, typer.Option(help="Name of the sample; by default that of the folder that is written to.")
    ] = None,
    process: Annotated[Process | None, typer.Option(help="Physics process; data where there is no truth.")] = None,
    is_data: Annotated[bool | None, _IS_DATA] = None,
    channel: Annotated[Channel | None, typer.Option(help="Decay channel of φ (signal).")] = None,
    m_phi_gev: Annotated[float | None, typer.Option("--m-phi-gev", help="Mass of φ in GeV (signal).")] = None,
    ctau_mm: Annotated[float | None, typer.Option("--ctau-mm", help="Decay length of φ in mm (signal).")] = None,
    cross_section_fb: Annotated[
        float | None, typer.Option("--cross-section-fb", help="Cross-section of what was generated, fb.")
    ] = None,
    cross_section_source: Annotated[str | None, typer.Option(help="Where the cross-section comes from.")] = None,
    n_generated: Annotated[
        int | None, typer.Option("--n-generated", help="Events generated for all files; those in them by default.")
    ] = None,
    luminosity_fb: Annotated[
        float | None, typer.Option("--luminosity-fb", help="Luminosity recorded in all files, fb⁻¹ (data).")
    ] = None,
    skim: Annotated[
        bool, typer.Option("--skim", help="Leave out events without exactly four good tracks by any search.")
    ] = False,
    file_format: Annotated[FormatChoice, typer.Option("--format", help="How ntuples are stored.")] = FormatChoice.TTREE,
    on_bad_file: Annotated[
        OnBadFile, typer.Option("--on-bad-file", help="Fail, or leave it out and list what that costs.")
    ] = OnBadFile.FAIL,
    config: Annotated[str | None, typer.Option("--config", help="YAML file with other settings.")] = None,
    site: SiteOption = "local",
    json_output: JsonOption = False,
) -> None:
    """Convert event-based trees of B2BII (basf2) to the compact ntuple that `process` reads."""
    from scheduler.configuration import AnalysisConfig, load_configuration
    from scheduler.conversion import ConversionPlan, convert_files
    from scheduler.progress import Terminal
    from scheduler.sample_description import SampleDescription

    analysis = AnalysisConfig() if config is None else load_configuration(config)
    terminal = Terminal(settings=analysis.progress)
    sources = _sources(files, catalogue, dataset, terminal)
    targets = _targets(sources.files, out, folder=catalogue is not None and out.suffix != ".root")
    _refuse_overwriting(sources.files, targets)
    said = {
        "process": process,
        "is_data": is_data,
        "channel": channel,
        "m_phi_gev": m_phi_gev,
        "ctau_mm": ctau_mm,
        "cross_section_fb": cross_section_fb,
        "cross_section_source": cross_section_source,
        "n_generated": n_generated,
        "luminosity_fb": luminosity_fb,
    }
    description = _described(
        SampleDescription,
        name=sample or sources.name or targets[0].resolve().parent.name,
        cross_sections=analysis.simulation.cross_sections,
        # the command line has the last word
        **{**sources.described, **{key: value for key, value in said.items() if value is not None}},
    )
    plan = ConversionPlan(
        sources.files,
        targets,
        description,
        analysis.conversion,
        analysis.simulation.ntuples.model_copy(update={"format": file_format.value}),
        analysis.candidates.tracks if skim else None,
        on_bad_file.value,
    )
    with _mapping(len(sources.files), site, analysis, terminal) as map_files:
        summary = convert_files(plan, map_files, terminal)
    _say(summary, terminal)
    if json_output:
        typer.echo(json.dumps(_as_json(summary)))


def _sources(files: Sequence[str] | None, catalogue: Path | None, dataset: str | None, terminal: Terminal) -> Sources:
    """Return what the command line says is converted."""
    from scheduler.conversion_sources import catalogued_sources, given_sources

    if (catalogue is None) == (not files):
        raise UsageError("Say what is converted: either files, folders and URLs, or --catalogue with --dataset.")
    if catalogue is None:
        if dataset is not None:
            raise UsageError("--dataset names a data set of a --catalogue.")
        return given_sources(files or ())
    sources = catalogued_sources(catalogue, dataset)
    for note in sources.notes:
        terminal.say(f"convert: {note}")
    return sources


def _targets(sources: Sequence[Location], out: Path, *, folder: bool) -> tuple[Path, ...]:
    """Return where each file goes; `folder` says that `out` is one however many files there are."""
    if len(sources) == 1 and not folder and not out.is_dir():
        return (out,)
    if out.is_file() or (out.suffix == ".root" and not out.is_dir()):
        raise UsageError(f"--out: {out} has to be a folder for {len(sources)} files.")
    targets = tuple(out / f"{_stem(location)}.root" for location in sources)
    taken: dict[Path, Location] = {}
    for source, target in zip(sources, targets, strict=True):
        if target in taken:
            raise UsageError(f"{taken[target]} and {source} would both become {target}.")
        taken[target] = source
    return targets


def _stem(location: Location) -> str:
    return Path(urlsplit(str(location)).path).stem if isinstance(location, str) else location.stem


def _refuse_overwriting(sources: Sequence[Location], targets: Sequence[Path]) -> None:
    inputs = {path.resolve() for path in sources if isinstance(path, Path)}
    for target in targets:
        if target.resolve() in inputs:
            raise UsageError(f"--out: {target} is one of the files to convert.")


def _described(kind: type[SampleDescription], **said: Any) -> SampleDescription:
    from pydantic import ValidationError

    try:
        return kind(**said)
    except ValidationError as error:
        problem = error.errors()[0]
        option = str(problem["loc"][0]).replace("_", "-")
        raise UsageError(f"--{option}: {problem['msg'][:1].lower()}{problem['msg'][1:]}.") from error


@contextmanager
def _mapping(n_files: int, site: str, config: AnalysisConfig, terminal: Terminal) -> Iterator[MapFiles]:
    """Yield how work on files is mapped: here for one file, over the workers of the site for several."""
    from processors.fileset import map_here
    from scheduler.clusters import check_site, connect
    from scheduler.file_mapping import FileMapping

    check_site(site)
    if n_files == 1 and site == _LOCAL:
        yield map_here
        return
    with connect(site, config.cluster, terminal) as client:
        yield FileMapping(client, "convert", config.tasks, terminal)


def _say(summary: ConversionSummary, terminal: Terminal) -> None:
    for file in summary.skipped:
        terminal.say(f"convert: left out {file.path}, which costs {file.cost}: {file.reason}")
    for note in _warnings(summary):
        terminal.say(f"convert: {note}")
    terminal.say(
        f"convert: {len(summary.converted)} files, {summary.events_in:,} events read, {summary.events_out:,} written, "
        f"{summary.events_in - summary.events_out:,} dropped by the skim, "
        f"{_rate(summary.events_in, summary):,.0f} events/s, {_rate(summary.bytes_in / 1e6, summary):.1f} MB/s"
    )


def _warnings(summary: ConversionSummary) -> list[str]:
    return [f"{note} ({count:,})" for note, count in sorted(summary.notes.items())]


def _rate(amount: float, summary: ConversionSummary) -> float:
    return amount / max(summary.seconds, 1e-9)


def _as_json(summary: ConversionSummary) -> dict[str, Any]:
    return {
        "files": [
            {
                "input": str(file.source),
                "output": str(file.target),
                "events_in": file.n_events_in,
                "events_out": file.n_events_out,
                "dropped": file.n_dropped,
                "bytes_in": file.n_bytes_in,
                "bytes_out": file.n_bytes_out,
                "seconds": round(file.seconds, 3),
                "warnings": dict(sorted(file.notes.items())),
            }
            for file in summary.converted
        ],
        "skipped": [
            {
                "input": str(file.path),
                "error": file.error,
                "reason": file.reason,
                "events": file.n_events,
                "n_generated": file.n_generated,
                "luminosity_fb": file.luminosity_fb,
            }
            for file in summary.skipped
        ],
        "events_in": summary.events_in,
        "events_out": summary.events_out,
        "dropped": summary.events_in - summary.events_out,
        "seconds": round(summary.seconds, 3),
        "events_per_s": round(_rate(summary.events_in, summary), 1),
        "mb_per_s": round(_rate(summary.bytes_in / 1e6, summary), 2),
        "warnings": _warnings(summary),
    }
