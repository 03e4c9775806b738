"""Configuration of the templates that mass points are fitted with."""

from pydantic import Field

from models.search import Channel
from models.settings import Settings


class TemplateSettings(Settings):
    """How histograms become templates."""

    minimum_effective_events: float = Field(default=9.0, ge=0)
    """A bin whose simulated background has fewer effective events takes the density of a wider interval around it,
    as far as its own count agrees; nine of them know their mean to a third. Zero takes every bin as it is."""
    uniform_rate_ee_per_fb_gev: float | None = Field(default=None, ge=0)
    """Events per fb⁻¹ and GeV of the uniform component in `ee`, for processes that the simulation lacks.

    Without a value it is one event in the whole mass window at the analysed luminosity: the least that a search can
    see, and the honest scale of what a simulation of every known process could have missed.
    """
    uniform_rate_mumu_per_fb_gev: float | None = Field(default=None, ge=0)
    """The same in `mumu`."""

    def uniform_rate_per_fb_gev(self, channel: Channel) -> float | None:
        """Return the configured rate of a channel."""
        return self.uniform_rate_ee_per_fb_gev if channel is Channel.EE else self.uniform_rate_mumu_per_fb_gev
