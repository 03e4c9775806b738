"""Beam electrons that scatter and collide two photons: the equivalent-photon approximation.

The flux is that of V. M. Budnev et al., Phys. Rept. 15, 181 (1975), eq. 6.17b, differential in the photon's energy
fraction x and virtuality Q²; both photons count as transverse and independent. What they make is given by the
cross-section σ(γγ → X) at their true invariant mass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from models.constants import ALPHA_EM, ELECTRON_MASS_GEV
from models.kinematics import mass_of
from simulation.configuration import EquivalentPhotonSettings

FloatArray = NDArray[np.float64]
_DIMENSIONS: Final = 5


class ScatteredBeams(NamedTuple):
    """Scattered beam particles in the c.m. frame, the electron beam along +z; four-momenta in GeV, shape (n, 4)."""

    electron: FloatArray
    positron: FloatArray
    electron_photon: FloatArray
    """Photon from the electron."""
    positron_photon: FloatArray
    """Photon from the positron."""

    @property
    def mass_gev(self) -> FloatArray:
        """Invariant mass of the two photons, zero where they are space-like, shape (n,)."""
        total = self.electron_photon + self.positron_photon
        mass2 = total[:, 3] ** 2 - np.sum(total[:, :3] ** 2, axis=1)
        return np.where(mass2 > 0.0, mass_of(total), 0.0)

    @property
    def smaller_angle_rad(self) -> FloatArray:
        """Smaller one of the angles that the two beam particles are scattered by, shape (n,)."""
        angles = [
            np.arctan2(np.hypot(beam[:, 0], beam[:, 1]), direction * beam[:, 2])
            for beam, direction in ((self.electron, 1.0), (self.positron, -1.0))
        ]
        return np.minimum(*angles)


class ScatteringPoints(NamedTuple):
    """Scattered beams for points of the unit hypercube, with the density of the flux there."""

    beams: ScatteredBeams
    flux: FloatArray
    """Of both photons per unit of the hypercube, shape (n,)."""
    virtuality_gev2: tuple[FloatArray, FloatArray]
    phase_space_gev4: FloatArray
    """d³p/((2π)³2E) of both beam particles per unit of the hypercube, shape (n,)."""


@dataclass(frozen=True)
class TwoPhotonProcess:
    """e⁺e⁻ → e⁺e⁻X through γγ → X."""

    sqrt_s_gev: float
    mass_min_gev: float
    """Smallest mass of X."""
    cross_section_fb: Callable[[FloatArray], FloatArray]
    """σ(γγ → X) as a function of the mass of X in GeV."""
    settings: EquivalentPhotonSettings
    scattering_angle_min_rad: float = 0.0
    """Smallest angle that each beam particle is scattered by."""
    both_angles_max_rad: float | None = None
    """Events in which both beam particles are scattered by more than this are left out; None keeps all."""
    vector_meson_mass_gev: float | None = None
    """Mass of the pole form factor 1/(1 + Q²/m²)² for each photon that turns into hadrons; None for a bare photon."""

    def integrated_cross_section_fb(self) -> float:
        """Return the cross-section of e⁺e⁻ → e⁺e⁻X in fb, from a fixed low-discrepancy set of points."""
        cube = qmc.Sobol(_DIMENSIONS, scramble=False).random_base2(self.settings.log2_integration_points)
        # The first point of the sequence is a corner, where the flux is not defined.
        return float(np.mean(self._density(self.points(cube[1:]))))

    def sample(self, n: int, rng: np.random.Generator) -> ScatteredBeams:
        """Return `n` unweighted scatterings, by rejection from logarithmic distributions of x and Q²."""
        bound = self._density_bound()
        accepted: list[ScatteredBeams] = []
        missing = n
        while missing > 0:
            point = self.points(rng.uniform(size=(self.settings.trials, _DIMENSIONS)))
            keep = rng.uniform(0.0, bound, self.settings.trials) < self._density(point)
            accepted.append(ScatteredBeams(*(column[keep] for column in point.beams)))
            missing -= int(np.count_nonzero(keep))
        return ScatteredBeams(*(np.concatenate(columns)[:n] for columns in zip(*accepted, strict=True)))

    def _log_fraction_range(self) -> float:
        """Return ln(x_max/x_min): less than x_min cannot make the smallest mass."""
        return float(np.log(self.settings.fraction_max * self.sqrt_s_gev**2 / self.mass_min_gev**2))

    def points(self, cube: FloatArray) -> ScatteringPoints:
        """Return the scatterings at points of the unit hypercube, shape (n, 5): two x, two Q², one azimuth."""
        azimuth = np.pi * (2.0 * cube[:, 4] - 1.0)
        electron, electron_flux, electron_q2, electron_space = self._scatter(
            cube[:, 0], cube[:, 2], np.zeros_like(azimuth), 1.0
        )
        positron, positron_flux, positron_q2, positron_space = self._scatter(cube[:, 1], cube[:, 3], azimuth, -1.0)
        energy = 0.5 * self.sqrt_s_gev
        along = np.sqrt(energy**2 - ELECTRON_MASS_GEV**2)
        beams = ScatteredBeams(
            electron,
            positron,
            np.array([0.0, 0.0, along, energy]) - electron,
            np.array([0.0, 0.0, -along, energy]) - positron,
        )
        return ScatteringPoints(
            beams, electron_flux * positron_flux, (electron_q2, positron_q2), electron_space * positron_space
        )

    def _scatter(
        self, x_cube: FloatArray, q2_cube: FloatArray, azimuth: FloatArray, direction: float
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return scattered four-momenta (n, 4), flux in the logarithms of x and Q², Q² in GeV² and phase space (n,)."""
        beam_energy = 0.5 * self.sqrt_s_gev
        log_range = self._log_fraction_range()
        x = self.settings.fraction_max * np.exp(-log_range * x_cube)
        energy = beam_energy * (1.0 - x)
        lowest = ELECTRON_MASS_GEV**2 * x**2 / (1.0 - x)
        widest = 4.0 * beam_energy * energy
        lower = lowest + widest * np.sin(0.5 * self.scattering_angle_min_rad) ** 2
        log_q2_range = np.log((lowest + widest) / lower)
        q2 = lower * np.exp(log_q2_range * q2_cube)
        flux = ALPHA_EM / (2.0 * np.pi) * (1.0 + (1.0 - x) ** 2 - 2.0 * (1.0 - x) * lowest / q2)

        half_sine2 = np.clip((q2 - lowest) / widest, 0.0, 1.0)
        sine = 2.0 * np.sqrt(half_sine2 * (1.0 - half_sine2))
        momentum = np.sqrt(energy**2 - ELECTRON_MASS_GEV**2)
        scattered = np.column_stack(
            [
                momentum * sine * np.cos(azimuth),
                momentum * sine * np.sin(azimuth),
                direction * momentum * (1.0 - 2.0 * half_sine2),
                energy,
            ]
        )
        # dE = E_beam x dln x and dcos θ = 2 dQ²/widest, all azimuths
        element = beam_energy * x * log_range * 2.0 * q2 * log_q2_range / widest
        phase_space = 0.5 * momentum * element / (2.0 * np.pi) ** 2
        return scattered, flux * log_range * log_q2_range, q2, phase_space

    def _density(self, point: ScatteringPoints) -> FloatArray:
        """Return the cross-section per unit of the hypercube in fb, shape (n,)."""
        mass = point.beams.mass_gev
        allowed = mass > self.mass_min_gev
        if self.both_angles_max_rad is not None:
            allowed &= point.beams.smaller_angle_rad < self.both_angles_max_rad
        density = np.zeros(len(mass))
        density[allowed] = point.flux[allowed] * self.cross_section_fb(mass[allowed])
        if self.vector_meson_mass_gev is not None:
            for q2 in point.virtuality_gev2:
                density /= (1.0 + q2 / self.vector_meson_mass_gev**2) ** 2
        return density

    def _density_bound(self) -> float:
        """Return a number that no density exceeds: the softest photons' flux times the largest cross-section."""
        corner = self.points(np.array([[1.0, 1.0, 1.0, 1.0, 0.5]]))
        masses = np.geomspace(self.mass_min_gev, self.sqrt_s_gev, self.settings.bound_points)
        return float(corner.flux[0] * self.settings.bound_margin * np.max(self.cross_section_fb(masses)))
