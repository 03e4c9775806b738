"""All checks of a run, in the order of the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from models.alternative_fit import PeakShape
from models.scan_grid import MassPoint, mass_points, stretch_ends
from models.search import Channel, Search
from processors.regions import RegionSettings, ThresholdChoice
from scheduler.clusters import connect
from scheduler.configuration import load_configuration
from scheduler.failures import TaskFailure
from scheduler.global_toys import significances_of_toys
from scheduler.progress import Terminal
from scheduler.report.contents import ReportContents, read_contents
from scheduler.report.style import report_style
from scheduler.result_store import store_of
from scheduler.run_folder import RunFolder
from scheduler.steps.scan import load_inputs
from scheduler.steps.step import StepContext
from scheduler.tasks import run_shown_tasks
from scheduler.validation.background_checks import (
    classifier_checks,
    scale_factor_checks,
    threshold_checks,
)
from scheduler.validation.fit_checks import alternative_fit_check, examined_check, goodness_check, injection_check
from scheduler.validation.gain_check import gain_check
from scheduler.validation.input_checks import input_checks
from scheduler.validation.look_elsewhere_check import look_elsewhere_check
from scheduler.validation.mass_points import Examination, ExaminationInputs, examine, spectrum_of
from scheduler.validation.nuisance_checks import nuisance_checks
from scheduler.validation.page import Check, CheckResult, write_validation_page
from scheduler.validation.signal_checks import closure_check

if TYPE_CHECKING:
    from distributed import Client


def validate_run(run: RunFolder, output: RunFolder, *, site: str = "local") -> list[CheckResult]:
    """Make every check of a complete run, with its own configuration, and write the page.

    Parameters
    ----------
    run
        The run.
    output
        Its own folder, or another one that the page is written to.
    site
        Where the workers are.

    Raises
    ------
    BlindedError
        If the run holds signal-region data without the record that opens them.
    LeptophileError
        If the run is not complete, or a check could not be made.
    """
    config = load_configuration(str(run.configuration))
    terminal = Terminal(settings=config.progress)
    with ExitStack() as stack, report_style():

        @cache
        def client() -> Client:
            return stack.enter_context(connect(site, config.cluster, terminal, logs=output.logs))

        context = StepContext(config, run, output, client, terminal, store_of(config.results, run.results))
        checks = list(checks_of(context))
        return write_validation_page(checks, output.validation, f"Validation of the run “{run.path.name}”")


def checks_of(context: StepContext) -> Iterator[Check]:
    """Yield every check of a complete run; fits are done on the workers of `context.client`."""
    config, run = context.config, context.run
    contents = read_contents(run, config)
    yield from classifier_checks(contents.evaluations)
    yield from threshold_checks(contents.thresholds)
    yield from gain_check(run, config, contents.catalogue.samples, contents.luminosity_fb)
    yield from scale_factor_checks(
        contents.histograms,
        contents.scale_factors,
        config.normalisation,
        n_toys=config.validation.scale_factor_toys,
        seed=config.seed,
    )
    regions = _regions(contents, config.regions)
    yield from input_checks(run, contents.catalogue.samples, contents.scale_factors, regions, contents.luminosity_fb)
    yield from closure_check(contents.signals)
    points = mass_points(config.scan)
    examined, failures, fitted_to_data = _examinations(context, contents, points)
    yield examined_check(points, failures)
    what = "data" if fitted_to_data else "a pseudo-experiment (blinded)"
    for shape in PeakShape:
        yield alternative_fit_check(examined, shape, what)
    yield goodness_check(examined, what)
    yield from nuisance_checks(examined, what)
    yield injection_check(examined)
    significances, failures = significances_of_toys(
        context.client(),
        context.terminal,
        points,
        load_inputs(context, points),
        config.validation.look_elsewhere_toys,
        config.tasks,
    )
    yield look_elsewhere_check(significances, stretch_ends(points, config.scan), contents.largest_excess, failures)


def _examinations(
    context: StepContext, contents: ReportContents, points: Sequence[MassPoint]
) -> tuple[list[Examination], list[TaskFailure], bool]:
    """Return what the workers found at all mass points, where they failed, and whether it was in data."""
    config = context.config
    spectra = {
        search: spectrum_of(
            contents.histograms[search],
            contents.manifests[search],
            contents.scale_factors.for_templates(),
            uniform_rate_per_fb_gev=config.templates.uniform_rate_per_fb_gev(search.channel),
            seed=np.random.SeedSequence([config.seed, list(Search).index(search)]),
        )
        for search in sorted({point.search for point in points})
    }
    resolution = {point: contents.signals[point.search].prompt.resolution_gev(point.m_phi_gev) for point in points}
    inputs = ExaminationInputs(
        run=context.run,
        spectra=spectra,
        resolution_gev=resolution,
        injected=frozenset(_spread(points, config.validation.injection_masses)),
        scan=config.scan,
        inference=config.inference,
        settings=config.validation,
        seed=config.seed,
    )
    outcomes = run_shown_tasks(
        context.client(),
        examine,
        points,
        describe=lambda point: point.label,
        label="validation",
        unit="mass points",
        settings=config.tasks,
        terminal=context.terminal,
        shared=inputs,
    )
    examined = [found for found in outcomes.results if found is not None]
    return examined, list(outcomes.failures), all(spectrum.is_data for spectrum in spectra.values())


def _regions(contents: ReportContents, regions: RegionSettings) -> RegionSettings:
    """Return the regions in force."""
    if regions.threshold_choice is ThresholdChoice.PUBLISHED:
        return regions
    manifests = {search.channel: manifest for search, manifest in contents.manifests.items()}
    constant = regions.with_signal_thresholds({c: m.sr_above_signal_score for c, m in manifests.items()})
    by_mass = {c: m.sr_by_mass for c, m in manifests.items() if m.sr_by_mass is not None}
    return constant.model_copy(update={"sr_by_mass": by_mass})


def _spread(points: Sequence[MassPoint], per_channel: int) -> list[MassPoint]:
    """Return mass points spread over each channel, ends included."""
    chosen: list[MassPoint] = []
    for channel in Channel:
        own = [point for point in points if point.search.channel is channel]
        if own:
            chosen += [own[i] for i in np.unique(np.linspace(0, len(own) - 1, per_channel).astype(int))]
    return chosen
