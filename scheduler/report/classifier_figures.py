"""Figures of a channel's classifier: separation, confusion and what it looks at."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from models.classifier.evaluation import Evaluation
from models.search import Process
from models.thresholds import ThresholdScan
from scheduler.report.limit_figures import CHANNEL_LABELS
from scheduler.report.style import PROCESS_COLOURS, PROCESS_LABELS


def roc_curves(evaluation: Evaluation) -> Figure:
    """Draw the signal against each background class: background rejection against signal efficiency."""
    figure, axes = plt.subplots(figsize=(5.8, 5.0))
    for pair in evaluation.roc:
        if Process.SIGNAL not in (pair.first, pair.second):
            continue
        background = pair.second if pair.first is Process.SIGNAL else pair.first
        signal, rejected = (
            (pair.first_efficiency, pair.second_efficiency)
            if pair.first is Process.SIGNAL
            else (pair.second_efficiency, pair.first_efficiency)
        )
        axes.plot(
            signal,
            1.0 - np.asarray(rejected),
            color=PROCESS_COLOURS[background],
            label=f"{PROCESS_LABELS[background]}, area {pair.area:.3f}",
        )
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.02)
    axes.set_xlabel("signal efficiency")
    axes.set_ylabel("background rejection")
    axes.legend(loc="lower left", title=f"signal against, {CHANNEL_LABELS[evaluation.channel]}")
    return figure


def confusion_matrix(evaluation: Evaluation) -> Figure:
    """Draw how often each true class gets each class as the one of its highest score."""
    names = [PROCESS_LABELS[process] for process in evaluation.classes]
    matrix = np.asarray(evaluation.confusion)
    figure, axes = plt.subplots(figsize=(5.6, 4.8))
    axes.imshow(matrix, vmin=0.0, vmax=1.0, cmap="Blues")
    for row, column in np.ndindex(matrix.shape):
        shade = "white" if matrix[row, column] > 0.55 else "black"
        axes.text(column, row, f"{matrix[row, column]:.2f}", ha="center", va="center", color=shade, fontsize=10)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(which="both", length=0)
    axes.set_xlabel("class of the highest score")
    axes.set_ylabel(f"true class, {CHANNEL_LABELS[evaluation.channel]}")
    return figure


def feature_importances(evaluation: Evaluation, n_shown: int = 15) -> Figure:
    """Draw each feature's share of the total gain, the largest first."""
    shown = list(evaluation.importances.items())[:n_shown][::-1]
    figure, axes = plt.subplots(figsize=(6.4, 4.8))
    axes.barh([name for name, _ in shown], [share for _, share in shown], color="#3f90da")
    axes.tick_params(axis="y", which="both", length=0)
    axes.set_xlabel(f"share of the total gain, {CHANNEL_LABELS[evaluation.channel]}")
    return figure


def threshold_scan(scan: ThresholdScan, label: str) -> Figure:
    """Draw the expected sensitivity against the signal-score threshold, with the best and the published one."""
    figure, axes = plt.subplots(figsize=(5.8, 4.4))
    axes.plot(scan.thresholds, scan.figure_of_merit, color="#3f90da")
    axes.axvline(scan.best, color="#bd1f01", linestyle="--", label=f"largest sensitivity, {scan.best:.3f}")
    axes.axvline(scan.published, color="#555555", linestyle=":", label=f"published, {scan.published:g}")
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel(f"signal-score threshold, {label}")
    axes.set_ylabel("expected sensitivity [arbitrary units]")
    axes.legend(loc="best")
    return figure
