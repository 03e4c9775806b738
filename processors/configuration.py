"""Configuration of selection, candidates, features and corrections; every default is the published choice.

Source of the numbers marked †: Belle Collaboration, arXiv:2207.07476.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator, model_validator

from models.search import Channel, Search
from models.settings import Settings


class TrackSettings(Settings):
    """What makes a track good, and how many an event has."""

    max_dr_mm: PositiveFloat = 10.0
    """† Largest transverse distance to the interaction point, mm."""
    max_dr_displaced_mm: PositiveFloat = 50.0
    """† The same for the search below 0.1 GeV, where φ flies, mm."""
    max_abs_dz_mm: PositiveFloat = 50.0
    """† Largest distance to the interaction point along the beam, mm."""
    min_theta_deg: float = Field(17.0, ge=0.0, le=180.0)
    """† Smallest polar angle in the laboratory, degrees: the edge of the drift chamber."""
    max_theta_deg: float = Field(150.0, ge=0.0, le=180.0)
    """† Largest polar angle in the laboratory, degrees."""

    def max_dr_of(self, search: Search) -> float:
        """Return the transverse-distance requirement of a search in mm.

        >>> TrackSettings().max_dr_of(Search.EE_DISPLACED)
        50.0
        """
        return self.max_dr_displaced_mm if search is Search.EE_DISPLACED else self.max_dr_mm


class IdentificationSettings(Settings):
    """When a track counts as an electron or a muon."""

    min_electron_likelihood: float = Field(0.9, ge=0.0, le=1.0)
    """Smallest electron likelihood ratio; Belle's usual tight requirement."""
    min_muon_likelihood: float = Field(0.9, ge=0.0, le=1.0)
    """Smallest muon likelihood ratio; Belle's usual tight requirement."""


class MissingMomentumSettings(Settings):
    """What the neutrinos of two τ decays leave unseen."""

    min_mass_gev: float = 2.0
    """† Lower edge of the missing-mass window, GeV."""
    max_mass_gev: float = 6.0
    """† Upper edge of the missing-mass window, GeV."""
    min_theta_cm_deg: float = Field(30.0, ge=0.0, le=180.0)
    """† Smallest polar angle of the missing momentum in the c.m. frame, degrees from the e⁻ beam."""
    max_theta_cm_deg: float = Field(150.0, ge=0.0, le=180.0)
    """† Largest polar angle of the missing momentum in the c.m. frame, degrees from the e⁻ beam."""


class FeatureSettings(Settings):
    """Choices inside the classifier's inputs."""

    min_photon_energy_gev: NonNegativeFloat = 0.0
    """Smallest laboratory energy of a photon that counts anywhere, GeV; zero takes every neutral, as published."""
    pi0_mass_window_gev: tuple[PositiveFloat, PositiveFloat] = (0.115, 0.152)
    """Two-photon mass that a π⁰ candidate must have, GeV: about ±3 standard deviations of Belle's resolution."""
    min_pi0_photon_energy_gev: NonNegativeFloat = 0.05
    """Smallest laboratory energy of a π⁰'s photons, GeV; below it beam background dominates."""
    no_photon_mass_gev: float = -1.0
    """Value of the candidate–photon mass in events without a photon, GeV; outside the physical range on purpose."""


class VertexFitSettings(Settings):
    """When a fit has converged, and when two tracks do not define a vertex."""

    max_iterations: PositiveInt = 200
    """Steps after which a fit is given up."""
    tolerance: PositiveFloat = 1e-10
    """Expected gain in χ², relative to 1 + χ², below which a fit has converged: good to 1e-5 of the errors."""
    max_sigma_mm: PositiveFloat = 1000.0
    """Error of the position, about the size of the tracking detector, beyond which two tracks count as parallel."""
    ambiguous_chi2: NonNegativeFloat = 9.0
    """Gain in χ² that it takes to prefer the farther of two crossings of the tracks to the nearer one."""


