"""Signal models of a search from its signal candidates, for every lifetime and systematic variation."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.classifier.model import Classifier
from models.errors import BadInputError
from models.lifetime import LifetimeError
from models.search import Process, Search
from models.signal_closure import ClosurePoint, closure
from models.signal_lifetime import FlyingSignal, served_at
from models.signal_shape import (
    Measured,
    SignalModel,
    SignalSample,
    SignalShapeError,
    SignalShapeSettings,
    build_signal_model,
    with_efficiency_of,
)
from processors.candidates import CandidateStore
from processors.placed_candidates import copies_of
from processors.regions import SIGNAL_REGION, RegionSettings, assign_regions
from processors.sample import SampleMetadata
from processors.scoring import NOMINAL, Columns, finite_weights, score_candidates, weight_variations
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
    refused: Mapping[float, str] = field(default_factory=dict)
    """Lifetimes that the samples cannot serve → why."""
    closure: tuple[ClosurePoint, ...] = ()
    """Each inner generated mass predicted from all others, prompt."""

    @property
    def prompt(self) -> SignalModel:
        """The nominal model of a φ that does not fly."""
        return self.models[PROMPT_CTAU_MM][NOMINAL]

    @property
    def ctau_mm(self) -> tuple[float, ...]:
        """Lifetimes that were modelled, ascending, prompt first."""
        return tuple(sorted(self.models))

    def efficiency_at(self, m_phi_gev: float, ctau_mm: float) -> Measured:
        """Return the efficiency at any mass and lifetime.

        Raises
        ------
        LifetimeError
            If the lifetime is beyond the longest that was modelled.
        """
        low, high, share = self._between(ctau_mm)
        one, other = (self.models[node][NOMINAL].efficiency_at(m_phi_gev) for node in (low, high))
        # Both come from the same events: their errors do not cancel.
        return Measured((1 - share) * one.value + share * other.value, (1 - share) * one.error + share * other.error)

    def template_fractions(
        self, m_phi_gev: float, ctau_mm: float, edges_gev: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the fraction of selected candidates in each bin at any mass and lifetime, shape (n_bins,).

        Raises
        ------
        LifetimeError
            If the lifetime is beyond the longest that was modelled.
        """
        low, high, share = self._between(ctau_mm)
        parts = [
            (weight * model.efficiency_at(m_phi_gev).value, model.template_fractions(m_phi_gev, edges_gev))
            for weight, model in ((1 - share, self.models[low][NOMINAL]), (share, self.models[high][NOMINAL]))
        ]
        total = sum(weight for weight, _ in parts)
        if total <= 0.0:
            return parts[0][1]
        return np.asarray(sum(weight * fractions for weight, fractions in parts) / total)

    def _between(self, ctau_mm: float) -> tuple[float, float, float]:
        """Return the modelled lifetimes around one and its position between them: logarithmic, but from prompt on."""
        nodes = self.ctau_mm
        if not 0.0 <= ctau_mm <= nodes[-1]:
            raise LifetimeError(
                f"{self.search}: the signal is modelled up to cτ = {nodes[-1]:g} mm, not {ctau_mm:g} mm"
            )
        index = min(bisect_right(nodes, ctau_mm), len(nodes) - 1)
        low, high = nodes[max(index - 1, 0)], nodes[index]
        if low == high:
            return low, high, 0.0
        share = (ctau_mm - low) / (high - low) if low == 0.0 else np.log(ctau_mm / low) / np.log(high / low)
        return low, high, float(share)


