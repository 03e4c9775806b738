"""Importance sampling: rare choices that decide whether an event is selected are made on purpose and carry weights.

Several independent rare choices of an event, such as its photons' conversions, succeed at least once with probability
P = 1 − ∏(1 − p). Sampling "at least once" with another probability q and giving the event the weight P/q if so and
(1 − P)/(1 − q) if not leaves every expectation what it was. With q = bP, all events in which it happens have the one
weight 1/b: they are worth as much as b times more luminosity. A sample is worth (Σw)²/Σw², which unequal weights
waste: choices made one after another aim at one common weight, with q = bwP in an event that already has the weight w.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, model_validator

from models.search import Channel
from models.settings import Settings
from simulation.tau_decay_class import TauDecayClass

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class PairSource(IntEnum):
    """Where the first electron pair that is added to an event comes from."""

    DALITZ = 0
    """One neutral pion at least has a Dalitz decay; photons convert as they do."""
    CONVERSION = 1
    """No Dalitz decay, and one photon at least that could make a track converts."""
    NONE = 2
    """Neither."""


class SplittingSettings(Settings):
    """How often hadronic events are followed (`simulation.splitting`)."""

    copies: dict[Channel, PositiveFloat] = Field(default={})
    """Times that an event is followed for each unit of its weight, of its probability, and of the root of its chance to
    be selected in a channel; for every channel or none. Empty: every event once, without splitting."""
    copies_max: int = Field(default=12, ge=6)
    """Most copies of one event."""
    conversions_per_photon: PositiveFloat = 0.03
    """Estimated probability of a conversion for each photon: 7/9 of the radiation lengths of the tracker at 50°."""
    pair_selected: PositiveFloat = 0.1
    """Estimated probability that both electrons of an added pair are found and identified."""
    lepton_selected: PositiveFloat = 0.1
    """The same for one of them and not the other."""

    @model_validator(mode="after")
    def _all_channels(self) -> SplittingSettings:
        if self.copies and set(self.copies) != set(Channel):
            raise ValueError(f"copies needs a number for each of {', '.join(Channel)}, or none")
        return self


class ImportanceSampling(Settings):
    """How much more often than in nature the rare decisive paths of one process are sampled; the default is nature."""

    pair_boost: float = Field(default=1.0, ge=1.0)
    """Inverse of the weight that events get by a Dalitz decay or a conversion, where tracks are missing without and the
    limits below allow it."""
    identification_boost: dict[Channel, Annotated[float, Field(ge=1.0)]] = Field(default={})
    """Inverse of the weight that events get by an identified pair of a flavour among four tracks, whatever makes it:
    hadrons misidentified, decays in flight, leptons identified with little efficiency; natural if not listed."""
    conversion_probability_max: float = Field(default=0.95, gt=0.0, lt=1.0)
    """Largest probability that conversion is boosted to. Events without one weigh up to 1/(1 − this), but have too few
    tracks to be selected."""
    forced_probability_max: float = Field(default=0.5, gt=0.0, lt=1.0)
    """The same for the other choices. What is not chosen may be selected in another way: with one half, it doubles
    its weight at most."""
    tau_enrichment: dict[TauDecayClass, PositiveFloat] = Field(default={})
    """Relative oversampling of classes of τ decay; 1 if not listed."""
    low_multiplicity_enrichment: float = Field(default=1.0, ge=1.0)
    """Oversampling of B pairs with few charged particles."""
    semileptonic_boost: float = Field(default=1.0, ge=1.0)
    """Factor on the rate of decays to leptons: of charm hadrons in a share of the quark pairs, of pairs of B mesons."""
    semileptonic_share: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of quark pairs made with it, half of them for electrons and half for muons; the others as in nature."""
    splitting: SplittingSettings = SplittingSettings()
    """How often each event is followed; `pair_boost` then has no effect."""

    @property
    def copies_max(self) -> int:
        """Most copies of a generated event; 1 without splitting."""
        return self.splitting.copies_max if self.splitting.copies else 1


NATURAL = ImportanceSampling()
"""No importance sampling."""


class Forced(NamedTuple):
    """Rare choices that were made, and what they cost."""

    chosen: BoolArray
    """Which candidates were chosen, shape (n_candidates,)."""
    weight: FloatArray
    """Factor on each event's weight, shape (n_events,)."""


