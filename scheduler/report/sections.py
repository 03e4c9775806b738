"""The sections of the report: which figures and tables stand where, and what is said about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from models.errors import UsageError
from models.published_limits import PublishedLimits
from models.scan_grid import MassPoint, mass_points, sum_into_bins
from models.search import Channel, Search
from models.theory.muon_g2 import xi_favoured_band
from processors.regions import GENERAL_CONTROL_REGION, SIGNAL_REGION, special_control_region
from scheduler.configuration import AnalysisConfig
from scheduler.limits_table import LargestExcess
from scheduler.report import (
    classifier_figures,
    limit_figures,
    signal_closure,
    signal_figures,
    signal_lifetimes,
    spectrum_figures,
    tables,
)
from scheduler.report.contents import ReportContents
from scheduler.report.fits import describe_fit, fitted_mass_point
from scheduler.report.limit_figures import CHANNEL_LABELS, RunDescription
from scheduler.report.metrics import median_ratio, xi_projection
from scheduler.report.page import FigureEntry, Section, TableEntry
from scheduler.report.spectra import Spectrum
from scheduler.report.spectrum_figures import SignalOverlay
from scheduler.report.style import SEARCH_LABELS, report_style
from scheduler.run_folder import RunFolder

_REGION_TITLES = {GENERAL_CONTROL_REGION: "general control region", SIGNAL_REGION: "signal region"}


class SectionName(StrEnum):
    """The sections in the order of the page."""

    EXCLUSION = "Exclusion"
    LIMITS = "Limits"
    FITS = "Fits"
    REGIONS = "Regions"
    NORMALISATION = "Normalisation"
    CLASSIFIER = "Classifier"
    SIGNAL = "Signal"
    SELECTION = "Selection"


@dataclass(frozen=True)
class ReportWriter:
    """Draws figures and tables of one run into folders, section by section."""

    contents: ReportContents
    config: AnalysisConfig
    run: RunFolder
    published: Sequence[PublishedLimits]
    """Published limits to overlay, those of the analysis reproduced first."""
    figures: Path
    tables: Path

    def write(self, name: SectionName) -> Section:
        """Write the figures and tables of one section and return it."""
        builders: dict[SectionName, Callable[[], Section]] = {
            SectionName.EXCLUSION: self._exclusion,
            SectionName.LIMITS: self._limits,
            SectionName.FITS: self._fits,
            SectionName.REGIONS: self._regions,
            SectionName.NORMALISATION: self._normalisation,
            SectionName.CLASSIFIER: self._classifier,
            SectionName.SIGNAL: self._signal,
            SectionName.SELECTION: self._selection,
        }
        with report_style():
            return builders[name]()

    @property
    def _description(self) -> RunDescription:
        return RunDescription(self.contents.luminosity_fb, self.contents.simulated_data, self.contents.blinded)

    def _exclusion(self) -> Section:
        target = self.config.report.projection_luminosity_fb
        projection = xi_projection(self.contents.luminosity_fb, target)
        rows, reference = self.contents.limits, self.published[0]
        medians = {c: median_ratio([row for row in rows if row.channel == c], reference, projection) for c in Channel}
        said = "; ".join(f"{channel}: {ratio:.2f}" for channel, ratio in medians.items() if ratio is not None)
        return Section(
            SectionName.EXCLUSION,
            "Limits on the coupling ξ of a scalar φ that couples to leptons in proportion to their mass. Compared "
            f"with {reference.source}, the expected limits of this run projected to {target:g} fb⁻¹ (ξ ∝ L⁻¹ᐟ⁴) "
            f"are, as the median of their ratio over all masses, {said or 'not available'}.",
            (
                self._figure(
                    limit_figures.exclusion(rows, self.published, xi_favoured_band, self._description),
                    "exclusion",
                    "Excluded couplings against mass, with the band that the muon g−2 favours.",
                ),
                self._figure(
                    limit_figures.ratio_to_published(rows, reference, projection, self._description),
                    "ratio_to_published",
                    f"Expected ξ limits projected to {target:g} fb⁻¹ over the published observed ones.",
                ),
            ),
        )

    def _limits(self) -> Section:
        excess = self.contents.largest_excess
        if excess is None:
            said = "The signal region is blinded: there are expected limits only."
            short = "blinded"
        else:
            where = f"{excess.z_local:.1f}σ at {excess.m_phi_gev:g} GeV ({excess.channel})"
            short = f"largest excess {where}, global p {_global_p(excess)}"
            said = (
                f"The largest excess is {where}; anywhere in the scan one at least as large has probability "
                f"p {_global_p(excess)} without signal."
            )
        figures = []
        for channel in Channel:
            limit = limit_figures.cross_section_limits(self.contents.limits, channel, self._description)
            caption = f"90 % upper limits on σ·B against mass, {channel}."
            figures.append(self._figure(limit, f"cross_section_limits_{channel}", caption))
            coupling = limit_figures.coupling_limits(self.contents.limits, channel, self.published, self._description)
            figures.append(self._figure(coupling, f"coupling_limits_{channel}", f"Limits on ξ, {channel}."))
            if excess is not None:
                curve = limit_figures.significance(self.contents.limits, channel, short, self._description)
                figures.append(self._figure(curve, f"significance_{channel}", f"Signed significance, {channel}."))
        table = tables.limits_rows(self.contents.limits, self.tables)
        return Section(SectionName.LIMITS, said, tuple(figures), (table,))

    def _fits(self) -> Section:
        if self.contents.blinded:
            return Section(SectionName.FITS, "The signal region is blinded: there are no fits to show.")
        return Section(
            SectionName.FITS,
            "Fits at chosen masses, spread over display bins. The band is the uncertainty before the fit; the shaded "
            "range is the one that the fit bins finely.",
            tuple(figure for point in self._shown_points() for figure in self._fit_figure(point)),
        )

    def _shown_points(self) -> Iterator[MassPoint]:
        points = mass_points(self.config.scan)
        shown = self.config.report
        for channel, masses in ((Channel.EE, shown.ee_fit_masses_gev), (Channel.MUMU, shown.mumu_fit_masses_gev)):
            for mass in masses:
                matches = [p for p in points if p.search.channel is channel and abs(p.m_phi_gev - mass) < 1e-6]
                if not matches:
                    raise UsageError(f"'report.{channel}_fit_masses_gev': {mass:g} GeV is not a mass of the scan.")
                yield matches[0]

    def _fit_figure(self, point: MassPoint) -> Iterator[FigureEntry]:
        fitted = fitted_mass_point(
            point,
            self.run.workspace(point.search.channel, point.m_phi_gev),
            self.contents.fit_spectra[point.search],
            self.contents.signal_models[point.search],
            self.contents.luminosity_fb,
            self.config.scan,
            self.config.inference,
        )
        if fitted is None:
            return
        figure = spectrum_figures.fitted_spectrum(
            fitted.spectrum,
            point.search,
            describe_fit(fitted),
            self._description,
            SignalOverlay("fitted signal", fitted.signal),
            fitted.window_gev,
            self._view_gev(point),
        )
        stem = f"fit_{point.search.channel}_m{point.m_phi_gev:.3f}"
        yield self._figure(figure, stem, f"Fit at {point.m_phi_gev:g} GeV in {point.search}.")

    def _view_gev(self, point: MassPoint) -> tuple[float, float]:
        """Return the mass range that the figure of a fit shows."""
        sigma = self.contents.signal_models[point.search].resolution_gev(point.m_phi_gev)
        reach = self.config.report.fit_view_half_width_sigma * sigma
        window = point.search.window
        return max(window.low_gev, point.m_phi_gev - reach), min(window.high_gev, point.m_phi_gev + reach)

    def _regions(self) -> Section:
        figures = []
        for search in Search:
            for region in (GENERAL_CONTROL_REGION, SIGNAL_REGION):
                spectrum = self.contents.spectra[search, region]
                title = f"{SEARCH_LABELS[search]}, {_REGION_TITLES[region]}"
                figure = spectrum_figures.stacked_spectrum(
                    spectrum, search, title, self._description, self._signal_overlay(search, region, spectrum)
                )
                stem = f"spectrum_{search}_{region}"
                figures.append(self._figure(figure, stem, f"m(ℓℓ) in the {_REGION_TITLES[region]}, {search}."))
        return Section(
            SectionName.REGIONS,
            "Candidate masses after scale factors. The uncertainty adds simulation statistics, systematic sources and "
            "scale factors in quadrature. The signal is drawn at an arbitrary scale.",
            tuple(figures),
            (
                tables.yield_table(self.contents.spectra, self.tables),
                tables.background_table(
                    self.contents.effective_luminosities,
                    self.contents.scale_factors,
                    self.contents.luminosity_fb,
                    self.tables,
                ),
            ),
        )

    def _signal_overlay(self, search: Search, region: str, spectrum: Spectrum) -> SignalOverlay | None:
        """Return the signal nearest the middle of the window, as generated, at a scale at which it is visible."""
        histogram = self.contents.histograms[search].signal
        samples = self.contents.catalogue.samples
        with_prompt = [name for name in histogram.axes["dataset"] if samples[name].flight_lengths.prompt_share > 0.0]
        if not with_prompt:
            return None
        middle = float(np.sqrt(max(search.window.low_gev, 0.01) * search.window.high_gev))
        name = min(with_prompt, key=lambda sample: abs((samples[sample].m_phi_gev or 0.0) - middle))
        fine = np.asarray(histogram[{"region": region, "dataset": name}].values())
        values = sum_into_bins(fine, np.asarray(histogram.axes["mass"].edges), spectrum.edges_gev)
        reach = float(np.max(spectrum.total, initial=0.0)) or 1.0
        peak = float(np.max(values, initial=0.0))
        if peak <= 0:
            return None
        return SignalOverlay(rf"signal, $m_\phi={samples[name].m_phi_gev:g}$ GeV (scaled)", values * reach / peak)

    def _normalisation(self) -> Section:
        figures = []
        for search in (Search.EE, Search.MUMU):
            for process in self.contents.evaluations[search.channel].classes[1:]:
                region = special_control_region(process)
                spectrum = self.contents.spectra[search, region]
                title = f"{SEARCH_LABELS[search]}, control region {process}"
                figure = spectrum_figures.stacked_spectrum(spectrum, search, title, self._description)
                figures.append(self._figure(figure, f"spectrum_{search}_{region}", f"{search}, {region}."))
        return Section(
            SectionName.NORMALISATION,
            "One scale factor per background component, from a simultaneous fit to data in the general control "
            "regions of both channels, compared with what the component's special control region wants.",
            tuple(figures),
            (tables.scale_factor_table(self.contents.scale_factors, self.tables),),
        )

    def _classifier(self) -> Section:
        evaluations = list(self.contents.evaluations.values())
        figures = []
        for evaluation in evaluations:
            channel, label = evaluation.channel, CHANNEL_LABELS[evaluation.channel]
            for draw, stem, caption in (
                (classifier_figures.roc_curves, "roc", f"Signal against each background, {channel}."),
                (classifier_figures.confusion_matrix, "confusion", f"Confusion matrix, {channel}."),
                (classifier_figures.feature_importances, "importances", f"Share of the gain per feature, {channel}."),
            ):
                figures.append(self._figure(draw(evaluation), f"{stem}_{channel}", caption))
            scan = classifier_figures.threshold_scan(self.contents.thresholds[channel], label)
            figures.append(
                self._figure(scan, f"threshold_{channel}", f"Expected sensitivity against the threshold, {channel}.")
            )
        return Section(
            SectionName.CLASSIFIER,
            "One five-class boosted-decision-tree classifier per channel, k-fold: every candidate is scored by a model "
            "that has not seen it.",
            tuple(figures),
            (
                tables.separation_table(evaluations, self.tables),
                tables.overtraining_table(evaluations, self.tables),
            ),
        )

    def _signal(self) -> Section:
        models, signals = self.contents.signal_models, self.contents.signals
        shown = (0.0, *self.config.report.signal_ctau_mm)
        against_mass = signal_figures.against_mass(signals, shown)
        caption = "Efficiency, resolution and fraction of correct candidates against mass, for some lifetimes of φ."
        figures = [self._figure(against_mass, "signal_against_mass", caption)]
        flying = signal_lifetimes.lifetime_figure(signals)
        if flying is not None:
            caption = "Efficiency, resolution and fraction of correct candidates against the lifetime of φ."
            figures.append(self._figure(flying, "signal_lifetimes", caption))
        closing = signal_closure.closure_figure(signals)
        if closing is not None:
            caption = "Each generated mass predicted from the others: pulls, and the p-value of the shape."
            figures.append(self._figure(closing, "signal_closure", caption))
        return Section(
            SectionName.SIGNAL,
            "Signal in the signal region, from simulated samples: reweighted to every lifetime, and interpolated "
            "between their masses.",
            tuple(figures),
            (
                tables.signal_table(models, self.tables),
                signal_lifetimes.lifetime_table(signals, self.tables),
                signal_closure.closure_table(signals, self.tables),
            ),
        )

    def _selection(self) -> Section:
        entries: list[TableEntry] = [
            tables.cutflow_table(
                self.contents.summaries,
                self.contents.catalogue.samples,
                search,
                self.contents.luminosity_fb,
                self.tables,
            )
            for search in Search
        ]
        entries.append(tables.candidate_table(self.contents.summaries, self.contents.catalogue.samples, self.tables))
        entries.append(
            tables.effective_luminosity_table(
                self.contents.effective_luminosities, self.contents.luminosity_fb, self.tables
            )
        )
        skipped = self.contents.catalogue.skipped
        said = f" {len(skipped)} unusable files were left out on request." if skipped else ""
        return Section(
            SectionName.SELECTION, f"Events after each requirement, and candidates.{said}", (), tuple(entries)
        )

    def _figure(self, figure: Figure, stem: str, caption: str) -> FigureEntry:
        # half the time of saving goes into the layout, which is the same for every format
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        for ending in self.config.report.formats:
            figure.savefig(self.figures / f"{stem}.{ending}", dpi=self.config.report.png_dots_per_inch)
        plt.close(figure)
        return FigureEntry(stem, caption)


def _global_p(excess: LargestExcess) -> str:
    """Return the global p-value with its relation: from toys where there are some that reach it, else a bound.

    >>> bound = {"channel": "ee", "m_phi_gev": 0.1, "z_local": 2.0, "p_local": 0.023, "p_global": 0.4, "z_global": 0.3}
    >>> _global_p(LargestExcess(**bound, n_points=18, n_upcrossings=5, reference_level=0.0))
    '≤ 0.40'
    """
    toys = excess.toys
    if toys is None:
        return f"≤ {excess.p_global:.2f}"
    if toys.n_above == 0:
        return f"< {toys.p_global_high:.2g}"
    return f"= {toys.p_global:.2g}"
