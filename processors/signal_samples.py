"""Signal models of a search from its signal candidates, for every lifetime and systematic variation."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.classifier.model import Classifier
from models.errors import BadInputError
from models.search import Process, Search
from models.signal_shape import (
    SignalModel,
    SignalSample,
    SignalShapeError,
    SignalShapeSettings,
    build_signal_model,
    with_efficiency_of,
)
from processors.candidates import CandidateStore
from processors.regions import SIGNAL_REGION, RegionSettings, assign_regions
from processors.sample import SampleMetadata
from processors.scoring import NOMINAL, finite_weights, score_candidates, weight_variations
from processors.variations import Kinematics

PROMPT_CTAU_MM = 0.0


@dataclass(frozen=True)
class SignalModels:
    """All signal models of one search."""

    search: Search
    models: Mapping[float, Mapping[str, SignalModel]]
    """cτ in mm → variation (`nominal`, `<source>_up`, `<source>_down`) → model."""
    borrowed_shape_ctau_mm: tuple[float, ...]
    """Lifetimes with too few candidates for a shape of their own: efficiency theirs, shape of the prompt signal."""

    @property
    def prompt(self) -> SignalModel:
        """The nominal model of a φ that does not fly."""
        return self.models[PROMPT_CTAU_MM][NOMINAL]


def signal_samples_of(samples: Mapping[str, SampleMetadata], search: Search) -> dict[float, list[SampleMetadata]]:
    """Return the signal samples of a search's channel by cτ in mm.

    Displaced signals are modelled in the displaced search only; the other two are interpreted as prompt.
    """
    by_lifetime: dict[float, list[SampleMetadata]] = {}
    for sample in samples.values():
        if sample.process is not Process.SIGNAL or sample.channel is not search.channel or sample.ctau_mm is None:
            continue
        if sample.ctau_mm == PROMPT_CTAU_MM or search is Search.EE_DISPLACED:
            by_lifetime.setdefault(sample.ctau_mm, []).append(sample)
    return dict(sorted(by_lifetime.items()))


def generated_mass_gev(sample: SampleMetadata) -> float:
    """Return the φ mass of a signal sample.

    Raises
    ------
    BadInputError
        If the sample is not one of signal.
    """
    if sample.m_phi_gev is None:
        raise BadInputError(f"sample '{sample.name}' is not signal: it has no φ mass")
    return sample.m_phi_gev


def build_signal_models(
    store: CandidateStore,
    samples: Mapping[str, SampleMetadata],
    search: Search,
    classifier: Classifier,
    regions: RegionSettings,
    settings: SignalShapeSettings | None = None,
) -> SignalModels:
    """Measure the signal in the signal region of a search, at every lifetime and under every variation.

    Parameters
    ----------
    store
        Candidates.
    samples
        Sample name → metadata of all samples.
    search
        Which selection.
    classifier
        Of the search's channel.
    regions
        Thresholds in force.
    settings
        Of the shapes.

    Raises
    ------
    SignalShapeError
        If there is no prompt signal, or too little of it for any shape.
    """
    by_lifetime = signal_samples_of(samples, search)
    if PROMPT_CTAU_MM not in by_lifetime:
        raise SignalShapeError(f"{search}: there are no prompt signal samples to model the signal with")
    models: dict[float, dict[str, SignalModel]] = {}
    borrowed: list[float] = []
    for ctau_mm, members in by_lifetime.items():
        selected = selected_signal(store, members, search, classifier, regions)
        try:
            models[ctau_mm] = _models_of(selected, settings)
        except SignalShapeError as error:
            if ctau_mm == PROMPT_CTAU_MM:
                raise SignalShapeError(f"{search}, prompt: {error}") from error
            borrowed.append(ctau_mm)
            models[ctau_mm] = {
                variation: with_efficiency_of(model, selected[variation])
                for variation, model in models[PROMPT_CTAU_MM].items()
            }
    return SignalModels(search, models, tuple(borrowed))


def selected_signal(
    store: CandidateStore,
    members: list[SampleMetadata],
    search: Search,
    classifier: Classifier,
    regions: RegionSettings,
) -> dict[str, list[SignalSample]]:
    """Return variation → candidates of each signal sample; arguments as in `build_signal_models`."""
    selected: dict[str, list[SignalSample]] = {}
    for sample in members:
        for kinematics in Kinematics:
            columns = store.read(search, sample.name, kinematics)
            scores = score_candidates(columns, classifier, sample.name)
            passes = assign_regions(scores, search.channel, regions, is_data=False).masks[SIGNAL_REGION]
            names = weight_variations(list(columns)) if kinematics is Kinematics.NOMINAL else {kinematics: "weight"}
            for variation, name in names.items():
                selected.setdefault(variation, []).append(
                    SignalSample(
                        m_phi_gev=generated_mass_gev(sample),
                        sum_weights=sample.sum_weights,
                        mass_gev=np.asarray(columns["m_ll_gev"], dtype=np.float64),
                        weight=finite_weights(columns, name, sample.name),
                        is_true=np.asarray(columns["is_true_candidate"], dtype=bool),
                        in_signal_region=passes,
                    )
                )
    return selected


def _models_of(
    selected: Mapping[str, list[SignalSample]], settings: SignalShapeSettings | None
) -> dict[str, SignalModel]:
    nominal = build_signal_model(selected[NOMINAL], settings)
    return {
        variation: nominal if variation == NOMINAL else build_signal_model(candidates, settings, reference=nominal)
        for variation, candidates in selected.items()
    }
