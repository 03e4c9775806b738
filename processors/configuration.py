"""Configuration of selection, candidates and features; every default is the published choice.

Source of the numbers marked †: Belle Collaboration, arXiv:2207.07476.
"""

from __future__ import annotations

import math
from typing import Final, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator

from models.search import Search
from models.settings import Settings

DEFAULT_SET: Final = "default"
"""Name that stands for the set of corrections that comes with the software."""


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


class CandidateSettings(Settings):
    """Everything that decides which candidates an ntuple yields and what is known about them."""

    tracks: TrackSettings = TrackSettings()
    identification: IdentificationSettings = IdentificationSettings()
    missing_momentum: MissingMomentumSettings = MissingMomentumSettings()
    features: FeatureSettings = FeatureSettings()
    corrections: tuple[str, ...] = Field((DEFAULT_SET,), min_length=1)
    """Files of data/MC corrections: correctionlib sets, JSON or gzipped, relative to where the command runs. `default`
    is the set that comes with the software. Of corrections by the same name, that of the last file counts."""
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


class NtupleWriterSettings(Settings):
    """How ntuples are laid out on disk."""

    format: Literal["ttree", "rntuple"] = "ttree"
    """A TTree opens everywhere; ROOT's RNTuple, which follows it, needs ROOT 6.34 or uproot 5.7."""
    events_per_cluster: PositiveInt = 20_000
    """Events in each basket of every branch: the smallest piece a worker can read without reading twice."""
    compression: Literal["LZ4", "ZSTD", "ZLIB", "LZMA"] = "ZSTD"
    """Compression algorithm.

    Of τ pairs, ZSTD made files 16 % smaller than LZ4 and was read at 1 million events/s and core, LZ4 at 2 million:
    both ten times faster than events are selected. ZLIB saved another 6 % and halved the speed.
    """
    compression_level: PositiveInt = 1
    """Its level; higher ones cost time and gained 1 %."""
    expected_clusters: PositiveInt = 16
    """Clusters for which a file reserves room in its table of contents; with more, the table is written again."""
