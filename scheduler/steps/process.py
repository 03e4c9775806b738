"""The processing step: ntuples to candidates, with every event accounted for."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from models.errors import IncompleteRunError
from processors.belle_schema import BelleSchema
from processors.candidate_processor import CandidateProcessor
from processors.candidates import CandidatePath
from processors.checked_file import CheckedFile
from processors.correction_sets import CorrectionSets, load_corrections
from processors.cutflow import SampleSummary
from processors.fileset import (
    FilesetScan,
    MapFiles,
    build_fileset,
    sample_metadata,
    scan_datasets,
    without_files,
)
from processors.run_selection import Removed
from scheduler.coffea_run import run_processor
from scheduler.dataset_catalogue import resolve_datasets
from scheduler.failures import write_failures
from scheduler.file_mapping import FileMapping
from scheduler.preprocessed_datasets import check_unchanged, known_files, preprocess, write_preprocessed
from scheduler.report.effective_luminosity import describe_cut_stages
from scheduler.sample_catalogue import SampleAccounting, SampleCatalogue, SkippedInput, write_catalogue
from scheduler.steps.chain import ntuple_folder

if TYPE_CHECKING:
    from scheduler.steps.step import StepContext


def execute(context: StepContext) -> None:
    """Check all ntuples, process them, and write candidates, catalogue, cutflow and corrections."""
    config = context.config
    corrections = load_corrections(config.candidates.corrections)
    map_files = FileMapping(context.client(), "process: looking at files", config.tasks, context.terminal)
    known = known_files(context.run.datasets, context.output.datasets)
    options = _ScanOptions(skip_bad_files=config.inputs.skip_bad_files, map_files=map_files, known=known)
    if config.inputs.catalogue is None:
        scan = build_fileset(ntuple_folder(config, context.run).resolve(), **options)
    else:
        scan = scan_datasets(resolve_datasets(config.inputs.catalogue), **options)
    write_preprocessed(context.output.datasets, preprocess(scan.files, config.chunks.entries))
    scan, summaries = _process(context, scan, corrections)
    write_preprocessed(context.output.datasets, preprocess(scan.files, config.chunks.entries))
    check_unchanged(scan.files, map_files)
    for file in scan.skipped:
        context.terminal.say(f"process: left out {file.path}: {file.reason}")
    _check_files(summaries, context.output.candidates)
    _check_events(summaries, scan)
    catalogue = _catalogue(scan)
    for name, accounting in catalogue.accounting.items():
        if accounting.removed:
            context.terminal.say(
                f"process: {name}: {accounting.processed:,} of {accounting.events:,} events are in the selected runs, "
                f"{accounting.removed_by_run_range:,} outside the ranges, {accounting.removed_by_good_runs:,} not good"
            )
    write_catalogue(context.output.samples, catalogue)
    context.output.corrections.write_text(corrections.text + "\n", encoding="utf-8")
    context.output.cutflow.write_text(json.dumps(summaries, indent=1) + "\n", encoding="utf-8")
    luminosity_fb = config.inputs.luminosity_fb or config.report.projection_luminosity_fb
    context.terminal.say(f"Effective luminosity of the simulation, and events expected at {luminosity_fb:g} fb⁻¹:")
    for line in describe_cut_stages(summaries, catalogue.samples, luminosity_fb):
        context.terminal.say(f"  {line}")


def _process(
    context: StepContext, scan: FilesetScan, corrections: CorrectionSets
) -> tuple[FilesetScan, dict[str, SampleSummary]]:
    """Process all files, or, if that is asked for, all that turn out to be good when they are read.

    A file with a bad chunk is left out as a whole. The others are then added up again from their stored results.
    """
    config = context.config
    runs = {dataset.name: dataset.runs for dataset in scan.datasets}
    while scan.fileset:
        processed = run_processor(
            context.client(),
            scan.fileset,
            CandidateProcessor(config.candidates, context.output.candidates, runs, corrections),
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


class _ScanOptions(TypedDict):
    """How files are looked at."""

    skip_bad_files: bool
    map_files: MapFiles
    known: dict[str, CheckedFile]


def _check_events(summaries: dict[str, SampleSummary], scan: FilesetScan) -> None:
    """Check that every event of every file was either analysed or left out for its run, and counted as such."""
    expected = {name: sum(file.n_events for file in files) for name, files in scan.files.items()}
    for name, n_events in expected.items():
        summary, removed = summaries[name], scan.removed[name]
        counted = Removed(summary["removed"]["run_range"], summary["removed"]["good_runs"])
        if counted != removed or summary["n_events"] + sum(counted) != n_events:
            raise IncompleteRunError(
                f"Of the {n_events} events of '{name}', {summary['n_events']} were analysed and {tuple(counted)} left "
                f"out for their run, where {tuple(removed)} were expected."
            )


def _check_files(summaries: dict[str, SampleSummary], folder: Path) -> None:
    # a worker that was killed while it wrote leaves its temporary file
    for leftover in folder.rglob(".*.parquet"):
        leftover.unlink()
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")}
    counted = {name for summary in summaries.values() for name in summary["files"]}
    if written != counted:
        names = ", ".join(sorted(written ^ counted))
        raise IncompleteRunError(f"The candidate files are not those that were counted: {names}.")


def _catalogue(scan: FilesetScan) -> SampleCatalogue:
    samples = {name: sample_metadata(dataset["metadata"]) for name, dataset in scan.fileset.items()}
    return SampleCatalogue(
        samples=samples,
        n_files={name: len(dataset["files"]) for name, dataset in scan.fileset.items()},
        accounting={
            name: SampleAccounting(
                files=len(files),
                events=sum(file.n_events for file in files),
                removed_by_run_range=scan.removed[name].run_range,
                removed_by_good_runs=scan.removed[name].good_runs,
                luminosity_fb=samples[name].equivalent_luminosity_fb,
                n_generated=samples[name].n_generated,
            )
            for name, files in scan.files.items()
        },
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
