"""Unweighted e⁺e⁻ → τ⁺τ⁻φ events from the tree-level helicity amplitudes, with initial-state radiation.

The colliding electrons radiate a fraction v of s with the radiator of `models.theory.initial_state_radiation`; the rest
collides at s′ = s(1 − v). An envelope over the two variables that fix the shape of an event, taken from the
orientation-averaged |M|² on a grid in each of several slices of s′, is sampled together with v; the orientation is
uniform, and because the electron tensor is quadratic in the beam direction no orientation exceeds 3/2 of the average.
Accept–reject with the full |M|² at the event's own s′ makes events exact, v included, and no cross-section is needed.
One photon carries all of v, at the angle of the first-order matrix element (`simulation.radiation`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.constants import ELECTRON_MASS_GEV, TAU_MASS_GEV
from models.errors import LeptophileError
from models.theory.born import orientation_averaged_weights
from models.theory.configuration import CollisionSettings
from models.theory.cross_section import check_mass
from models.theory.initial_state_radiation import hard_radiation, radiator_exponent, soft_virtual_factor
from models.theory.matrix_element import helicity_weights, scalar_radiation_amplitudes
from models.theory.phase_space import body_momenta, orient
from models.theory.spin_correlation import spin_correlation_from_amplitudes
from simulation.configuration import SignalGeneratorSettings
from simulation.radiation import RadiationSpectrum, sample_photon_cosine

FloatArray = NDArray[np.float64]

_ORIENTATION_BOUND: Final = 1.5
"""Largest |M|² over its average over orientations for photon exchange: tr H − n·H·n ≤ tr H for positive H."""


class EnvelopeError(LeptophileError):
    """An event's weight exceeded the envelope it was drawn from, so that accepted events would be biased."""


@dataclass(frozen=True)
class TauPairPhi:
    """e⁺e⁻ → τ⁺τ⁻φ(γ) events; momenta are (E, px, py, pz) in GeV.

    Those of the τ's and φ are in the rest frame of all three, the electron beam along +z; what radiates is the beams,
    and `photon` is in the centre-of-mass frame, where the three recoil against it.
    """

    p_tau_minus: FloatArray
    """Shape (N, 4)."""
    p_tau_plus: FloatArray
    p_phi: FloatArray
    photon: FloatArray
    """Zero where there is none."""
    spin_correlation: FloatArray
    """Spin correlation matrices of the τ pair, as of `models.theory.spin_correlation`, shape (N, 4, 4)."""

    def __len__(self) -> int:
        return len(self.p_phi)


