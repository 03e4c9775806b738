"""Observables of decayed τ pairs at generator level, sensitive to spectra, helicities and transverse spins.

For pairs that did not radiate: the rest frame of the pair is the c.m. frame. Energies are in units of the beam energy.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.kinematics import boost_to_rest_frame, mass_of
from simulation.detector.species import ELECTRON, MUON, PION
from simulation.generated import GeneratedEvents
from simulation.tau_library import TAU
from simulation.tau_spin import helicity_axes

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_TAU_NEUTRINO: Final = 16
_NEUTRAL_PION: Final = 111
_CHARGED: Final = (ELECTRON, MUON, PION, 321)
_ANTINEUTRINOS: Final = (12, 14)
E, MU, PI, RHO, PI_2PI0, THREE_PI, THREE_PI_PI0, OTHER = range(8)
"""Decay channels as numbers."""


class Observable(NamedTuple):
    """A quantity and its histogram."""

    low: float
    high: float
    bins: int
    values: FloatArray
    """Of every event or τ that has it, shape (n,)."""


class TauPairDecays(NamedTuple):
    """Both decays of n pairs, [pair; τ⁻, τ⁺]; four-momenta (px, py, pz, E) in GeV in the c.m. frame."""

    channel: NDArray[np.int64]
    """Shape (n, 2)."""
    tau: FloatArray
    """Shape (n, 2, 4), as all that follow."""
    charged: FloatArray
    """Sum of electrons, muons, charged pions and kaons."""
    neutral_pions: FloatArray
    """Sum of neutral pions."""
    visible: FloatArray
    """Everything but neutrinos."""
    like_pion: FloatArray
    """Of the pions with the charge of the τ the first, with `unlike_pion` one of two pairs π⁺π⁻ of three pions."""
    unlike_pion: FloatArray
    antineutrino: FloatArray
    """Of a leptonic decay, that of the lepton's flavour."""

    @staticmethod
    def of(events: GeneratedEvents) -> TauPairDecays:
        """Return the decays of events whose τ's and initial photons may be listed or not, τ⁻ or τ⁺ first.

        The products of a decay begin with its ν_τ, as in every record of Pythia and in the library.
        """
        mother = np.where(events.mother >= 0, events.pdg[events.mother + events.offsets[events.event_index]], 0)
        direct = ((mother == 0) & (np.abs(events.pdg) != TAU)) | (np.abs(mother) == TAU)
        pdg, momentum, event = events.pdg[direct], events.momentum[direct], events.event_index[direct]
        code = np.abs(pdg)
        begins = code == _TAU_NEUTRINO
        sign = np.sign(pdg[begins])[np.cumsum(begins) - 1]
        group = 2 * event + (sign < 0)
        n = 2 * events.n_events

        def count(chosen: BoolArray) -> NDArray[np.int64]:
            return np.bincount(group[chosen], minlength=n)

        def total(chosen: BoolArray) -> FloatArray:
            sums = [np.bincount(group[chosen], component[chosen], n) for component in momentum.T]
            return np.asarray(np.stack(sums, axis=-1).reshape(-1, 2, 4))

        def first(chosen: BoolArray) -> FloatArray:
            rows = np.flatnonzero(chosen)[::-1]
            found = np.zeros((n, 4))
            found[group[rows]] = momentum[rows]
            return found.reshape(-1, 2, 4)

        pions, neutral = count(code == PION), count(code == _NEUTRAL_PION)
        products = count(np.ones(len(pdg), dtype=np.bool_)) - 1
        channel = np.select(
            [count(code == ELECTRON) == 1, count(code == MUON) == 1]
            + [
                (pions == charged) & (neutral == zero) & (products == charged + zero)
                for charged, zero in ((1, 0), (1, 1), (1, 2), (3, 0), (3, 1))
            ],
            [E, MU, PI, RHO, PI_2PI0, THREE_PI, THREE_PI_PI0],
            OTHER,
        )
        return TauPairDecays(
            channel.reshape(-1, 2),
            tau=total(np.ones(len(pdg), dtype=np.bool_)),
            charged=total(np.isin(code, _CHARGED)),
            neutral_pions=total(code == _NEUTRAL_PION),
            visible=total(~np.isin(code, (_TAU_NEUTRINO, *_ANTINEUTRINOS))),
            like_pion=first(pdg == -PION * sign),
            unlike_pion=first(pdg == PION * sign),
            antineutrino=total(np.isin(code, _ANTINEUTRINOS)),
        )


