"""Cross-section of e⁺e⁻ → τ⁺τ⁻ℓ⁺ℓ⁻: integrated once with initial-state radiation, shipped as a table.

Photons that the beams radiate besides come from the radiator of `models.theory.initial_state_radiation`: the process at
tree level at the reduced energy, integrated over the radiated fraction. Nothing is counted twice, as the radiator holds
real photons and the diagrams a pair. Vacuum polarisation multiplies by its factor at the reduced energy, as for the
signal; the photon that makes the light pair stays at α(0).
"""

import csv
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.constants import GEV_M2_TO_FB, TAU_MASS_GEV
from models.search import Channel
from models.theory.errors import StaleTableError
from models.theory.four_lepton import four_lepton_weights
from models.theory.four_lepton_phase_space import FourLeptonPoints, FourLeptonSampling, sample_four_leptons
from models.theory.initial_state_radiation import hard_radiation, radiator_exponent, soft_virtual_factor
from models.theory.vacuum_polarisation import vacuum_polarisation_factor

FloatArray = NDArray[np.float64]
FOUR_LEPTON_TABLE_PATH: Final = Path(__file__).with_name("four_lepton_cross_section.csv")
HEAVY_ELECTRONS_GEV: Final = 0.03
"""Smallest mass of the electron pairs that are quoted beside all of them."""


class FourLeptonCrossSection(NamedTuple):
    """One row of the table."""

    channel: Channel
    """Flavour of the lepton pair."""
    pair_mass_min_gev: float
    """Smallest mass of the pair, zero for its threshold."""
    sqrt_s_gev: float
    sigma_born_fb: float
    """Tree level with α at zero momentum transfer."""
    sigma_isr_fb: float
    """With initial-state radiation."""
    sigma_vp_fb: float
    """With initial-state radiation and vacuum polarisation."""
    relative_error: float
    """Largest statistical error of the three."""
    bound_fb: float
    """Weight of a trial, in the last of the three, that one in 10⁵ trials exceeds."""


class RadiativeTrials(NamedTuple):
    """Sampled events after initial-state radiation, in the frame of the reduced collision."""

    fraction: FloatArray
    """Fraction of s that was radiated, shape (n,)."""
    points: FourLeptonPoints
    weight_fb: FloatArray
    """Contribution to the cross-section; the mean over trials is the cross-section, shape (n,)."""


def radiative_trials(
    n: int,
    sqrt_s_gev: float,
    channel: Channel,
    rng: np.random.Generator,
    sampling: FourLeptonSampling | None = None,
    *,
    pair_mass_min_gev: float = 0.0,
    with_radiation: bool = True,
    fraction_min: float = 0.0,
) -> RadiativeTrials:
    """Sample e⁺e⁻ → τ⁺τ⁻ℓ⁺ℓ⁻ with initial-state radiation, without vacuum polarisation.

    Parameters
    ----------
    n
        Number of trials.
    sqrt_s_gev
        Collision energy before radiation.
    channel
        Flavour of the lepton pair.
    rng
        Random stream.
    sampling
        Where events are tried.
    pair_mass_min_gev
        Smallest mass of the lepton pair, if above its threshold.
    with_radiation
        Whether the beams radiate; otherwise this is the tree level.
    fraction_min
        Radiated fractions below this are taken as none in the kinematics, not in the rate.
    """
    s, lepton_mass = sqrt_s_gev**2, channel.lepton_mass_gev
    fraction, factor = np.zeros(n), np.ones(n)
    if with_radiation:
        strength = radiator_exponent(s)
        threshold = 2.0 * TAU_MASS_GEV + max(pair_mass_min_gev, 2.0 * lepton_mass)
        largest = 1.0 - threshold**2 / s
        fraction = np.maximum(largest * (1.0 - rng.random(n)) ** (1.0 / strength), np.finfo(float).tiny)
        hard = hard_radiation(fraction, s) * fraction ** (1.0 - strength) / strength
        factor = largest**strength * (soft_virtual_factor(s) + hard)
    fraction = np.where(fraction < fraction_min, 0.0, fraction)
    reduced = sqrt_s_gev * np.sqrt(1.0 - fraction)
    points = sample_four_leptons(reduced, lepton_mass, rng, sampling, pair_mass_min_gev=pair_mass_min_gev)
    squared = four_lepton_weights(points.events, lepton_mass)
    weight = GEV_M2_TO_FB * factor * squared * points.measure / (2.0 * reduced**2)
    # A trial on the edge of phase space can have a momentum of zero and no density.
    return RadiativeTrials(fraction, points, np.where(np.isfinite(weight), weight, 0.0))


