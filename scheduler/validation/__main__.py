"""Check background and signal model of a run: ``python -m scheduler.validation RUN_FOLDER``.

Writes ``validation/index.html`` in the run folder: a verdict for every check, what it follows from, and its figure.
Signal-region data are used only as far as the run's unblinding opens them; until then a pseudo-experiment stands in.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from models.alternative_fit import PeakShape
from models.errors import LeptophileError
from models.scan_grid import MassPoint, mass_points
from models.search import Channel
from processors.regions import RegionSettings, ThresholdChoice
from scheduler.configuration import AnalysisConfig, load_configuration
from scheduler.report.contents import ReportContents, read_contents
from scheduler.report.style import report_style
from scheduler.run_folder import RunFolder
from scheduler.validation.background_checks import (
    classifier_checks,
    input_checks,
    scale_factor_checks,
    threshold_checks,
)
from scheduler.validation.fit_checks import alternative_fit_check, linearity_checks, spectrum_of
from scheduler.validation.page import Check, Verdict, write_validation_page
from scheduler.validation.signal_checks import closure_check


def checks_of(run: RunFolder, config: AnalysisConfig, *, n_toys: int, every: int) -> Iterator[Check]:
    """Yield every check of a complete run.

    Parameters
    ----------
    run, config
        The run.
    n_toys
        Pseudo-experiments of the scale factors.
    every
        Use every so-manieth mass point for the alternative fit.
    """
    contents = read_contents(run, config)
    yield from classifier_checks(contents.evaluations)
    yield from threshold_checks(contents.thresholds)
    yield from scale_factor_checks(
        contents.histograms, contents.scale_factors, config.normalisation, n_toys=n_toys, seed=config.seed
    )
    yield from input_checks(
        run, contents.catalogue.samples, contents.scale_factors, _regions(contents, config), contents.luminosity_fb
    )
    yield from closure_check(contents.signals)
    points = mass_points(config.scan)
    spectra = {
        search: spectrum_of(
            contents.histograms[search],
            contents.manifests[search],
            contents.scale_factors.for_templates(),
            uniform_rate_per_fb_gev=config.templates.uniform_rate_per_fb_gev(search.channel),
            seed=config.seed,
        )
        for search in {point.search for point in points}
    }

    def resolution_gev(point: MassPoint) -> float:
        return float(contents.signals[point.search].prompt.resolution_gev(point.m_phi_gev))

    for shape in PeakShape:
        yield alternative_fit_check(run, points[::every], spectra, resolution_gev, config.scan, config.inference, shape)
    yield from linearity_checks(run, _spread(points, 3), config.inference)


def _regions(contents: ReportContents, config: AnalysisConfig) -> RegionSettings:
    """Return the regions in force."""
    if config.regions.threshold_choice is ThresholdChoice.PUBLISHED:
        return config.regions
    manifests = {search.channel: manifest for search, manifest in contents.manifests.items()}
    constant = config.regions.with_signal_thresholds({c: m.sr_above_signal_score for c, m in manifests.items()})
    by_mass = {c: m.sr_by_mass for c, m in manifests.items() if m.sr_by_mass is not None}
    return constant.model_copy(update={"sr_by_mass": by_mass})


def _spread(points: Sequence[MassPoint], per_channel: int) -> list[MassPoint]:
    """Return mass points spread over each channel, ends included."""
    chosen: list[MassPoint] = []
    for channel in Channel:
        own = [point for point in points if point.search.channel is channel]
        chosen += [own[i] for i in np.unique(np.linspace(0, len(own) - 1, per_channel).astype(int))]
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks; the exit status is 0 unless one failed or could not be made."""
    parser = argparse.ArgumentParser(prog="python -m scheduler.validation", description=__doc__)
    parser.add_argument("run", type=Path, help="run folder with a complete run")
    parser.add_argument(
        "--out", type=Path, default=None, help="where to write; validation/ in the run folder by default"
    )
    parser.add_argument("--toys", type=int, default=200, help="pseudo-experiments of the scale factors")
    parser.add_argument("--every", type=int, default=1, help="use every n-th mass point for the alternative fit")
    options = parser.parse_args(arguments)
    run = RunFolder(options.run.resolve())
    try:
        config = load_configuration(str(run.configuration))
        with report_style():
            checks = list(checks_of(run, config, n_toys=options.toys, every=options.every))
            folder = options.out or run.path / "validation"
            results = write_validation_page(checks, folder, f"Validation of the run “{run.path.name}”")
    except LeptophileError as error:
        sys.stderr.write(f"validation: {error}\n")
        return error.exit_status
    for result in results:
        sys.stdout.write(f"{result.verdict:<10} {result.name}: {result.sentence}\n")
    sys.stdout.write(f"{folder / 'index.html'}\n")
    return 1 if any(result.verdict is Verdict.FAILED for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