@dataclass(frozen=True)
class SignalGenerator:
    """A prepared generator for one φ mass; pickles, and holds no random state."""

    m_phi_gev: float
    sqrt_s_gev: float
    settings: SignalGeneratorSettings
    envelope: FloatArray
    """Upper bound of |M|² dΦ₃/(du dv)/s′ in each cell, averaged over orientations, shape (slices, recoil_cells,
    pair_cells)."""
    slice_fraction: FloatArray
    """Radiated fraction at which each slice but the first begins, shape (slices − 1,)."""
    radiated: RadiationSpectrum
    """Radiated fraction as proposed: the radiator times the envelope's integral."""

    @staticmethod
    def prepare(
        m_phi_gev: float,
        sqrt_s_gev: float = CollisionSettings().sqrt_s_gev,
        settings: SignalGeneratorSettings | None = None,
    ) -> SignalGenerator:
        """Scan |M|² over the corners and centres of the envelope's cells at the ends of its slices.

        Parameters
        ----------
        m_phi_gev
            Mass of φ.
        sqrt_s_gev
            Centre-of-mass energy, by default that of the cross-section table.
        settings
            Envelope and radiation.

        Returns
        -------
        SignalGenerator
            Ready to generate.

        Raises
        ------
        MassRangeError
            If the mass is outside 2 m_e … √s − 2 m_τ.

        Examples
        --------
        >>> events = SignalGenerator.prepare(1.0, settings=SignalGeneratorSettings(isr=False)).generate(
        ...     1000, np.random.default_rng(1)
        ... )
        >>> bool(np.allclose((events.p_tau_minus + events.p_tau_plus + events.p_phi)[:, 0], 10.58))
        True
        """
        chosen = settings or SignalGeneratorSettings()
        mass = float(check_mass(m_phi_gev))
        threshold = 2.0 * TAU_MASS_GEV + mass
        ends = (1.0, *chosen.slice_ends) if chosen.isr else (1.0,)
        energies = threshold + np.array(ends) * (sqrt_s_gev - threshold)
        bounds = np.stack([_cell_maxima(mass, float(energy), chosen) for energy in energies])
        # Each slice has the larger of the bounds at its ends; the last one reaches down to the threshold.
        envelope = np.maximum(bounds, np.concatenate([bounds[1:], bounds[-1:]])) * (1.0 + chosen.margin)
        starts = 1.0 - (energies[1:] / sqrt_s_gev) ** 2
        spectrum = _proposed_spectrum(
            starts, envelope.sum(axis=(1, 2)), 1.0 - (threshold / sqrt_s_gev) ** 2, sqrt_s_gev, chosen
        )
        return SignalGenerator(mass, sqrt_s_gev, chosen, envelope, starts, spectrum)

    def generate(self, n_events: int, rng: np.random.Generator) -> TauPairPhi:
        """Generate unweighted events.

        Parameters
        ----------
        n_events
            Number of events.
        rng
            Source of randomness; the same state gives the same events.

        Returns
        -------
        TauPairPhi
            The events.

        Raises
        ------
        EnvelopeError
            If an event's weight exceeds the envelope.
        """
        cumulative = np.cumsum(self.envelope.ravel())
        blocks: list[TauPairPhi] = []
        missing = n_events
        while missing > 0:
            block = self._accepted_block(cumulative, rng)
            blocks.append(block)
            missing -= len(block)
        return _first_events(blocks, n_events)

    def _accepted_block(self, cumulative: FloatArray, rng: np.random.Generator) -> TauPairPhi:
        """Try one block of points and return those accepted."""
        size = self.settings.block_size
        _, recoil_cells, pair_cells = self.envelope.shape
        radiated = self.radiated.sample(size, rng) if self.settings.isr else np.zeros(size)
        in_slice = np.searchsorted(self.slice_fraction, radiated, side="right")
        sqrt_s = self.sqrt_s_gev * np.sqrt(1.0 - radiated)
        last = (in_slice + 1) * recoil_cells * pair_cells - 1
        upper = cumulative[last]
        lower = np.concatenate([[0.0], cumulative])[last + 1 - recoil_cells * pair_cells]
        cell = np.searchsorted(cumulative, lower + (upper - lower) * rng.random(size), side="right")
        # Rounding may reach the first cell of the next slice.
        cell = np.minimum(cell, last)
        recoil_cell, pair_cell = np.divmod(cell % (recoil_cells * pair_cells), pair_cells)
        body = body_momenta(
            (recoil_cell + rng.random(size)) / recoil_cells,
            (pair_cell + rng.random(size)) / pair_cells,
            m_phi_gev=self.m_phi_gev,
            sqrt_s_gev=sqrt_s,
        )
        minus, plus, phi = orient(body, *_random_axes(size, rng))
        amplitudes = scalar_radiation_amplitudes(minus, plus, phi, sqrt_s_gev=sqrt_s)
        weight = body.density * helicity_weights(amplitudes).sum(axis=(0, 1)) / sqrt_s**2
        ratio = weight / (_ORIENTATION_BOUND * self.envelope.ravel()[cell])
        largest = float(ratio.max())
        if not largest <= 1.0:
            raise EnvelopeError(
                f"Signal at m_φ = {self.m_phi_gev} GeV: a weight exceeds its envelope by a factor {largest:.4f}; "
                "more envelope cells or a larger margin are needed."
            )
        accepted = rng.random(size) < ratio
        minus, plus = minus[accepted], plus[accepted]
        return TauPairPhi(
            minus,
            plus,
            phi[accepted],
            _photon(radiated[accepted], self.sqrt_s_gev, rng),
            spin_correlation_from_amplitudes(amplitudes[..., accepted], minus, plus),
        )


