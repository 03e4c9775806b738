"""B pairs put together from a library of decays, those that can be selected more often than in nature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.kinematics import two_body_momentum, unit_vector
from simulation.b_library import CHARGED_B, NEUTRAL_B, charged_multiplicity
from simulation.configuration import UpsilonConfig
from simulation.decay_assembly import DecayingParticles, decayed_events, random_rotations
from simulation.decay_library import DecayLibrary
from simulation.detector.species import ELECTRON, MUON, is_one_of
from simulation.generated import FINAL_STATE, GeneratedEvents
from simulation.hadronic_multiplicity import multiplicity_enrichment
from simulation.importance import ImportanceSampling

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_MOST_LEPTONS: Final = 2
_PAIR: Final = 2


@dataclass(frozen=True)
class _DecayClasses:
    """The decays of one B meson sorted by what decides about selection: charged particles, electrons, muons."""

    n_charged: IntArray
    """Shape (n_classes,), as the next two."""
    n_electrons: IntArray
    """Two stands for more."""
    n_muons: IntArray
    probability: FloatArray
    decays: IntArray
    """Numbers of the decays in the library, sorted by class."""
    cumulative: FloatArray
    """Sum of the weights up to each of them and before the first, shape (n_decays + 1,)."""
    bounds: IntArray
    """Where each class begins among `decays`, and the end, shape (n_classes + 1,)."""

    @staticmethod
    def of(library: DecayLibrary, parent: int) -> _DecayClasses:
        final = library.status == FINAL_STATE
        leptons = [
            np.minimum(library.count(final & is_one_of(library.pdg, (code,))), _MOST_LEPTONS)
            for code in (ELECTRON, MUON)
        ]
        labels = np.stack([charged_multiplicity(library), *leptons], axis=1)
        decays = np.flatnonzero(library.parent == parent)
        classes, index = np.unique(labels[decays], axis=0, return_inverse=True)
        order = np.argsort(index, kind="stable")
        bounds = np.searchsorted(index[order], np.arange(len(classes) + 1))
        weight = library.weight[decays[order]]
        cumulative = np.concatenate([[0.0], np.cumsum(weight)])
        n_charged, n_electrons, n_muons = classes.T
        return _DecayClasses(
            n_charged=n_charged,
            n_electrons=n_electrons,
            n_muons=n_muons,
            probability=np.diff(cumulative[bounds]) / cumulative[-1],
            decays=decays[order],
            cumulative=cumulative,
            bounds=bounds,
        )

    def draw(self, of_class: IntArray, rng: np.random.Generator) -> IntArray:
        """Return a decay of each class asked for, drawn with replacement by weight."""
        low, high = self.bounds[of_class], self.bounds[of_class + 1]
        begin, end = self.cumulative[low], self.cumulative[high]
        drawn = np.searchsorted(self.cumulative, begin + rng.random(len(of_class)) * (end - begin), side="right") - 1
        return self.decays[np.clip(drawn, low, high - 1)]


@dataclass(frozen=True)
class BPairGenerator:
    """Υ(4S) → BB̄ with decays from a library."""

    library: DecayLibrary
    config: UpsilonConfig
    _classes: tuple[_DecayClasses, _DecayClasses]
    """Of B⁺ and of B⁰."""
    _pairs: IntArray
    """Meson, 0 charged or 1 neutral, and class of either decay, shape (n_pairs, 3)."""
    _cumulative: FloatArray
    """Cumulative probability with which each of them is sampled."""
    _weight: FloatArray
    """Probability in nature over that."""

    @staticmethod
    def prepare(library: DecayLibrary, config: UpsilonConfig, importance: ImportanceSampling) -> BPairGenerator:
        """Sort a library's decays and choose how often pairs of them are sampled.

        Pairs of decays are sampled the more, the better the chance of four tracks at their charged multiplicity is
        (`low_multiplicity_enrichment`), and if they have two electrons or two muons (`semileptonic_boost`).
        """
        classes = (_DecayClasses.of(library, CHARGED_B), _DecayClasses.of(library, NEUTRAL_B))
        fractions = (config.charged_fraction, 1.0 - config.charged_fraction)
        pairs, natural, sampled = [], [], []
        for meson, (of_meson, fraction) in enumerate(zip(classes, fractions, strict=True)):
            first, second = np.indices((len(of_meson.probability),) * 2).reshape(2, -1)
            probability = fraction * of_meson.probability[first] * of_meson.probability[second]
            enrichment = multiplicity_enrichment(
                of_meson.n_charged[first] + of_meson.n_charged[second],
                importance.low_multiplicity_enrichment,
                config.multiplicity,
            )
            lepton_pair = (of_meson.n_electrons[first] + of_meson.n_electrons[second] >= _PAIR) | (
                of_meson.n_muons[first] + of_meson.n_muons[second] >= _PAIR
            )
            pairs.append(np.stack([np.full(len(first), meson), first, second], axis=1))
            natural.append(probability)
            sampled.append(probability * enrichment * np.where(lepton_pair, importance.semileptonic_boost, 1.0))
        probability = np.concatenate(natural)
        sampling = np.concatenate(sampled) / np.concatenate(sampled).sum()
        weight = np.divide(probability, sampling, out=np.ones_like(sampling), where=sampling > 0.0)
        return BPairGenerator(library, config, classes, np.concatenate(pairs), np.cumsum(sampling), weight)

    def events(self, n: int, sqrt_s_gev: float, rng: np.random.Generator) -> GeneratedEvents:
        """Return `n` weighted events in the centre-of-mass frame, the weights one on average.

        The polar angle follows sin²θ, as two pseudoscalars from a vector made by e⁺e⁻ must. Neutral B mesons mix
        coherently: with decays apart by the proper time t, both have the same flavour with the probability
        [1 − cos(Δm t)]/2 (PDG 2024, review of B⁰–B̄⁰ mixing).

        Parameters
        ----------
        n
            Number of events.
        sqrt_s_gev
            Centre-of-mass energy.
        rng
            Random stream.
        """
        config = self.config
        drawn = np.searchsorted(self._cumulative, rng.random(n) * self._cumulative[-1], side="right")
        meson, *of_class = self._pairs[drawn].T
        charged = meson == 0
        decay = np.empty((n, 2), dtype=np.int64)
        for number, classes in enumerate(self._classes):
            events = np.flatnonzero(meson == number)
            for side in range(2):
                decay[events, side] = classes.draw(of_class[side][events], rng)

        lifetimes = rng.exponential(size=(n, 2))
        same_flavour = rng.random(n) < 0.5 * (1.0 - np.cos(config.mixing_x * (lifetimes[:, 0] - lifetimes[:, 1])))
        first_sign = rng.choice([-1, 1], size=n)
        second_sign = np.where(same_flavour & ~charged, first_sign, -first_sign)
        code = np.where(charged, CHARGED_B, NEUTRAL_B)

        mass = np.where(charged, config.charged_mass_gev, config.neutral_mass_gev)
        # If x follows the beta distribution (2, 2), 2x − 1 follows 1 − cos².
        direction = unit_vector(2.0 * rng.beta(2.0, 2.0, n) - 1.0, rng.uniform(-np.pi, np.pi, n))
        momentum = two_body_momentum(sqrt_s_gev, mass, mass)[:, None] * direction
        energy = np.full((n, 1), 0.5 * sqrt_s_gev)
        both = np.stack([np.concatenate([sign * momentum, energy], axis=1) for sign in (1.0, -1.0)], axis=1)
        ctau_mm = np.where(charged, config.charged_ctau_mm, config.neutral_ctau_mm)
        flight = (lifetimes * (ctau_mm / mass)[:, None])[:, :, None] * both
        particles = DecayingParticles(
            pdg=np.stack([first_sign * code, second_sign * code], axis=1),
            momentum=both,
            decay_vertex=flight,
            decay=decay,
            rotation=random_rotations(2 * n, rng).reshape(n, 2, 3, 3),
        )
        return decayed_events(particles, self._weight[drawn], self.library)
