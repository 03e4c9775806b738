"""Check of every classifier input in the general control region: data against simulation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from models.classifier.persistence import load_classifier
from models.input_comparison import InputComparison, compare_inputs
from models.normalisation import ScaleFactors
from models.search import Channel, Process
from processors.candidates import CandidateStore
from processors.luminosity import luminosity_weight
from processors.placed_candidates import generated_numbers
from processors.regions import GENERAL_CONTROL_REGION, RegionSettings, assign_regions
from processors.sample import SampleMetadata
from processors.scoring import IDENTITY, Columns, OutsideSignalRegion, finite_weights, score_candidates
from processors.training_sample import TRAINING_SEARCH
from scheduler.run_folder import RunFolder
from scheduler.validation.page import Check, CheckTable, Verdict, verdict_of_p_value


def input_checks(
    run: RunFolder,
    samples: Mapping[str, SampleMetadata],
    factors: ScaleFactors,
    regions: RegionSettings,
    luminosity_fb: float,
) -> Iterator[Check]:
    """Yield the comparison of every classifier input in the general control region, worst described first."""
    store = CandidateStore(run.candidates)
    scale = factors.for_templates()
    for channel in Channel:
        search = TRAINING_SEARCH[channel]
        classifier = load_classifier(run.classifier_of(channel))

        data: list[Columns] = []
        simulated: list[Columns] = []
        n_events = 0
        for name, sample in samples.items():
            if not sample.is_data and not sample.process.is_background:
                continue
            outside = OutsideSignalRegion(classifier, name, sample.repeats)
            wanted = dict.fromkeys((*IDENTITY, *classifier.features, "weight", "m_ll_gev"))
            columns = store.read_control(search, name, outside, list(wanted))
            scores = score_candidates(columns, classifier, name, repeats=sample.repeats)
            assigned = assign_regions(scores, channel, regions, is_data=sample.is_data, mass_gev=columns["m_ll_gev"])
            kept = assigned.masks[GENERAL_CONTROL_REGION] & search.window.contains(columns["m_ll_gev"])
            rows: Columns = {key: np.asarray(values)[kept] for key, values in columns.items()}
            if sample.is_data:
                data.append(rows)
            elif kept.any():
                factor = luminosity_weight(sample, luminosity_fb) * scale.get(Process(sample.process), (1.0, 0.0))[0]
                weight = factor * finite_weights(rows, "weight", name)
                generated = generated_numbers(rows, sample.repeats) + n_events
                n_events += len(generated)
                simulated.append({**rows, "weight": weight, "generated": generated})
        names = classifier.features
        if not any(len(rows["weight"]) for rows in data) or not simulated:
            yield Check(
                f"Inputs {channel}", Verdict.ATTENTION, "No data or simulation in the general control region.", {}, None
            )
            continue
        in_data = {key: np.concatenate([rows[key] for rows in data]) for key in names}
        in_simulation = {
            key: np.concatenate([rows[key] for rows in simulated]) for key in (*names, "weight", "generated")
        }
        compared = compare_inputs(
            in_data,
            {key: in_simulation[key] for key in names},
            in_simulation["weight"],
            generated=in_simulation["generated"],
        )
        listed = ", ".join(f"{c.name} p = {c.p_value:.2g}" for c in compared)
        yield Check(
            f"Inputs {channel}",
            verdict_of_p_value(compared[0].p_value, len(compared)),
            f"Shape of all {len(compared)} inputs in the general control region, data against simulation with its own "
            f"statistical uncertainty, the smallest p-value judged for their number; worst first: {listed}.",
            {comparison.name: comparison.p_value for comparison in compared},
            _input_figure(compared[:6], channel),
            CheckTable(
                ("input", "p_value", "deviance", "n_degrees_of_freedom"),
                [(c.name, c.p_value, c.deviance, c.n_degrees_of_freedom) for c in compared],
            ),
        )


def _input_figure(compared: list[InputComparison], channel: Channel) -> Figure:
    figure, axes = plt.subplots(2, 3, figsize=(12.0, 6.4))
    for axis, comparison in zip(axes.ravel(), compared, strict=False):
        edges = np.array(comparison.edges)
        expected, data = np.array(comparison.expected), np.array(comparison.data)
        error = np.sqrt(np.array(comparison.variance))
        width, centre = np.maximum(np.diff(edges), 1e-9), 0.5 * (edges[1:] + edges[:-1])
        axis.stairs(expected / width, edges, color="#3f90da", label="simulation")
        axis.bar(centre, 2 * error / width, width, (expected - error) / width, color="#3f90da", alpha=0.3)
        axis.errorbar(centre, data / width, np.sqrt(data) / width, fmt=".", color="black", label="data")
        axis.set_title(f"p = {comparison.p_value:.2g}", fontsize=10)
        axis.set_xlabel(comparison.name, fontsize=10)
    axes[0, 0].legend(fontsize=9)
    figure.suptitle(f"events per unit, general control region, {channel}", fontsize=12)
    return figure