def signal_samples_of(samples: Mapping[str, SampleMetadata], search: Search) -> dict[float, list[SampleMetadata]]:
    """Return the signal samples of a search's channel by φ mass in GeV, masses ascending."""
    by_mass: dict[float, list[SampleMetadata]] = {}
    for sample in samples.values():
        if sample.process is Process.SIGNAL and sample.channel is search.channel:
            by_mass.setdefault(generated_mass_gev(sample), []).append(sample)
    return dict(sorted(by_mass.items()))


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
    LifetimeError
        If a sample of several lifetimes does not tell those of its events.
    """
    settings = settings or SignalShapeSettings()
    selected = selected_signal(store, samples, search, classifier, regions)
    if not selected or any(signal.flight_lengths.prompt_share == 0.0 for signal in selected[NOMINAL]):
        raise SignalShapeError(f"{search}: there are no prompt signal samples to model the signal with")
    try:
        models = {PROMPT_CTAU_MM: _models_at(PROMPT_CTAU_MM, selected, settings, search.window.low_gev)}
    except SignalShapeError as error:
        raise SignalShapeError(f"{search}, prompt: {error}") from error
    borrowed: list[float] = []
    refused: dict[float, str] = {}
    flying = all(np.any(signal.flight_lengths.ctau_mm > 0.0) for signal in selected[NOMINAL])
    for ctau_mm in sorted(settings.ctau_nodes_mm) if flying else ():
        try:
            nominal = served_at(selected[NOMINAL], ctau_mm, settings)
        except LifetimeError as error:
            refused[ctau_mm] = str(error)
            continue
        try:
            models[ctau_mm] = _models_at(ctau_mm, selected, settings, search.window.low_gev)
        except SignalShapeError:
            borrowed.append(ctau_mm)
            models[ctau_mm] = {
                variation: with_efficiency_of(
                    model, nominal if variation == NOMINAL else [s.at(ctau_mm) for s in selected[variation]]
                )
                for variation, model in models[PROMPT_CTAU_MM].items()
            }
    prompt = [signal.at(PROMPT_CTAU_MM) for signal in selected[NOMINAL]]
    return SignalModels(
        search, models, tuple(borrowed), refused, closure(prompt, settings, threshold_gev=search.window.low_gev)
    )


def selected_signal(
    store: CandidateStore,
    samples: Mapping[str, SampleMetadata],
    search: Search,
    classifier: Classifier,
    regions: RegionSettings,
) -> dict[str, list[FlyingSignal]]:
    """Return variation → candidates of each generated mass; arguments as in `build_signal_models`."""
    selected: dict[str, list[FlyingSignal]] = {}
    for members in signal_samples_of(samples, search).values():
        of_mass: dict[str, list[FlyingSignal]] = {}
        for sample in members:
            for kinematics in Kinematics:
                columns = store.read(search, sample.name, kinematics)
                scores = score_candidates(columns, classifier, sample.name, repeats=sample.repeats)
                assigned = assign_regions(scores, search.channel, regions, is_data=False, mass_gev=columns["m_ll_gev"])
                passes = assigned.masks[SIGNAL_REGION]
                names = weight_variations(list(columns)) if kinematics is Kinematics.NOMINAL else {kinematics: "weight"}
                for variation, name in names.items():
                    candidates = SignalSample(
                        m_phi_gev=generated_mass_gev(sample),
                        sum_weights=sample.sum_weights,
                        mass_gev=np.asarray(columns["m_ll_gev"], dtype=np.float64),
                        weight=finite_weights(columns, name, sample.name),
                        is_true=np.asarray(columns["is_true_candidate"], dtype=bool),
                        in_signal_region=passes,
                        generated=copies_of(columns, sample.repeats),
                    )
                    of_mass.setdefault(variation, []).append(
                        FlyingSignal(candidates, proper_lengths_mm(columns, sample), sample.flight_lengths)
                    )
        for variation, parts in of_mass.items():
            selected.setdefault(variation, []).append(FlyingSignal.pooled(parts))
    return selected


def proper_lengths_mm(columns: Columns, sample: SampleMetadata) -> NDArray[np.float64]:
    """Return the true proper flight lengths of a signal sample's candidates, shape (n,)."""
    if sample.flight_lengths.mean_mm == 0.0:
        return np.zeros(len(columns["weight"]))
    return finite_weights(columns, "true_proper_length_mm", sample.name)


def _models_at(
    ctau_mm: float, selected: Mapping[str, list[FlyingSignal]], settings: SignalShapeSettings, threshold_gev: float
) -> dict[str, SignalModel]:
    weighted = {variation: [signal.at(ctau_mm) for signal in signals] for variation, signals in selected.items()}
    nominal = build_signal_model(weighted[NOMINAL], settings, threshold_gev=threshold_gev)
    return {
        variation: nominal
        if variation == NOMINAL
        else build_signal_model(candidates, settings, reference=nominal, threshold_gev=threshold_gev)
        for variation, candidates in weighted.items()
    }