def _cell_maxima(m_phi_gev: float, sqrt_s_gev: float, settings: SignalGeneratorSettings) -> FloatArray:
    """Return the largest |M|² dΦ₃/(du dv)/s at corners, edge midpoints and centre of each cell."""
    half_u = np.linspace(0.0, 1.0, 2 * settings.recoil_cells + 1)
    half_v = np.linspace(0.0, 1.0, 2 * settings.pair_cells + 1)
    u, v = (grid.ravel() for grid in np.meshgrid(half_u, half_v, indexing="ij"))
    body = body_momenta(u, v, m_phi_gev=m_phi_gev, sqrt_s_gev=sqrt_s_gev)
    averaged = body.density * orientation_averaged_weights(body, sqrt_s_gev=sqrt_s_gev) / sqrt_s_gev**2
    scan = averaged.reshape(len(half_u), len(half_v))
    maxima: FloatArray = np.lib.stride_tricks.sliding_window_view(scan, (3, 3))[::2, ::2].max(axis=(2, 3))
    return maxima


def _proposed_spectrum(
    starts: FloatArray,
    integrals: FloatArray,
    fraction_max: float,
    sqrt_s_gev: float,
    settings: SignalGeneratorSettings,
) -> RadiationSpectrum:
    """Return the distribution of the radiated fraction: radiator times the integral of the envelope of its slice."""
    s = sqrt_s_gev**2
    beta, soft = radiator_exponent(s), soft_virtual_factor(s)
    low = min(settings.radiated_fraction_min, 0.5 * fraction_max)
    inner = starts[(starts > low) & (starts < fraction_max)]
    nodes = np.union1d(np.linspace(np.log(low), np.log(fraction_max), settings.spectrum_points), np.log(inner))
    middle = np.exp(0.5 * (nodes[1:] + nodes[:-1]))
    # dv = v d ln v
    radiator = soft * beta * middle**beta + middle * hard_radiation(middle, s)
    height = integrals[np.searchsorted(starts, middle, side="right")]
    # Softer photons than the first node: the radiator's non-singular part is −β in the limit.
    softest = (soft * low**beta - beta * low) * integrals[0]
    cumulative = softest + np.concatenate([[0.0], np.cumsum(radiator * height * np.diff(nodes))])
    return RadiationSpectrum(nodes, cumulative / cumulative[-1], float(cumulative[-1] / integrals[0]))


def _photon(radiated: FloatArray, sqrt_s_gev: float, rng: np.random.Generator) -> FloatArray:
    """Return photons (E, px, py, pz) that carry fractions of s, around the beams, shape (n, 4)."""
    cosine = sample_photon_cosine(radiated, sqrt_s_gev**2, ELECTRON_MASS_GEV, rng)
    azimuth = rng.uniform(-np.pi, np.pi, len(radiated))
    transverse = np.sqrt(1.0 - cosine**2)
    energy = 0.5 * sqrt_s_gev * radiated
    return np.column_stack(
        [energy, energy * transverse * np.cos(azimuth), energy * transverse * np.sin(azimuth), energy * cosine]
    )


def _random_axes(size: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the x and z axes of uniformly random orientations, each of shape (size, 3)."""
    cosine = rng.uniform(-1.0, 1.0, size)
    sine = np.sqrt(1.0 - cosine**2)
    azimuth, roll = rng.uniform(0.0, 2.0 * np.pi, (2, size))
    cos_azimuth, sin_azimuth = np.cos(azimuth), np.sin(azimuth)
    cos_roll, sin_roll = np.cos(roll), np.sin(roll)
    z_axis = np.column_stack([sine * cos_azimuth, sine * sin_azimuth, cosine])
    x_axis = np.column_stack(
        [
            cos_roll * cosine * cos_azimuth - sin_roll * sin_azimuth,
            cos_roll * cosine * sin_azimuth + sin_roll * cos_azimuth,
            -cos_roll * sine,
        ]
    )
    return x_axis, z_axis


def _first_events(blocks: list[TauPairPhi], n_events: int) -> TauPairPhi:
    if not blocks:
        momenta = np.empty((0, 4))
        return TauPairPhi(momenta, momenta, momenta, momenta, np.empty((0, 4, 4)))
    columns = {
        column.name: np.concatenate([getattr(block, column.name) for block in blocks])[:n_events]
        for column in fields(TauPairPhi)
    }
    return TauPairPhi(**columns)
