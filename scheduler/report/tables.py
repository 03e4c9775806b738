"""The tables of the report: on the page rounded for people, in CSV as they are."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from models.classifier.evaluation import Evaluation
from models.normalisation import ScaleFactors
from models.search import Process, Search
from models.signal_shape import SignalModel
from processors.cutflow import Cut, SampleSummary
from processors.regions import GENERAL_CONTROL_REGION, SIGNAL_REGION
from processors.sample import SampleMetadata
from scheduler.limits_table import COLUMNS, LimitRow
from scheduler.report.effective_luminosity import EffectiveLuminosity
from scheduler.report.page import TableEntry
from scheduler.report.spectra import Spectrum

Cell = str | int | float | None


def table(stem: str, caption: str, header: Sequence[str], rows: Sequence[Sequence[Cell]], folder: Path) -> TableEntry:
    """Write a table as CSV and return it as the page shows it.

    Parameters
    ----------
    stem
        File name without ending.
    caption
        What it shows, with units.
    header, rows
        Column names and cells.
    folder
        Existing folder for the CSV file.
    """
    with (folder / f"{stem}.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return TableEntry(stem, caption, tuple(header), tuple(tuple(_shown(cell) for cell in row) for row in rows))


def cutflow_table(
    summaries: Mapping[str, SampleSummary],
    samples: Mapping[str, SampleMetadata],
    search: Search,
    luminosity_fb: float,
    folder: Path,
) -> TableEntry:
    """Return the events after each cut of every sample: counted, and in brackets normalised to the luminosity.

    Signal is normalised to 1 fb of cross-section times branching fraction.
    """
    rows: list[list[Cell]] = []
    for name, summary in summaries.items():
        sample = samples[name]
        cross_section = 1.0 if sample.process is Process.SIGNAL else sample.cross_section_fb
        counts = summary["cutflow"][search]
        cells: list[Cell] = [name]
        for cut in Cut:
            cells.append(counts[cut]["events"])
            if sample.is_data or cross_section is None or not sample.sum_weights:
                cells.append(None)
            else:
                cells.append(counts[cut]["weighted"] * cross_section * luminosity_fb / sample.sum_weights)
        rows.append(cells)
    header = ["sample"]
    for cut in Cut:
        label = cut.replace("_", " ")
        header += [label, f"{label} at L"]
    caption = f"Cutflow of the search {search}: events read, and normalised to {luminosity_fb:g} fb⁻¹ (signal: 1 fb)."
    return table(f"cutflow_{search}", caption, header, rows, folder)


def effective_luminosity_table(values: Sequence[EffectiveLuminosity], luminosity_fb: float, folder: Path) -> TableEntry:
    """Return events expected at the luminosity of the run and the effective luminosity of their simulation."""
    rows: list[list[Cell]] = [
        [
            str(v.search),
            str(v.process),
            v.stage.replace("_", " "),
            v.expected,
            v.error,
            v.luminosity_fb,
            v.library_limit_fb,
        ]
        for v in values
    ]
    header = (
        "search", "component", "after", f"events at {luminosity_fb:g} fb⁻¹", "± (simulation)",
        "effective luminosity [fb⁻¹]", "at most, by the library of decays [fb⁻¹]",
    )  # fmt: skip
    caption = (
        "What the simulation of each background is worth, (Σw)²/Σw² over the cross-section, copies of a generated "
        "event counted as one; empty: no event left. The last column is what no more events would exceed, because "
        f"decays are drawn from a library of finite size{_library_errors(values, luminosity_fb)}; its variance is not "
        "in the errors."
    )
    return table("effective_luminosity", caption, header, rows, folder)


def _library_errors(values: Sequence[EffectiveLuminosity], luminosity_fb: float) -> str:
    """Return the relative errors that finite libraries leave after the lepton pair, in words."""
    errors = [
        f"{v.search} {v.process} {100 * np.sqrt(luminosity_fb / (v.library_limit_fb * v.expected)):.2g} %"
        for v in values
        if v.library_limit_fb is not None and v.stage == Cut.LEPTON_PAIR
    ]
    return f" (after the lepton pair: {', '.join(errors)})" if errors else ""


def background_table(
    values: Sequence[EffectiveLuminosity], factors: ScaleFactors, luminosity_fb: float, folder: Path
) -> TableEntry:
    """Return the yield of every background in control and signal regions, as simulated and after scale factors."""
    scale = factors.for_templates()
    rows: list[list[Cell]] = []
    for v in values:
        if v.stage in (GENERAL_CONTROL_REGION, SIGNAL_REGION):
            factor, relative = scale.get(v.process, (1.0, 0.0))
            scaled = (factor * v.expected, factor * v.error, relative * factor * v.expected)
            rows.append([str(v.search), v.stage, str(v.process), v.expected, v.error, *scaled, v.luminosity_fb])
    header = (
        "search", "region", "component", "events", "± (simulation)", "after scale factor", "± (simulation) ",
        "± (scale factor)", "effective luminosity [fb⁻¹]",
    )  # fmt: skip
    caption = (
        f"Every background at {luminosity_fb:g} fb⁻¹ in the general control and the signal region, inside the mass "
        "window, with the statistical uncertainty of its simulation, copies of a generated event counted as one."
    )
    return table("background_yields", caption, header, rows, folder)


def candidate_table(
    summaries: Mapping[str, SampleSummary], samples: Mapping[str, SampleMetadata], folder: Path
) -> TableEntry:
    """Return how many φ candidates events have, and how often the kept one is the true one."""
    rows: list[list[Cell]] = []
    for name, summary in summaries.items():
        for search in Search:
            multiplicity = summary["candidate_multiplicity"][search]
            total = sum(multiplicity.values())
            if total == 0:
                continue
            purity = summary["purity"][search]
            several = 1.0 - multiplicity.get("1", 0) / total
            mean = sum(int(n) * events for n, events in multiplicity.items()) / total
            true = (
                purity["true"] / purity["kept"] if purity["kept"] and samples[name].channel is search.channel else None
            )
            rows.append([name, str(search), total, mean, several, true])
    header = ["sample", "search", "events", "mean candidates", "fraction with several", "kept one is true"]
    return table("candidates", "Candidate multiplicity and correctly chosen candidates.", header, rows, folder)


def separation_table(evaluations: Sequence[Evaluation], folder: Path) -> TableEntry:
    """Return the area under the ROC curve of every pair of classes."""
    rows: list[list[Cell]] = [
        [str(evaluation.channel), str(pair.first), str(pair.second), pair.area]
        for evaluation in evaluations
        for pair in evaluation.roc
    ]
    return table("classifier_auc", "Area under the ROC curve per pair of classes.", _AUC_HEADER, rows, folder)


_AUC_HEADER = ("channel", "class", "against", "area")


def overtraining_table(evaluations: Sequence[Evaluation], folder: Path) -> TableEntry:
    """Return the Kolmogorov–Smirnov tests between fitted and unseen candidates."""
    rows: list[list[Cell]] = [
        [str(evaluation.channel), str(test.process), test.model, test.distance, test.p_value]
        for evaluation in evaluations
        for test in evaluation.overtraining
    ]
    header = ("channel", "class", "model", "distance", "p-value")
    return table("overtraining", "Overtraining: each class's own score, seen against unseen.", header, rows, folder)


def scale_factor_table(factors: ScaleFactors, folder: Path) -> TableEntry:
    """Return the scale factors of the backgrounds."""
    rows: list[list[Cell]] = [
        [str(process), factor.value, factor.fit_error, factor.special_region_value, factor.error, str(factor.status)]
        for process, factor in factors.factors.items()
    ]
    header = ("component", "scale factor", "fit error", "in its special region", "total error", "status")
    caption = f"Background scale factors; goodness of fit p = {factors.p_value:.3f}."
    return table("scale_factors", caption, header, rows, folder)


def yield_table(spectra: Mapping[tuple[Search, str], Spectrum], folder: Path) -> TableEntry:
    """Return expected and observed events of every region."""
    processes = [p for p in Process if any(p in spectrum.backgrounds for spectrum in spectra.values())]
    rows: list[list[Cell]] = []
    for (search, region), spectrum in spectra.items():
        observed = None if spectrum.data is None else int(np.sum(spectrum.data))
        parts: list[Cell] = [float(np.sum(spectrum.backgrounds.get(process, 0.0))) for process in processes]
        rows.append([f"{search} {region}", *parts, float(np.sum(spectrum.total)), observed])
    header = ["region", *(str(process) for process in processes), "expected", "observed"]
    return table("yields", "Events per region after scale factors.", header, rows, folder)


def signal_table(signal_models: Mapping[Search, SignalModel], folder: Path) -> TableEntry:
    """Return efficiency, resolution and purity at the generated masses (prompt decays, signal region)."""
    rows: list[list[Cell]] = []
    for search, model in signal_models.items():
        for mass, efficiency, error in zip(model.mass_gev, model.efficiency, model.efficiency_error, strict=True):
            where = np.flatnonzero(model.shape_mass_gev == mass)
            shape = (
                (1000 * float(model.sigma_gev[where[0]]), float(model.true_fraction[where[0]]))
                if where.size
                else (None, None)
            )
            rows.append([str(search), float(mass), 100 * float(efficiency), 100 * float(error), *shape])
    header = ("search", "m_φ [GeV]", "efficiency [%]", "± [%]", "σ(m_φ) [MeV]", "correct candidates")
    return table("signal_model", "Prompt signal in the signal region at the generated masses.", header, rows, folder)


def limits_rows(rows: Sequence[LimitRow], folder: Path) -> TableEntry:
    """Return the whole table of limits."""
    cells = [[getattr(row, name) for name in COLUMNS] for row in rows]
    return table("limits", "Limits at every mass point.", COLUMNS, cells, folder)


def _shown(cell: Cell) -> str:
    """Return a cell as the page shows it.

    >>> _shown(0.123456), _shown(123456.7), _shown(12), _shown(None)
    ('0.1235', '1.235e+05', '12', '–')
    """
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:.4g}"
    return str(cell)
