"""The candidates a classifier is trained on, read from the candidate store."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.classifier.configuration import ClassifierError, ClassifierInputs, ClassifierMethod, ClassifierSettings
from models.classifier.folds import in_share
from models.classifier.training import TrainingData
from models.search import Channel, Process, Search, classifier_classes
from processors.blinding import TRUTH_COLUMN
from processors.candidates import CandidateStore, joined
from processors.features import FEATURES
from processors.luminosity import luminosity_weight
from processors.placed_candidates import generated_numbers
from processors.sample import SampleMetadata
from processors.scoring import IDENTITY, candidate_folds, feature_matrix, finite_weights
from processors.signal_samples import generated_mass_gev
from processors.topology_features import TOPOLOGY_FEATURES

TRAINING_SEARCH = {Channel.EE: Search.EE, Channel.MUMU: Search.MUMU}
"""The search whose candidates train each channel's classifier."""

MASS_INPUT: Final = "m_ll_gev"
"""Input of a mass-parametrised classifier, beside those of the published one."""


def classifier_inputs(channel: Channel, settings: ClassifierSettings) -> tuple[str, ...]:
    """Return the ordered names of a classifier's inputs.

    >>> classifier_inputs(Channel.EE, ClassifierSettings(method=ClassifierMethod.MASS_PARAMETRISED))[-1]
    'm_ll_gev'
    """
    further = TOPOLOGY_FEATURES if settings.inputs is ClassifierInputs.EXTENDED else ()
    hypothesis = (MASS_INPUT,) if settings.method is ClassifierMethod.MASS_PARAMETRISED else ()
    return (*FEATURES[channel], *further, *hypothesis)


def read_training_data(
    store: CandidateStore,
    samples: Mapping[str, SampleMetadata],
    channel: Channel,
    settings: ClassifierSettings,
) -> TrainingData:
    """Return the labelled candidates of a channel from simulation.

    Processes that are not one of the channel's classes (two-photon, τ⁺τ⁻ℓ⁺ℓ⁻, the other channel's lepton pairs) take no
    part: they are scored as whatever they resemble, τ⁺τ⁻ℓ⁺ℓ⁻ mostly as signal. Signal of every generated mass and
    lifetime is used.

    Of classes with more candidates than `settings.candidates_max` a part is used, with weights that make up for it.

    Candidates of every mass m(ℓℓ) train: those beyond the search's window show the same processes, and in `ee` nearly
    all of B B̄. Histograms and fits hold only those inside, so they alone judge a classifier (`TrainingData.inside`).

    Parameters
    ----------
    store
        Candidates.
    samples
        Sample name → metadata of all samples; data are ignored.
    channel
        Which classifier is trained.
    settings
        Method and folds.

    Raises
    ------
    ClassifierError
        If none of the samples belongs to a class.
    """
    classes = classifier_classes(channel)
    search = TRAINING_SEARCH[channel]
    parametrised = settings.method is ClassifierMethod.MASS_PARAMETRISED
    names = classifier_inputs(channel, settings)
    used = {name: sample for name, sample in sorted(samples.items()) if _is_trained_on(sample, channel)}
    generated = sorted({generated_mass_gev(sample) for sample in used.values() if sample.process is Process.SIGNAL})
    shares = _shares(store, used, search, settings.candidates_max)
    parts = []
    n_generated = 0
    for group, (name, sample) in enumerate(used.items()):
        is_signal = sample.process is Process.SIGNAL
        moved = parametrised and is_signal
        wanted = dict.fromkeys((*IDENTITY, *names, "weight", "m_ll_gev", *((TRUTH_COLUMN,) if moved else ())))
        share = shares[sample.process]
        pieces = []
        for piece in store.parts(search, name, columns=list(wanted)):
            event = np.asarray(piece["event"]) // sample.repeats
            kept = in_share(piece["experiment"], piece["run"], event, name, share=share, seed=settings.seed)
            if parametrised:
                kept &= search.window.contains(piece["m_ll_gev"])
            if moved:
                kept &= piece[TRUTH_COLUMN]
            pieces.append({column: values[kept] for column, values in piece.items()})
        columns = joined(pieces)
        mass = np.asarray(columns["m_ll_gev"], dtype=np.float64)
        if moved:
            columns[MASS_INPUT] = _hypotheses(generated_mass_gev(sample), generated, search, len(mass), settings.seed)
        weight = finite_weights(columns, "weight", name)
        n = len(weight)
        generated_event = n_generated + generated_numbers(columns, sample.repeats)
        n_generated += n
        parts.append(
            TrainingData(
                features=feature_matrix(columns, names),
                label=np.full(n, classes.index(sample.process)),
                group=_mass_bins(columns[MASS_INPUT], generated, search, settings.mass_bins)
                if parametrised
                else np.full(n, group if is_signal else 0),
                weight=weight * (luminosity_weight(sample, 1.0) / share if n else 1.0),
                fold=candidate_folds(
                    columns, name, n_folds=settings.n_folds, seed=settings.seed, repeats=sample.repeats
                ),
                mass_gev=mass,
                generated=generated_event,
            )
        )
    if not parts:
        raise ClassifierError(f"none of the samples belongs to a class of the {channel} classifier")
    return TrainingData(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _shares(
    store: CandidateStore, samples: Mapping[str, SampleMetadata], search: Search, candidates_max: int
) -> dict[Process, float]:
    """Return the share of each class's candidates that is used."""
    totals: dict[Process, int] = {}
    for name, sample in samples.items():
        totals[sample.process] = totals.get(sample.process, 0) + sum(store.files(search, name).values())
    return {process: min(1.0, candidates_max / max(total, 1)) for process, total in totals.items()}


def _hypotheses(m_phi_gev: float, generated: Sequence[float], search: Search, n: int, seed: int) -> NDArray[np.float64]:
    """Return masses for signal of one generated mass, uniform in the logarithm up to half way to its neighbours.

    At the generated masses themselves, trees would find narrow peaks that only signal has.
    """
    low, high = _support(generated, search)
    borders = [low, *(float(np.sqrt(a * b)) for a, b in pairwise(generated)), high]
    number = generated.index(m_phi_gev)
    uniform = np.random.default_rng([seed, number]).random(n)
    return np.asarray(borders[number] * (borders[number + 1] / borders[number]) ** uniform)


def _mass_bins(
    mass_gev: NDArray[np.floating], generated: Sequence[float], search: Search, n_bins: int
) -> NDArray[np.int64]:
    low, high = _support(generated, search)
    position = np.log(np.maximum(mass_gev, low) / low) / np.log(high / low)
    return np.asarray(np.clip((n_bins * position).astype(np.int64), 0, n_bins - 1))


def _support(generated: Sequence[float], search: Search) -> tuple[float, float]:
    """Return the ends of the masses that a parametrised classifier is trained for."""
    return max(search.window.low_gev, 0.5 * generated[0]), search.window.high_gev


def _is_trained_on(sample: SampleMetadata, channel: Channel) -> bool:
    return sample.process in classifier_classes(channel) and sample.channel in (None, channel)
