"""What the report shows."""

from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveFloat, field_validator

from models.settings import Settings


class PublishedOverlay(Settings):
    """A further published limit drawn on the exclusion figure."""

    path: Path
    """CSV file with the columns m_phi_gev and xi_ul; a relative path is taken from where the command runs."""
    label: str
    """Name in the legend."""
    source: str
    """Where it was published."""


class ReportSettings(Settings):
    """Choices of the report; none of them changes a result."""

    published_limits: tuple[PublishedOverlay, ...] = ()
    """Limits overlaid beside those of the analysis reproduced."""
    ee_fit_masses_gev: tuple[float, ...] = (0.05, 0.10, 0.16)
    """Scan masses of the ee channel whose fits are drawn."""
    mumu_fit_masses_gev: tuple[float, ...] = (0.5, 2.0, 5.0)
    """Scan masses of the mumu channel whose fits are drawn."""
    fit_view_half_width_sigma: float = Field(default=25.0, gt=0)
    """Half-width of the mass range that fit figures show, in units of the resolution σ(m_φ)."""
    signal_ctau_mm: tuple[PositiveFloat, ...] = (10.0, 50.0, 100.0)
    """Lifetimes of φ beside prompt that the figure of the signal against mass shows, where they are modelled."""
    maximum_spectrum_bins: int = Field(default=100, ge=10)
    """Spectra of whole regions merge neighbouring display bins until there are no more than this."""
    projection_luminosity_fb: float = Field(default=626.0, gt=0)
    """Luminosity [fb⁻¹] to which expected limits are projected for the comparison with the published ones."""
    formats: tuple[Literal["png", "pdf"], ...] = ("png", "pdf")
    """File formats of every figure; PNG is what the page shows."""
    png_dots_per_inch: int = Field(default=130, ge=50)
    """Resolution of PNG figures."""

    @field_validator("formats")
    @classmethod
    def _page_has_its_figures(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        if "png" not in formats:
            raise ValueError("must include png, which the page shows")
        return formats