def polarised_weights_fb(trials: RadiativeTrials, sqrt_s_gev: float) -> FloatArray:
    """Return the weights of trials with vacuum polarisation at the reduced energy, shape (n,)."""
    weights: FloatArray = trials.weight_fb * vacuum_polarisation_factor(sqrt_s_gev**2 * (1.0 - trials.fraction))
    return weights


def integrate_four_lepton_cross_section(
    channel: Channel, pair_mass_min_gev: float, sqrt_s_gev: float, n_trials: int, seed: int
) -> FourLeptonCrossSection:
    """Integrate the cross-section, without the table.

    Parameters
    ----------
    channel
        Flavour of the lepton pair.
    pair_mass_min_gev
        Its smallest mass, zero for its threshold.
    sqrt_s_gev
        Collision energy.
    n_trials
        Trials with and without radiation each.
    seed
        Seed of the integration; equal ones make neighbouring energies vary smoothly.
    """
    rng = np.random.default_rng(seed)
    parts: dict[str, list[FloatArray]] = {"born": [], "isr": [], "vp": []}
    block = 50_000
    for _ in range(0, n_trials, block):
        born = radiative_trials(
            block, sqrt_s_gev, channel, rng, pair_mass_min_gev=pair_mass_min_gev, with_radiation=False
        )
        radiated = radiative_trials(block, sqrt_s_gev, channel, rng, pair_mass_min_gev=pair_mass_min_gev)
        parts["born"].append(born.weight_fb)
        parts["isr"].append(radiated.weight_fb)
        parts["vp"].append(polarised_weights_fb(radiated, sqrt_s_gev))
    weights = {name: np.concatenate(blocks) for name, blocks in parts.items()}
    errors = [float(w.std() / w.mean() / np.sqrt(len(w))) for w in weights.values()]
    return FourLeptonCrossSection(
        channel,
        pair_mass_min_gev,
        sqrt_s_gev,
        sigma_born_fb=float(weights["born"].mean()),
        sigma_isr_fb=float(weights["isr"].mean()),
        sigma_vp_fb=float(weights["vp"].mean()),
        relative_error=max(errors),
        bound_fb=float(np.quantile(weights["vp"], 1.0 - 1e-5)),
    )


def four_lepton_cross_section(
    channel: Channel, sqrt_s_gev: float, *, pair_mass_min_gev: float = 0.0
) -> FourLeptonCrossSection:
    """Return the cross-section from the shipped table, interpolated in energy.

    Parameters
    ----------
    channel
        Flavour of the lepton pair.
    sqrt_s_gev
        Collision energy.
    pair_mass_min_gev
        Zero, or for electrons also `HEAVY_ELECTRONS_GEV`.

    Raises
    ------
    StaleTableError
        If the table does not reach there.

    Examples
    --------
    >>> 130.0 < four_lepton_cross_section(Channel.MUMU, 10.58).sigma_born_fb < 160.0
    True
    """
    rows = [row for row in _table() if row.channel is channel and row.pair_mass_min_gev == pair_mass_min_gev]
    energies = [row.sqrt_s_gev for row in rows]
    if not rows or not energies[0] <= sqrt_s_gev <= energies[-1]:
        raise StaleTableError(
            f"The table of τ⁺τ⁻{channel} cross-sections has no √s = {sqrt_s_gev} GeV with pairs above "
            f"{pair_mass_min_gev} GeV; `python -m models.theory.make_four_lepton_table` makes another one."
        )
    columns = np.array([row[3:] for row in rows], dtype=np.float64).T
    values = (float(np.interp(sqrt_s_gev, energies, column)) for column in columns)
    return FourLeptonCrossSection(channel, pair_mass_min_gev, sqrt_s_gev, *values)


@cache
def _table() -> tuple[FourLeptonCrossSection, ...]:
    with FOUR_LEPTON_TABLE_PATH.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))[1:]
    return tuple(FourLeptonCrossSection(Channel(name), *(float(value) for value in values)) for name, *values in rows)