def tau_pair_observables(decays: TauPairDecays) -> dict[str, Observable]:
    """Return the observables by name; those that need the channels of both τ's are conditional on them."""
    beam = 0.25 * decays.tau[:, :, 3].sum(axis=1)[:, None] * 2.0
    single = _single_tau_observables(decays, beam)
    prongs = np.isin(decays.channel, (E, MU, PI, RHO, PI_2PI0))
    both = prongs.all(axis=1)
    minus, plus = decays.charged[both, 0], decays.charged[both, 1]
    missing = np.array([0.0, 0.0, 0.0, 1.0]) * 2.0 * beam - decays.visible.sum(axis=1)
    return {
        **single,
        "channel of either τ": Observable(-0.5, 7.5, 8, decays.channel.ravel().astype(np.float64)),
        "missing mass [√s/2]": Observable(0.0, 2.0, 20, mass_of(missing) / beam[:, 0]),
        "1–1 prong: acoplanarity of the tracks": Observable(0.0, np.pi, 20, _acoplanarity(minus, plus)),
        "1–1 prong: opening angle of the tracks": Observable(0.0, np.pi, 20, _angle(minus, plus)),
        "1–1 prong: invariant mass of the tracks": Observable(0.0, 2.0, 20, mass_of(minus + plus) / beam[both, 0]),
        **_correlation_observables(decays, beam),
    }


def _single_tau_observables(decays: TauPairDecays, beam: FloatArray) -> dict[str, Observable]:
    def of(values: FloatArray, channel: int, low: float, high: float) -> Observable:
        return Observable(low, high, 20, values[decays.channel == channel])

    energy = decays.visible[:, :, 3] / beam
    charged, neutral = decays.charged[:, :, 3], decays.neutral_pions[:, :, 3]
    mass = mass_of(decays.visible)
    pair_mass = mass_of(decays.like_pion + decays.unlike_pion)
    return {
        "e: energy": of(energy, E, 0.0, 1.0),
        "μ: energy": of(energy, MU, 0.0, 1.0),
        "π: energy": of(energy, PI, 0.0, 1.0),
        "ππ⁰: energy": of(energy, RHO, 0.0, 1.0),
        "ππ⁰: (E − E₀)/(E + E₀)": of((charged - neutral) / np.maximum(charged + neutral, 1e-9), RHO, -1.0, 1.0),
        "ππ⁰: mass": of(mass, RHO, 0.3, 1.5),
        "π2π⁰: energy": of(energy, PI_2PI0, 0.0, 1.0),
        "π2π⁰: mass": of(mass, PI_2PI0, 0.5, 1.75),
        "3π: energy": of(energy, THREE_PI, 0.0, 1.0),
        "3π: mass": of(mass, THREE_PI, 0.5, 1.75),
        "3π: mass of π⁺π⁻": of(pair_mass, THREE_PI, 0.28, 1.5),
        "3ππ⁰: energy": of(energy, THREE_PI_PI0, 0.0, 1.0),
        "3ππ⁰: mass": of(mass, THREE_PI_PI0, 0.8, 1.77),
    }


def _correlation_observables(decays: TauPairDecays, beam: FloatArray) -> dict[str, Observable]:
    """Return what depends on both spins: energies on their z components, azimuths on the transverse ones."""
    analyser = _analysers(decays)
    azimuth = np.arctan2(analyser[:, :, 1], analyser[:, :, 0])
    energy = decays.visible[:, :, 3] / beam
    cosine = decays.tau[:, 0, 2] / np.linalg.norm(decays.tau[:, 0, :3], axis=1)
    found: dict[str, Observable] = {}
    for name, first, second in (("ππ", PI, PI), ("πρ", PI, RHO), ("ρρ", RHO, RHO), ("ℓℓ", -1, -1)):
        if first < 0:
            chosen = np.isin(decays.channel, (E, MU)).all(axis=1)
        else:
            sorted_channels = np.sort(decays.channel, axis=1)
            chosen = (sorted_channels[:, 0] == first) & (sorted_channels[:, 1] == second)
        x, a, c = energy[chosen], analyser[chosen], np.sign(cosine[chosen])
        both = azimuth[chosen]
        found |= {
            f"{name}: (2x⁻ − 1)(2x⁺ − 1)": Observable(-1.0, 1.0, 20, np.prod(2.0 * x - 1.0, axis=1)),
            f"{name}: φ⁻ − φ⁺": Observable(0.0, 2 * np.pi, 16, np.mod(both[:, 0] - both[:, 1], 2 * np.pi)),
            f"{name}: φ⁻ + φ⁺": Observable(0.0, 2 * np.pi, 16, np.mod(both[:, 0] + both[:, 1], 2 * np.pi)),
            f"{name}: (a⁻_x a⁺_z − a⁻_z a⁺_x) sign cos θ": Observable(
                -1.0, 1.0, 16, (a[:, 0, 0] * a[:, 1, 2] - a[:, 0, 2] * a[:, 1, 0]) * c
            ),
        }
    pions = (decays.channel == PI).all(axis=1)
    rhos = (decays.channel == RHO).all(axis=1)
    return {
        **found,
        "ππ: acoplanarity": Observable(0.0, np.pi, 20, _acoplanarity(*np.moveaxis(decays.charged[pions], 1, 0))),
        "ππ: opening angle": Observable(0.0, np.pi, 20, _angle(*np.moveaxis(decays.charged[pions], 1, 0))),
        "ρρ: angle of the decay planes, y⁻y⁺ > 0": Observable(0.0, 2 * np.pi, 16, _plane_angle(decays, rhos, 1.0)),
        "ρρ: angle of the decay planes, y⁻y⁺ < 0": Observable(0.0, 2 * np.pi, 16, _plane_angle(decays, rhos, -1.0)),
    }


