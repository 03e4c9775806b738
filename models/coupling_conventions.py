"""Conventions of limits on the coupling ξ: what goes into them besides the cross-section limit."""

from enum import StrEnum

from pydantic import Field

from models.settings import Settings


class CouplingConvention(Settings):
    """What goes into a limit on ξ besides the cross-section limit."""

    include_photons: bool
    """Whether φ → γγ is in the total width, for the branching fraction and for cτ."""
    prompt_from_gev: float | None
    """From this mass on φ is taken to decay promptly; None: the lifetime counts wherever it is known to matter."""
    isr: bool = True
    """Whether the theory cross-section includes initial-state radiation."""
    vacuum_polarisation: bool = True
    """Whether the theory cross-section includes vacuum polarisation."""
    logarithmic: bool = False
    """Whether limits are interpolated in the logarithms of cτ and cross-section, or in themselves."""
    longest_extrapolation: float = Field(default=2.0, ge=1.0)
    """Fixed points up to this multiple of the longest decay length given are accepted and marked as extrapolated."""
    tolerance: float = Field(default=1e-10, gt=1e-14)
    """Relative accuracy of cτ at the fixed point."""


PUBLISHED = CouplingConvention(include_photons=False, prompt_from_gev=0.1)
"""arXiv:2207.07476: the lifetime counts below 0.1 GeV, φ → γγ is neglected."""
LIFETIME_AWARE = CouplingConvention(include_photons=True, prompt_from_gev=None, logarithmic=True)
"""The lifetime counts in the whole ee channel and φ → γγ in the width: weaker, and what the model predicts."""


class ConventionName(StrEnum):
    """The two conventions by name; a scan computes both."""

    PUBLISHED = "published"
    LIFETIME_AWARE = "lifetime_aware"

    @property
    def convention(self) -> CouplingConvention:
        """What the name stands for."""
        return PUBLISHED if self is ConventionName.PUBLISHED else LIFETIME_AWARE
