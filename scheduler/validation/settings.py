"""How thoroughly a run is validated."""

from typing import Annotated

from pydantic import Field, PositiveInt

from models.settings import Settings


class ValidationSettings(Settings):
    """Numbers of pseudo-experiments and of mass points of the checks; none of them changes a result."""

    scale_factor_toys: PositiveInt = 200
    """Pseudo-experiments of the control regions."""
    goodness_toys: PositiveInt = 100
    """Toys of each mass point's goodness of fit at first."""
    maximum_goodness_toys: PositiveInt = 6_000
    """Toys with which a small probability is followed: enough to call one of 262 unlikely."""
    injection_masses: PositiveInt = 6
    """Mass points of each channel at which signal is injected, spread over it."""
    injected_strengths: tuple[Annotated[float, Field(ge=0)], ...] = Field(default=(0.0, 1.0, 2.0, 4.0), min_length=2)
    """Injected cross-sections in units of the uncertainty without signal."""
    injection_toys: PositiveInt = 500
    """Toys of each."""
    look_elsewhere_toys: PositiveInt = 500
    """Background-only toys of the whole mass spectrum."""
