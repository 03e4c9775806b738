"""The report step: figures, tables, the web page, the HEPData submission and the key figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.published_limits import belle_2022, load_published_limits
from processors.blinding import UnblindingStage
from scheduler.provenance import code_revision, now
from scheduler.report.contents import ReportContents, read_contents
from scheduler.report.hepdata import write_submission
from scheduler.report.metrics import run_metrics
from scheduler.report.page import PageFacts, Section, write_page
from scheduler.report.sections import ReportWriter, SectionName
from scheduler.run_folder import RunFolder
from scheduler.tasks import map_tasks

if TYPE_CHECKING:
    from scheduler.steps.step import StepContext

_DOWNLOADS = (
    ("limits (CSV)", "../limits/limits.csv"),
    ("limits (JSON)", "../limits/limits.json"),
    ("pyhf workspaces", "../workspaces/"),
    ("HEPData", "../hepdata/submission.yaml"),
    ("key figures", "../metrics.json"),
    ("provenance", "../provenance.json"),
)


def execute(context: StepContext) -> None:
    """Write everything that people and scripts look at."""
    config, output = context.config, context.output
    contents = read_contents(context.run, config)
    overlays = config.report.published_limits
    published = (
        belle_2022(),
        *(load_published_limits(overlay.path, label=overlay.label, source=overlay.source) for overlay in overlays),
    )
    figures, tables = output.report / "figures", output.report / "tables"
    for folder in (figures, tables, output.hepdata):
        folder.mkdir(parents=True, exist_ok=True)
    writer = ReportWriter(contents, config, context.run, published, figures, tables)
    sections = map_tasks(
        context.client(),
        _write_section,
        list(SectionName),
        describe=str,
        label="report",
        unit="sections",
        settings=config.tasks,
        terminal=context.terminal,
        shared=writer,
    )
    facts = _facts(contents, context.run)
    write_page(output.report / "index.html", facts, sections, config.report.formats)
    write_submission(contents.limits, output.hepdata)
    metrics = run_metrics(contents, published[0], config.report.projection_luminosity_fb)
    output.metrics.write_text(metrics.model_dump_json(indent=1) + "\n", encoding="utf-8")


def _write_section(task: tuple[SectionName, ReportWriter]) -> Section:
    name, writer = task
    return writer.write(name)


def _facts(contents: ReportContents, run: RunFolder) -> PageFacts:
    record = next((m.unblinding for m in contents.manifests.values() if m.unblinding is not None), None)
    if record is None:
        blinding = "Blinded: no data of the signal region were read."
    elif record.blinding.stage is UnblindingStage.SIDE_BANDS:
        blinding = f"Unblinded in the side bands only, by {record.who} on {record.when:%Y-%m-%d}: {record.reason}."
    else:
        part = f" ({contents.opened_fraction:.0%} of the data)" if contents.opened_fraction < 1 else ""
        when = f"{record.when:%Y-%m-%d %H:%M} UTC"
        blinding = f"Unblinded{part} by {record.who} on {when}: {record.reason}."
    return PageFacts(
        run_name=run.path.resolve().name,
        luminosity_fb=contents.luminosity_fb,
        simulated_data=contents.simulated_data,
        blinding=blinding,
        code_version=f"leptophile, revision {code_revision() or 'unknown'}",
        made_at=now(),
        downloads=_DOWNLOADS,
    )