def at_least_one_probability(probability: FloatArray, event: IntArray, n_events: int) -> FloatArray:
    """Return the probability that at least one of the independent choices of each event is made, shape (n_events,).

    Parameters
    ----------
    probability
        Probability of each candidate, shape (n_candidates,).
    event
        Event of each candidate, in any order, same shape.
    n_events
        Number of events.

    Examples
    --------
    >>> at_least_one_probability(np.array([0.5, 0.5, 0.1]), np.array([0, 0, 2]), 3).round(3).tolist()
    [0.75, 0.0, 0.1]
    """
    with np.errstate(divide="ignore"):  # a certain choice
        return np.asarray(0.0 - np.expm1(np.bincount(event, np.log1p(-probability), n_events)))


def boosted_probability(probability: FloatArray, weight: FloatArray, boost: float, maximum: float) -> FloatArray:
    """Return the probability to sample something with, so that the events in which it happens end with weight 1/boost.

    Parameters
    ----------
    probability
        Its own probability in each event, shape (n_events,); what is returned is never less.
    weight
        Weights that the events have already, same shape: one that was favoured before is favoured less now.
    boost
        1 leaves everything as it is.
    maximum
        Largest probability to return unless its own is larger.

    Examples
    --------
    >>> boosted_probability(np.array([0.0, 0.01, 0.1, 0.9, 1.0]), np.ones(5), 10.0, 0.5).tolist()
    [0.0, 0.1, 0.5, 0.9, 1.0]
    >>> boosted_probability(np.array([0.01, 0.01]), np.array([0.5, 0.05]), 10.0, 0.5).tolist()
    [0.05, 0.01]
    """
    if boost == 1.0:
        return probability
    return np.asarray(np.maximum(probability, np.minimum(boost * weight * probability, maximum)))


def choice_weight(happened: BoolArray, probability: FloatArray, sampled: FloatArray) -> FloatArray:
    """Return the weight of each event in which something of some probability was sampled with another.

    Parameters
    ----------
    happened
        Whether it happened, shape (n_events,).
    probability, sampled
        Its own probability and the one it was sampled with, same shape.

    Examples
    --------
    >>> choice_weight(np.array([True, False, False]), np.array([0.1, 0.1, 0.0]), np.array([0.2, 0.5, 0.0])).tolist()
    [0.5, 1.8, 1.0]
    """
    natural = np.where(happened, probability, 1.0 - probability)
    # Equal probabilities also where both are nothing: 0/0 is never needed, because it never happened.
    return np.divide(
        natural, np.where(happened, sampled, 1.0 - sampled), out=np.ones_like(natural), where=probability != sampled
    )


def force_at_least_one(
    probability: FloatArray, event: IntArray, n_events: int, forced: FloatArray, rng: np.random.Generator
) -> Forced:
    """Make independent choices, but at least one of an event's with a probability other than its own.

    Given that there is one, the choices made have exactly the distribution they would have in nature.

    Parameters
    ----------
    probability
        Probability of each candidate, shape (n_candidates,).
    event
        Event of each candidate, not decreasing, same shape.
    n_events
        Number of events.
    forced
        Probability of at least one to sample with, shape (n_events,); equal to `at_least_one_probability` for events
        that are left to nature, whose weight is then exactly 1. Between 0 and 1, both excluded unless it is natural.
    rng
        Random stream.

    Examples
    --------
    >>> probability, event = np.full(2, 0.01), np.zeros(2, dtype=np.int64)
    >>> rng = np.random.default_rng(1)
    >>> forced = force_at_least_one(probability, event, 1, np.array([0.5]), rng)
    >>> forced.chosen.tolist(), forced.weight.round(3).tolist()
    ([False, False], [1.96])
    """
    natural = at_least_one_probability(probability, event, n_events)
    happens = rng.random(n_events) < forced
    chosen = choose_given(happens, probability, event, natural, rng)
    return Forced(chosen, choice_weight(happens, natural, forced))


def choose_given(
    happens: BoolArray, probability: FloatArray, event: IntArray, natural: FloatArray, rng: np.random.Generator
) -> BoolArray:
    """Make independent choices of which it is known whether there is at least one, shape (n_candidates,).

    Parameters
    ----------
    happens
        Whether at least one is made, shape (n_events,).
    probability, event
        As in `force_at_least_one`.
    natural
        `at_least_one_probability`, shape (n_events,).
    rng
        Random stream.
    """
    # here, because settings are read by many commands that choose nothing: compiled kernels take long to import
    from simulation.choice_kernel import choose

    # Where the first success lies is uniform in its probability summed over candidates in their order.
    first = np.where(happens, rng.random(len(happens)) * natural, np.inf)
    return choose(probability, event, first, rng.random(len(probability)))
