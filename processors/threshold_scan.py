"""Optimal signal-score threshold of a channel from its simulated candidates."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.classifier.model import Classifier
from models.mass_resolution import resolution_gev
from models.search import Process, Search
from models.thresholds import ScoredBackground, ScoredSignal, ThresholdScan, ThresholdSettings, scan_thresholds
from processors.candidates import CandidateStore, joined
from processors.luminosity import luminosity_weight
from processors.placed_candidates import generated_numbers
from processors.regions import RegionSettings
from processors.sample import SampleMetadata
from processors.scoring import IDENTITY, Columns, candidate_folds, finite_weights, score_candidates
from processors.signal_samples import PROMPT_CTAU_MM, generated_mass_gev, proper_lengths_mm, signal_samples_of
from processors.training_sample import TRAINING_SEARCH


class ScoredCandidates(NamedTuple):
    """Simulated candidates of a channel with the scores of a classifier."""

    signals: list[ScoredSignal]
    """One per generated mass that has candidates."""
    background: ScoredBackground


def find_threshold(
    store: CandidateStore,
    samples: Mapping[str, SampleMetadata],
    classifier: Classifier,
    regions: RegionSettings,
    settings: ThresholdSettings,
    *,
    luminosity_fb: float,
    half_window_sigma: float,
) -> ThresholdScan:
    """Scan the signal-score threshold of a classifier's channel on simulation; data are not read.

    Parameters
    ----------
    store
        Candidates.
    samples
        Sample name → metadata of all samples.
    classifier
        Whose threshold is sought.
    regions
        For the threshold to compare with.
    settings
        Of the scan.
    luminosity_fb
        That backgrounds are normalised to.
    half_window_sigma
        Half-width of the fit's signal window in units of the mass resolution.

    Raises
    ------
    ThresholdError
        If there is no signal to optimise for.
    """
    scored = scored_candidates(
        store, samples, classifier, luminosity_fb=luminosity_fb, half_window_sigma=half_window_sigma
    )
    return scan_thresholds(*scored, regions.sr_above_signal_score(classifier.channel), settings)


def scored_candidates(
    store: CandidateStore,
    samples: Mapping[str, SampleMetadata],
    classifier: Classifier,
    *,
    luminosity_fb: float,
    half_window_sigma: float,
) -> ScoredCandidates:
    """Return the simulated candidates of a classifier's channel with their scores; arguments as in `find_threshold`."""
    search = TRAINING_SEARCH[classifier.channel]
    signals = []
    for sample in (sample for members in signal_samples_of(samples, search).values() for sample in members):
        if sample.flight_lengths.prompt_share == 0.0:
            continue
        columns, score = _scored(store, search, classifier, sample)
        prompt = sample.flight_lengths.weights(proper_lengths_mm(columns, sample), PROMPT_CTAU_MM)
        is_true = np.asarray(columns["is_true_candidate"], dtype=bool) & (prompt > 0.0)
        weight = prompt * finite_weights(columns, "weight", sample.name) / sample.sum_weights
        if np.count_nonzero(is_true) < 2:
            continue
        sigma_gev = resolution_gev(columns["m_ll_gev"][is_true], weight[is_true])
        signals.append(
            ScoredSignal(
                generated_mass_gev(sample),
                half_window_sigma * sigma_gev,
                score,
                weight,
                columns["m_ll_gev"],
                _folds(columns, classifier, sample),
            )
        )
    parts = []
    n_events = 0
    for name, sample in sorted(samples.items()):
        if sample.process.is_background:
            columns, score = _scored(store, search, classifier, sample)
            weight = luminosity_weight(sample, luminosity_fb) * finite_weights(columns, "weight", name)
            fold = _folds(columns, classifier, sample)
            generated = generated_numbers(columns, sample.repeats) + n_events
            n_events += len(generated)
            parts.append((score, weight, columns["m_ll_gev"], fold, generated))
    return ScoredCandidates(signals, ScoredBackground(*(np.concatenate(column) for column in zip(*parts, strict=True))))


def _scored(
    store: CandidateStore, search: Search, classifier: Classifier, sample: SampleMetadata
) -> tuple[Columns, NDArray[np.float32]]:
    """Return a sample's identity, weights and masses with its signal scores, without holding all other columns."""
    kept = [*IDENTITY, "weight", "m_ll_gev"]
    if sample.process is Process.SIGNAL:
        kept += ["is_true_candidate", "true_proper_length_mm"]
    parts, scores = [], []
    for columns in store.parts(search, sample.name, columns=list(dict.fromkeys((*kept, *classifier.features)))):
        of_classes = score_candidates(columns, classifier, sample.name, repeats=sample.repeats)
        scores.append(of_classes[:, classifier.classes.index(Process.SIGNAL)])
        parts.append({name: columns[name] for name in kept})
    return joined(parts), np.concatenate(scores)


def _folds(columns: Columns, classifier: Classifier, sample: SampleMetadata) -> NDArray[np.int64]:
    n_folds, seed = classifier.n_folds, classifier.seed
    return candidate_folds(columns, sample.name, n_folds=n_folds, seed=seed, repeats=sample.repeats)
