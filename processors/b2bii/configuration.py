"""Configuration of the conversion of B2BII files."""

from __future__ import annotations

import math

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from models.settings import Settings


class BeamEnergies(Settings):
    """Energies of the colliding beams."""

    electron_gev: PositiveFloat = 8.0
    """Energy of the electrons, which fly to +z at the crossing angle (KEKB)."""
    positron_gev: PositiveFloat = 3.5
    """Energy of the positrons, which fly to −z (KEKB)."""


class ConversionSettings(Settings):
    """How files are read and what stands in for numbers that they lack."""

    chunk_events: PositiveInt = 20_000
    """Events in memory at a time; about 3 kB each."""
    field_tesla: PositiveFloat = 1.5
    """Field of Belle's solenoid, which B2BII sets, tesla."""
    momentum_tolerance: PositiveFloat = 1e-3
    """Largest distance of a track's momentum to that of its helix, over the momentum. Single precision makes 1e-6; a
    wrong unit, sign or field is far beyond."""
    distance_tolerance_cm: PositiveFloat = 0.02
    """Difference of `dr` and `dz` to the distances of the helix to the interaction point that is not worth mentioning,
    cm. basf2 takes the point closest to the z axis, which is not quite the one closest to the interaction point."""
    cm_energy_tolerance: PositiveFloat = 1e-3
    """Relative difference of `Ecms` to what the beams in the file make that is not worth mentioning."""
    crossing_angle_rad: NonNegativeFloat = Field(default=0.022, lt=math.pi / 2)
    """Angle of the electron beam to +z in the x–z plane (KEKB), where the file has no beam momentum."""
    beam_energies: BeamEnergies = BeamEnergies()
    """Of experiments that `beam_energies_of_experiment` lacks, where the file has no beam energies. With `Ecms` in the
    file both are scaled to it."""
    beam_energies_of_experiment: dict[int, BeamEnergies] = Field(default={})
    """The same by experiment number."""
    ip_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Interaction point where the file has none."""
    ip_mm_of_experiment: dict[int, tuple[float, float, float]] = Field(default={})
    """The same by experiment number."""
    missing_likelihood_ratio: float = Field(default=0.5, ge=0.0, le=1.0)
    """Ratio of a track without identification, for which basf2 gives NaN: neither hypothesis is preferred."""
