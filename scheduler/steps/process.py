"""The processing step: ntuples to candidates, with every event accounted for."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import IncompleteRunError
from processors.belle_schema import BelleSchema
from processors.candidate_processor import CandidateProcessor
from processors.candidates import CandidatePath
from processors.cutflow import SampleSummary
from processors.fileset import CheckedFile, FilesetScan, SkippedFile, build_fileset, sample_metadata, without_files
from scheduler.coffea_run import run_processor
from scheduler.failures import write_failures
from scheduler.report.effective_luminosity import describe_cut_stages
from scheduler.sample_catalogue import SampleCatalogue, SkippedInput, write_catalogue
from scheduler.steps.chain import ntuple_folder

if TYPE_CHECKING:
    from distributed import Client

    from scheduler.steps.step import StepContext


def execute(context: StepContext) -> None:
    """Check all ntuples, process them, and write candidates, catalogue and cutflow."""
    config = context.config
    client = context.client()
    folder = ntuple_folder(config, context.run).resolve()
    scan = build_fileset(folder, skip_bad_files=config.inputs.skip_bad_files, map_files=partial(_map_files, client))
    scan, summaries = _process(context, scan)
    for file in scan.skipped:
        context.terminal.say(f"process: left out {file.path}: {file.reason}")
    _check_files(summaries, context.output.candidates)
    catalogue = _catalogue(scan)
    write_catalogue(context.output.samples, catalogue)
    context.output.cutflow.write_text(json.dumps(summaries, indent=1) + "\n", encoding="utf-8")
    luminosity_fb = config.inputs.luminosity_fb or config.report.projection_luminosity_fb
    context.terminal.say(f"Effective luminosity of the simulation, and events expected at {luminosity_fb:g} fb⁻¹:")
    for line in describe_cut_stages(summaries, catalogue.samples, luminosity_fb):
        context.terminal.say(f"  {line}")


def _process(context: StepContext, scan: FilesetScan) -> tuple[FilesetScan, dict[str, SampleSummary]]:
    """Process all files, or, if that is asked for, all that turn out to be good when they are read.

    A file with a bad chunk is left out as a whole. The others are then added up again from their stored results.
    """
    config = context.config
    while scan.fileset:
        processed = run_processor(
            context.client(),
            scan.fileset,
            CandidateProcessor(config.candidates, context.output.candidates),
            schema=BelleSchema,
            label="process",
            unit="events",
            terminal=context.terminal,
            chunks=config.chunks,
            tasks=config.tasks,
            store=context.results,
            allow_bad_files=config.inputs.skip_bad_files,
        )
        if not processed.report.failed:
            return scan, processed.output
        write_failures(context.run.failures("process"), processed.report)
        bad = {failure.file: failure.reason for failure in processed.report.failed if failure.file is not None}
        for sample, dataset in scan.fileset.items():
            _remove_candidates(sample, {Path(path).stem for path in bad.keys() & dataset["files"].keys()}, context)
        scan = without_files(scan, bad)
    raise IncompleteRunError("No usable file is left to process.")


def _remove_candidates(sample: str, stems: Collection[str], context: StepContext) -> None:
    """Remove the candidates of files that are left out."""
    for path in context.output.candidates.glob(f"*/*/{sample}/*.parquet") if stems else ():
        if CandidatePath.parse(path.relative_to(context.output.candidates)).stem in stems:
            path.unlink()


def _map_files(
    client: Client, check: Callable[[Path], CheckedFile | SkippedFile], paths: Iterable[Path]
) -> list[CheckedFile | SkippedFile]:
    return list(client.gather(client.map(check, list(paths), pure=False)))


def _check_files(summaries: dict[str, SampleSummary], folder: Path) -> None:
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")}
    counted = {name for summary in summaries.values() for name in summary["files"]}
    if written != counted:
        names = ", ".join(sorted(written ^ counted))
        raise IncompleteRunError(f"The candidate files are not those that were counted: {names}.")


def _catalogue(scan: FilesetScan) -> SampleCatalogue:
    return SampleCatalogue(
        samples={name: sample_metadata(dataset["metadata"]) for name, dataset in scan.fileset.items()},
        n_files={name: len(dataset["files"]) for name, dataset in scan.fileset.items()},
        skipped=tuple(
            SkippedInput(
                path=str(file.path),
                reason=file.reason,
                n_generated=file.n_generated,
                equivalent_luminosity_fb=file.equivalent_luminosity_fb,
            )
            for file in scan.skipped
        ),
    )