class CorrectionTable(Settings):
    """Data/MC ratio of an identification probability in bins of momentum and polar angle.

    Values outside the edges take the outermost bin.
    """

    momentum_edges_gev: tuple[NonNegativeFloat, ...]
    """Increasing edges in laboratory momentum, GeV."""
    theta_edges_deg: tuple[float, ...]
    """Increasing edges in laboratory polar angle, degrees."""
    correction: tuple[tuple[NonNegativeFloat, ...], ...]
    """Data/MC ratio, one row per momentum bin."""
    uncertainty: tuple[tuple[NonNegativeFloat, ...], ...]
    """One standard deviation of it, absolute, in the same bins."""

    @field_validator("momentum_edges_gev", "theta_edges_deg")
    @classmethod
    def _increasing(cls, edges: tuple[float, ...]) -> tuple[float, ...]:
        if len(edges) < 2 or any(low >= high for low, high in pairwise(edges)):
            raise ValueError("edges must increase and enclose at least one bin")
        return edges

    @model_validator(mode="after")
    def _shapes_agree(self) -> CorrectionTable:
        shape = (len(self.momentum_edges_gev) - 1, len(self.theta_edges_deg) - 1)
        for name in ("correction", "uncertainty"):
            rows: tuple[tuple[float, ...], ...] = getattr(self, name)
            if len(rows) != shape[0] or any(len(row) != shape[1] for row in rows):
                raise ValueError(f"{name} must have {shape[0]} rows of {shape[1]} numbers, as the edges say")
        return self

    def look_up(
        self, momentum_gev: NDArray[np.float64], theta_rad: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return corrections and their uncertainties for tracks of any shape."""
        row = _bin_index(momentum_gev, self.momentum_edges_gev)
        column = _bin_index(np.rad2deg(theta_rad), self.theta_edges_deg)
        return np.asarray(self.correction)[row, column], np.asarray(self.uncertainty)[row, column]


def _bin_index(values: NDArray[np.float64], edges: tuple[float, ...]) -> NDArray[np.intp]:
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)


def _uniform_correction(barrel: float, elsewhere: float) -> CorrectionTable:
    """Return a correction of 1 with uncertainties that grow below 1 GeV and outside the barrel."""
    slow_factor = 2.0
    high = (elsewhere, barrel, elsewhere)
    return CorrectionTable(
        momentum_edges_gev=(0.0, 1.0, 10.0),
        theta_edges_deg=(17.0, 32.2, 128.7, 150.0),
        correction=((1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
        uncertainty=(tuple(slow_factor * value for value in high), high),
    )


class CorrectionSettings(Settings):
    """Data/MC corrections and their uncertainties.

    Corrections are 1 until control samples say otherwise. The uncertainties have the size that Belle analyses
    quote from e⁺e⁻→e⁺e⁻ℓ⁺ℓ⁻ control samples (about 1–2 % per lepton) and from K_S→π⁺π⁻ and D*-tagged
    samples for misidentification (10–20 %).
    """

    electron_efficiency: CorrectionTable = _uniform_correction(0.010, 0.020)
    """True electrons that pass the electron requirement."""
    electron_misidentification: CorrectionTable = _uniform_correction(0.10, 0.20)
    """Anything else that passes it."""
    muon_efficiency: CorrectionTable = _uniform_correction(0.012, 0.020)
    """True muons that pass the muon requirement."""
    muon_misidentification: CorrectionTable = _uniform_correction(0.10, 0.20)
    """Anything else that passes it."""
    tracking_uncertainty_per_track: NonNegativeFloat = 0.0035
    """† Relative uncertainty of the tracking efficiency, the same for all tracks of an event."""
    momentum_scale_uncertainty: NonNegativeFloat = Field(0.001, lt=1.0)
    """Relative uncertainty of track momenta, moved up and down together."""

    def efficiency_of(self, channel: Channel) -> CorrectionTable:
        """Return the table for true leptons of a channel."""
        return self.electron_efficiency if channel is Channel.EE else self.muon_efficiency

    def misidentification_of(self, channel: Channel) -> CorrectionTable:
        """Return the table for tracks that are not leptons of a channel but pass as such."""
        return self.electron_misidentification if channel is Channel.EE else self.muon_misidentification


class CandidateSettings(Settings):
    """Everything that decides which candidates an ntuple yields and what is known about them."""

    tracks: TrackSettings = TrackSettings()
    identification: IdentificationSettings = IdentificationSettings()
    missing_momentum: MissingMomentumSettings = MissingMomentumSettings()
    features: FeatureSettings = FeatureSettings()
    corrections: CorrectionSettings = CorrectionSettings()
    vertex_fit: VertexFitSettings = VertexFitSettings()
    field_tesla: PositiveFloat = 1.5
    """Field of Belle's solenoid along +z, tesla."""
    positron_direction: tuple[float, float, float] = (0.0, 0.0, -1.0)
    """Flight direction of the e⁺ beam in the laboratory; c.m. polar angles count from its opposite there."""

    @field_validator("positron_direction")
    @classmethod
    def _unit_length(cls, direction: tuple[float, float, float]) -> tuple[float, float, float]:
        if not math.isclose(math.hypot(*direction), 1.0, rel_tol=1e-6):
            raise ValueError("must have length one")
        return direction
