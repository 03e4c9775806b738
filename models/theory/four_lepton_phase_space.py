"""Phase space of e⁺e⁻ → τ⁺τ⁻ℓ⁺ℓ⁻, sampled where the amplitude is large.

An event is a lepton pair of momentum K and mass m, and a τ pair recoiling against it. K is drawn by steps in its
rapidity, ln m² with a density that falls to zero at its end as the range of rapidities does, the leptons as from a
transversely polarised photon. Directions come from a mixture of two channels, whose densities are added: K along the
beams and τ's isotropic (radiation from the initial state, whose propagator is m² − 2p·K), or K isotropic and along a τ
(final state, m² + 2q·K).
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from models.constants import ELECTRON_MASS_GEV, TAU_MASS_GEV
from models.kinematics import rotate_z_to, unit_vector
from models.settings import Settings
from models.theory.four_lepton import FourLeptons
from models.theory.spinors import Momenta

FloatArray = NDArray[np.float64]

_AT_REST: Final = 1e-9
"""Smallest τ velocity in the rest frame of the τ pair; keeps the map finite on the edge of phase space."""


class FourLeptonSampling(Settings):
    """Where events are tried."""

    initial_share: float = Field(default=0.75, gt=0.0, lt=1.0)
    """Fraction of the trials with the pair along the beams; the rest has it along a τ (choice, least variance)."""


class FourLeptonPoints(NamedTuple):
    """Sampled events and what each counts."""

    events: FourLeptons
    measure: FloatArray
    """dΦ₄ over the density of the sampling, in GeV⁴, shape (N,)."""
    pair_mass_gev: FloatArray
    """Mass of the lepton pair, shape (N,)."""


def sample_four_leptons(
    sqrt_s_gev: FloatArray,
    lepton_mass_gev: float,
    rng: Generator,
    sampling: FourLeptonSampling | None = None,
    *,
    pair_mass_min_gev: float = 0.0,
) -> FourLeptonPoints:
    """Draw one event for each collision energy.

    Parameters
    ----------
    sqrt_s_gev
        Centre-of-mass energies above threshold, shape (N,).
    lepton_mass_gev
        Mass of ℓ.
    rng
        Random stream.
    sampling
        Shares of the channels.
    pair_mass_min_gev
        Smallest mass of the lepton pair, if above its threshold.
    """
    n, s, two_tau = len(sqrt_s_gev), sqrt_s_gev**2, 2.0 * TAU_MASS_GEV
    share = (sampling or FourLeptonSampling()).initial_share
    lowest = 2.0 * np.log(max(pair_mass_min_gev, 2.0 * lepton_mass_gev))
    log_range = 2.0 * np.log(sqrt_s_gev - two_tau) - lowest
    left = np.sqrt(rng.random(n))
    pair_s = np.exp(lowest + log_range * (1.0 - left))
    mass = np.sqrt(pair_s)

    energy_max = (s + pair_s - two_tau**2) / (2.0 * sqrt_s_gev)
    rapidity_max = np.arccosh(np.maximum(energy_max / mass, 1.0))
    u = rng.random(n)
    rapidity = rapidity_max * u * (2.0 - u)
    energy, momentum = mass * np.cosh(rapidity), mass * np.sinh(rapidity)
    excess = np.maximum(2.0 * sqrt_s_gev * (energy_max - energy), 0.0)
    tau_s = excess + two_tau**2
    tau_mass = np.sqrt(tau_s)
    velocity = np.maximum(np.sqrt(excess / tau_s), _AT_REST)
    measure = (
        0.5
        * log_range
        * pair_s
        / left
        * rapidity_max
        * 2.0
        * (1.0 - u)
        * 2.0
        * sqrt_s_gev
        * momentum
        / (2.0 * np.pi) ** 2
    )

    # Poles of the propagators in the two cosines lie at ±(1 + these).
    beyond_beam = pair_s * (1.0 / (energy + momentum) - 1.0 / sqrt_s_gev) / momentum
    beyond_beam += 2.0 * ELECTRON_MASS_GEV**2 / s * energy / momentum
    seen_energy, seen_momentum = (s - tau_s - pair_s) / (2.0 * tau_mass), momentum * sqrt_s_gev / tau_mass
    beyond_tau = (seen_energy + pair_s / tau_mass) / (velocity * seen_momentum) - 1.0
    initial = rng.random(n) < share
    peaked = _peaked_cosine(np.where(initial, beyond_beam, beyond_tau), rng)
    flat = rng.uniform(-1.0, 1.0, n)
    cosine, tau_cosine = np.where(initial, peaked, flat), np.where(initial, flat, peaked)
    density = share * _peaked_density(cosine, beyond_beam) + (1.0 - share) * _peaked_density(tau_cosine, beyond_tau)
    ratio = np.minimum((2.0 * lepton_mass_gev) ** 2 / pair_s, 1.0)
    lepton_velocity = np.sqrt(1.0 - ratio)
    lepton_cosine = _transverse_cosine(ratio, rng)
    density *= (1.0 + lepton_cosine**2 + ratio * (1.0 - lepton_cosine**2)) / (8.0 / 3.0 + 4.0 / 3.0 * ratio)
    # Flat cosine 1/2, three azimuths 1/2π; |p|/(16π²M) for each pair of directions.
    measure *= 2.0 * (2.0 * np.pi) ** 3 / density
    measure *= momentum / sqrt_s_gev * 0.5 * velocity * 0.5 * lepton_velocity / (16.0 * np.pi**2) ** 3

    axis = unit_vector(cosine, rng.uniform(-np.pi, np.pi, n))
    recoil = Boost(-momentum / tau_mass, (sqrt_s_gev - energy) / tau_mass)
    pair = Boost(momentum / mass, energy / mass)
    tau_minus, tau_plus = _decay(recoil, 0.5 * tau_mass, velocity, tau_cosine, axis, rng)
    lepton_minus, lepton_plus = _decay(pair, 0.5 * mass, lepton_velocity, lepton_cosine, axis, rng)
    return FourLeptonPoints(FourLeptons(tau_minus, tau_plus, lepton_minus, lepton_plus), measure, mass)


class Boost(NamedTuple):
    """A boost along an axis, exact also for pairs a thousand times lighter than their energy."""

    gamma_beta: FloatArray
    gamma: FloatArray


def _decay(
    boost: Boost, energy: FloatArray, velocity: FloatArray, cosine: FloatArray, axis: FloatArray, rng: Generator
) -> tuple[Momenta, Momenta]:
    """Return both daughters of equal mass; `cosine` is that of the first to `axis` in their rest frame."""
    size = energy * velocity
    transverse = size * np.sqrt(np.maximum(1.0 - cosine**2, 0.0))
    azimuth = rng.uniform(-np.pi, np.pi, len(cosine))
    x, y = transverse * np.cos(azimuth), transverse * np.sin(azimuth)
    daughters = []
    for sign in (1.0, -1.0):
        along = sign * size * cosine
        local = np.stack([sign * x, sign * y, boost.gamma * along + boost.gamma_beta * energy], axis=-1)
        daughters.append(np.column_stack([boost.gamma * energy + boost.gamma_beta * along, rotate_z_to(local, axis)]))
    return daughters[0], daughters[1]


def _peaked_cosine(beyond: FloatArray, rng: Generator) -> FloatArray:
    """Draw c with density ∝ 1/(a² − c²), a = 1 + `beyond`."""
    half_range = 0.5 * np.log((2.0 + beyond) / beyond)
    cosine = (1.0 + beyond) * np.tanh(half_range * rng.uniform(-1.0, 1.0, len(beyond)))
    return np.clip(cosine, -1.0, 1.0)


def _peaked_density(cosine: FloatArray, beyond: FloatArray) -> FloatArray:
    inside = (beyond + (1.0 - np.abs(cosine))) * (1.0 + beyond + np.abs(cosine))
    density: FloatArray = (1.0 + beyond) / inside / np.log((2.0 + beyond) / beyond)
    return density


def _transverse_cosine(ratio: FloatArray, rng: Generator) -> FloatArray:
    """Draw c with density ∝ 1 + c² + ratio (1 − c²): the real root of its cumulative cubic."""
    difference = np.maximum(1.0 - ratio, 1e-9)
    third = (1.0 + ratio) / difference
    constant = rng.uniform(-1.0, 1.0, len(ratio)) * (4.0 + 2.0 * ratio) / difference
    root: FloatArray = 2.0 * np.sqrt(third) * np.sinh(np.arcsinh(0.5 * constant / third**1.5) / 3.0)
    return np.clip(root, -1.0, 1.0)
