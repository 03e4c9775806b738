"""Unweighted e⁺e⁻ → τ⁺τ⁻φ events from the tree-level helicity amplitudes.

An envelope over the two variables that fix an event's shape, taken from the orientation-averaged |M|² on a grid, is
sampled first; the orientation is uniform, and because the electron tensor is quadratic in the beam direction no
orientation exceeds 3/2 of the average. Accept–reject with the full |M|² makes events exact, and the τ helicities are
drawn from |M|² of each configuration. Initial-state radiation is not simulated here: events have the full √s.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.errors import LeptophileError
from models.settings import Settings
from models.theory.born import orientation_averaged_weights
from models.theory.configuration import CollisionSettings
from models.theory.cross_section import check_mass
from models.theory.matrix_element import helicity_weights, scalar_radiation_amplitudes
from models.theory.phase_space import body_momenta, orient
from models.theory.tau_pair import HELICITIES

_ORIENTATION_BOUND: Final = 1.5
"""Largest |M|² over its average over orientations for photon exchange: tr H − n·H·n ≤ tr H for positive H."""


class EnvelopeError(LeptophileError):
    """An event's weight exceeded the envelope it was drawn from, so that accepted events would be biased."""


class SignalGeneratorSettings(Settings):
    """How signal events are generated."""

    sqrt_s_gev: float = Field(default=CollisionSettings().sqrt_s_gev, gt=3.6)
    """Centre-of-mass energy in GeV, by default that of the cross-section table."""
    recoil_cells: int = Field(default=64, ge=4)
    """Cells of the envelope in the energy of φ."""
    pair_cells: int = Field(default=24, ge=4)
    """Cells of the envelope in the τ⁻ angle in the τ⁺τ⁻ rest frame."""
    margin: float = Field(default=0.04, ge=0.0)
    """Relative margin of the envelope: curvature inside a cell and the γ–Z interference, each below 2 %."""
    block_size: int = Field(default=8192, ge=1)
    """Trials evaluated together; chosen to stay in the processor's cache. Part of what a seed reproduces."""


@dataclass(frozen=True)
class TauPairPhi:
    """e⁺e⁻ → τ⁺τ⁻φ events in the centre-of-mass frame, electron along +z; momenta are (E, px, py, pz) in GeV."""

    p_tau_minus: NDArray[np.float64]
    """Shape (N, 4)."""
    p_tau_plus: NDArray[np.float64]
    p_phi: NDArray[np.float64]
    helicity_tau_minus: NDArray[np.int8]
    """Twice the helicity in the centre-of-mass frame, −1 or +1, shape (N,)."""
    helicity_tau_plus: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.p_phi)


@dataclass(frozen=True)
class SignalGenerator:
    """A prepared generator for one φ mass; pickles, and holds no random state."""

    m_phi_gev: float
    settings: SignalGeneratorSettings
    envelope: NDArray[np.float64]
    """Upper bound of |M|² dΦ₃/(du dv) in each cell, averaged over orientations, shape (recoil_cells, pair_cells)."""

    @staticmethod
    def prepare(m_phi_gev: float, settings: SignalGeneratorSettings | None = None) -> SignalGenerator:
        """Scan |M|² over the corners and centres of the envelope's cells.

        Parameters
        ----------
        m_phi_gev
            Mass of φ.
        settings
            Envelope and collision energy.

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
        >>> events = SignalGenerator.prepare(1.0).generate(1000, np.random.default_rng(1))
        >>> bool(np.allclose((events.p_tau_minus + events.p_tau_plus + events.p_phi)[:, 0], 10.58))
        True
        """
        chosen = settings or SignalGeneratorSettings()
        mass = float(check_mass(m_phi_gev))
        # Corners, edge midpoints and centres of all cells lie on one grid of half the spacing.
        half_u = np.linspace(0.0, 1.0, 2 * chosen.recoil_cells + 1)
        half_v = np.linspace(0.0, 1.0, 2 * chosen.pair_cells + 1)
        u, v = (grid.ravel() for grid in np.meshgrid(half_u, half_v, indexing="ij"))
        body = body_momenta(u, v, m_phi_gev=mass, sqrt_s_gev=chosen.sqrt_s_gev)
        averaged = body.density * orientation_averaged_weights(body, sqrt_s_gev=chosen.sqrt_s_gev)
        scan = averaged.reshape(len(half_u), len(half_v))
        windows = np.lib.stride_tricks.sliding_window_view(scan, (3, 3))[::2, ::2]
        return SignalGenerator(mass, chosen, windows.max(axis=(2, 3)) * (1.0 + chosen.margin))

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
            In the centre-of-mass frame, electron along +z.

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

    def _accepted_block(self, cumulative: NDArray[np.float64], rng: np.random.Generator) -> TauPairPhi:
        """Try one block of points and return those accepted."""
        size, sqrt_s = self.settings.block_size, self.settings.sqrt_s_gev
        recoil_cells, pair_cells = self.envelope.shape
        cell = np.searchsorted(cumulative, cumulative[-1] * rng.random(size), side="right")
        recoil_cell, pair_cell = np.divmod(cell, pair_cells)
        body = body_momenta(
            (recoil_cell + rng.random(size)) / recoil_cells,
            (pair_cell + rng.random(size)) / pair_cells,
            m_phi_gev=self.m_phi_gev,
            sqrt_s_gev=sqrt_s,
        )
        minus, plus, phi = orient(body, *_random_axes(size, rng))
        by_helicity = helicity_weights(scalar_radiation_amplitudes(minus, plus, phi, sqrt_s_gev=sqrt_s)).reshape(
            4, size
        )
        summed = np.cumsum(by_helicity, axis=0)
        ratio = body.density * summed[-1] / (_ORIENTATION_BOUND * self.envelope.ravel()[cell])
        largest = float(ratio.max())
        if not largest <= 1.0:
            raise EnvelopeError(
                f"Signal at m_φ = {self.m_phi_gev} GeV: a weight exceeds its envelope by a factor {largest:.4f}; "
                "more envelope cells or a larger margin are needed."
            )
        accepted = rng.random(size) < ratio
        summed = summed[:, accepted]
        configuration = np.sum(rng.random(summed.shape[1]) * summed[-1] >= summed[:-1], axis=0)
        helicities = np.asarray(HELICITIES, dtype=np.int8)
        return TauPairPhi(
            minus[accepted],
            plus[accepted],
            phi[accepted],
            helicities[configuration // 2],
            helicities[configuration % 2],
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
        momenta, helicities = np.empty((0, 4)), np.empty(0, dtype=np.int8)
        return TauPairPhi(momenta, momenta, momenta, helicities, helicities)
    columns = {
        column.name: np.concatenate([getattr(block, column.name) for block in blocks])[:n_events]
        for column in fields(TauPairPhi)
    }
    return TauPairPhi(**columns)
