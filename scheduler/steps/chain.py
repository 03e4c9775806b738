"""The steps of the analysis in order: what each reads, writes and depends on.

Only descriptions live here; a step's own module is imported when the step has to be run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from models.errors import UsageError
from processors.configuration import DEFAULT_SET
from scheduler.run_folder import RunFolder
from scheduler.steps.step import Step, file_identities

if TYPE_CHECKING:
    from scheduler.configuration import AnalysisConfig


def _nothing_else(config: AnalysisConfig, run: RunFolder) -> Mapping[str, JsonValue]:  # noqa: ARG001
    return {}


def _external_inputs(config: AnalysisConfig, run: RunFolder) -> Mapping[str, JsonValue]:  # noqa: ARG001
    """Return the identity of ntuples that are not simulated here, and of files of corrections."""
    identities: dict[str, JsonValue] = {}
    for name in config.candidates.corrections:
        path = Path(name)
        if name != DEFAULT_SET:
            identities |= {str(path): value for value in file_identities(path.parent, (path.name,)).values()}
    if config.inputs.catalogue is not None:
        return identities | dict(_catalogued_ntuples(config.inputs.catalogue))
    folder = config.inputs.ntuples
    if folder is None:
        return identities
    if not folder.is_dir():
        raise UsageError(f"'inputs.ntuples': there is no folder {folder}.")
    return identities | dict(file_identities(folder.parent, (folder.name,)))


def _catalogued_ntuples(catalogue: Path) -> Mapping[str, JsonValue]:
    from processors.locations import file_stamp
    from scheduler.dataset_catalogue import catalogue_digest, resolve_datasets

    files = [file for dataset in resolve_datasets(catalogue) for file in dataset.files]
    return {str(catalogue): catalogue_digest(catalogue)} | {str(file): file_stamp(file).stamp for file in files}


def _unblinding(config: AnalysisConfig, run: RunFolder) -> Mapping[str, JsonValue]:  # noqa: ARG001
    if not run.unblinding.exists():
        return {"unblinded": False}
    return {"unblinded": hashlib.sha256(run.unblinding.read_bytes()).hexdigest()}


def _overlays(config: AnalysisConfig, run: RunFolder) -> Mapping[str, JsonValue]:  # noqa: ARG001
    paths = [overlay.path for overlay in config.report.published_limits]
    return {str(path): value for path in paths for value in file_identities(path.parent, (path.name,)).values()}


SIMULATE: Final = Step(
    name="simulate",
    summary="Generate events, pass them through the detector simulation and write Belle ntuples.",
    module="scheduler.steps.simulate",
    needs=(),
    outputs=("ntuples",),
    settings=lambda config: {"seed": config.seed, "simulation": config.simulation},
    inputs=_nothing_else,
)
PROCESS: Final = Step(
    name="process",
    summary="Select events, build candidates with fitted vertices and write them with their cutflow.",
    module="scheduler.steps.process",
    needs=("simulate",),
    outputs=("candidates", "datasets.json", "samples.json", "cutflow.json", "corrections.json"),
    settings=lambda config: {
        "candidates": config.candidates,
        "skip_bad_files": config.inputs.skip_bad_files,
        "chunks": config.chunks,
    },
    inputs=_external_inputs,
)
TRAIN: Final = Step(
    name="train",
    summary="Train and evaluate the five-class classifier of each channel.",
    module="scheduler.steps.train",
    needs=("process",),
    outputs=("classifier",),
    settings=lambda config: {"classifier": config.classifier},
    inputs=_nothing_else,
)
HISTOGRAM: Final = Step(
    name="histogram",
    summary="Score the candidates and fill the histograms of all regions; data of the signal region only if unblinded.",
    module="scheduler.steps.histogram",
    needs=("process", "train"),
    outputs=("histograms",),
    settings=lambda config: {
        "classifier_method": config.classifier.method,
        "classifier_inputs": config.classifier.inputs,
        "regions": config.regions,
        "thresholds": config.thresholds,
        "scan": config.scan,
        "signal_shape": config.signal_shape,
        "luminosity_fb": config.inputs.luminosity_fb,
    },
    inputs=_unblinding,
)
NORMALISE: Final = Step(
    name="normalise",
    summary="Fit the scale factors of the backgrounds to data in the control regions.",
    module="scheduler.steps.normalise",
    needs=("histogram",),
    outputs=("normalisation.json",),
    settings=lambda config: {"normalisation": config.normalisation},
    inputs=_nothing_else,
)
SCAN: Final = Step(
    name="scan",
    summary="Fit every mass point and set limits on cross-section and coupling.",
    module="scheduler.steps.scan",
    needs=("histogram", "normalise"),
    outputs=("workspaces", "limits"),
    settings=lambda config: {
        "seed": config.seed,
        "scan": config.scan,
        "templates": config.templates,
        "systematics": config.systematics,
        "inference": config.inference,
        "look_elsewhere": config.look_elsewhere,
    },
    inputs=_nothing_else,
)
REPORT: Final = Step(
    name="report",
    summary="Draw all figures and tables, and write them as a web page and for HEPData.",
    module="scheduler.steps.report",
    needs=("process", "train", "histogram", "normalise", "scan"),
    outputs=("report", "hepdata", "metrics.json"),
    settings=lambda config: {"report": config.report},
    inputs=_overlays,
)

CHAIN: Final = (SIMULATE, PROCESS, TRAIN, HISTOGRAM, NORMALISE, SCAN, REPORT)


def steps_of(config: AnalysisConfig) -> tuple[Step, ...]:
    """Return the steps of a configuration in order: nothing is simulated where ntuples are given."""
    if config.inputs.simulated:
        return CHAIN
    return tuple(step for step in CHAIN if step is not SIMULATE)


def ntuple_folder(config: AnalysisConfig, run: RunFolder) -> Path:
    """Return where the ntuples of a run are."""
    return config.inputs.ntuples or run.ntuples