def _analysers(decays: TauPairDecays) -> FloatArray:
    """Return unit vectors along (or, for π, ρ of a τ⁺, against) the polarimeter vectors of ℓνν, πν and ρν decays.

    In the axes of `models.theory.spin_correlation`, shape (n, 2, 3). For the ρ: 2(q·N)q − q²N with q = p_π − p_π⁰ and
    N the neutrino (J. H. Kühn and F. Wagner, Nucl. Phys. B 236, 16 (1984)).
    """

    def at_rest(momentum: FloatArray) -> FloatArray:
        return boost_to_rest_frame(momentum, decays.tau)

    charged, neutrino = at_rest(decays.charged), at_rest(decays.tau - decays.visible)
    q = charged - at_rest(decays.neutral_pions)
    product = q[..., 3] * neutrino[..., 3] - np.sum(q[..., :3] * neutrino[..., :3], axis=-1)
    square = q[..., 3] ** 2 - np.sum(q[..., :3] ** 2, axis=-1)
    of_rho = 2.0 * product[..., None] * q[..., :3] - square[..., None] * neutrino[..., :3]
    leptonic = np.isin(decays.channel, (E, MU))[..., None]
    vector = np.where((decays.channel == RHO)[..., None], of_rho, charged[..., :3])
    vector = np.where(leptonic, at_rest(decays.antineutrino)[..., :3], vector)
    axes = helicity_axes(decays.tau.reshape(-1, 4)).reshape(-1, 2, 3, 3)
    analyser = np.einsum("nkac,nkc->nka", axes, vector)
    return np.asarray(analyser / np.maximum(np.linalg.norm(analyser, axis=-1), 1e-12)[..., None])


def _plane_angle(decays: TauPairDecays, chosen: BoolArray, sign: float) -> FloatArray:
    """Return the angle between the planes of both ρ decays in the rest frame of the ρ pair, for one sign of y⁻y⁺.

    y is the energy of π± less that of π⁰ (G. R. Bower et al., Phys. Lett. B 543, 227 (2002)).
    """
    charged, neutral = decays.charged[chosen], decays.neutral_pions[chosen]
    frame = (charged + neutral).sum(axis=1)[:, None]
    at_rest, neutral_at_rest = (boost_to_rest_frame(p, frame)[..., :3] for p in (charged, neutral))
    normal = np.cross(at_rest, neutral_at_rest)
    axis = at_rest[:, 0] + neutral_at_rest[:, 0]
    axis /= np.linalg.norm(axis, axis=1)[:, None]
    angle = np.arctan2(
        np.sum(np.cross(normal[:, 0], normal[:, 1]) * axis, axis=1), np.sum(normal[:, 0] * normal[:, 1], axis=1)
    )
    y = np.prod(charged[:, :, 3] - neutral[:, :, 3], axis=1)
    return np.asarray(np.mod(angle, 2.0 * np.pi)[y * sign > 0.0])


def _acoplanarity(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return π minus the angle between transverse momenta."""
    difference = np.arctan2(first[:, 1], first[:, 0]) - np.arctan2(second[:, 1], second[:, 0])
    return np.asarray(np.pi - np.abs(np.mod(difference + np.pi, 2.0 * np.pi) - np.pi))


def _angle(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the angle between momenta."""
    cross = np.linalg.norm(np.cross(first[:, :3], second[:, :3]), axis=1)
    return np.asarray(np.arctan2(cross, np.sum(first[:, :3] * second[:, :3], axis=1)))
