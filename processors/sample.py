"""What one ntuple file says about itself: process, cross-section, generated events and their weights."""

from __future__ import annotations

from typing import Self

import uproot
from pydantic import Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from models.errors import BadInputError
from models.lifetime import LifetimeMixture
from models.search import Channel, Process
from models.settings import Settings
from processors.locations import Location
from processors.ntuple import METADATA_KEY
from processors.root_files import open_root_file


class SampleMetadata(Settings):
    """The identity and normalisation of one ntuple file.

    Sums count every generated event, also those that a skim did not write, because Monte Carlo is
    normalised with σ·L / Σw. Files of one sample add up.
    """

    name: str = Field(min_length=1)
    """Sample name, e.g. `tautau` or `signal_ee_m0.100`."""
    process: Process
    """Physics process, which decides the component of histograms and fits it belongs to."""
    is_data: bool
    """True for real data and pseudo-data: weight 1 and no truth branches."""
    channel: Channel | None = None
    """Decay channel of φ; signal only."""
    m_phi_gev: PositiveFloat | None = None
    """φ mass; signal only."""
    ctau_mm: float | None = Field(default=None, ge=0.0)
    """φ proper decay length, 0 for prompt; signal of one lifetime only."""
    lifetimes: LifetimeMixture | None = None
    """Distribution of proper flight lengths of φ; signal of several lifetimes only."""
    cross_section_fb: PositiveFloat | None = None
    """Cross-section of what was generated, None for data and for signal that is normalised per fb."""
    cross_section_source: str = ""
    """Where the cross-section comes from."""
    n_generated: int = Field(ge=0)
    """Events generated for this file, before any skim."""
    sum_weights: float
    """Σw over them."""
    sum_weights2: float = Field(ge=0.0)
    """Σw² over them."""
    equivalent_luminosity_fb: float | None = Field(default=None, ge=0.0)
    """Effective number of events over the cross-section, in fb⁻¹; the recorded luminosity for data."""
    repeats: PositiveInt = 1
    """Most times that a generated event went through detector and selection. The event number over this, rounded down,
    is the number of the generated event: events that share it are not independent, and next to each other."""
    skim: str = ""
    """Which generated events were left out, as the settings of the skim in JSON; empty if none were."""
    seed: int | None = Field(default=None, ge=0)
    """Seed that reproduces the file; None for real data."""
    generator: str
    """Generator or converter and its version."""
    notes: tuple[str, ...] = ()
    """What a conversion put in place of numbers that its input lacked."""

    @model_validator(mode="after")
    def _fields_fit_the_process(self) -> Self:
        if self.is_data != (self.process is Process.DATA):
            raise ValueError(f"is_data is {self.is_data} but the process is '{self.process}'")
        signal_fields = (self.channel, self.m_phi_gev, self.ctau_mm, self.lifetimes)
        if self.process is Process.SIGNAL:
            if self.channel is None or self.m_phi_gev is None:
                raise ValueError("a signal sample needs channel and m_phi_gev")
            if (self.ctau_mm is None) == (self.lifetimes is None):
                raise ValueError("a signal sample needs either ctau_mm or lifetimes")
        elif any(field is not None for field in signal_fields):
            raise ValueError(f"channel, m_phi_gev, ctau_mm and lifetimes belong to signal, not to '{self.process}'")
        if self.is_data and self.cross_section_fb is not None:
            raise ValueError("data have no cross-section")
        if self.process.is_background and self.cross_section_fb is None:
            raise ValueError(f"a '{self.process}' sample needs cross_section_fb")
        return self

    @property
    def flight_lengths(self) -> LifetimeMixture:
        """Distribution of the proper flight lengths of a signal sample."""
        return self.lifetimes or LifetimeMixture.single(self.ctau_mm or 0.0)


def read_sample_metadata(path: Location) -> SampleMetadata:
    """Return the metadata that an ntuple file carries.

    Parameters
    ----------
    path
        The ROOT file, or its URL.

    Raises
    ------
    BadInputError
        If the file is missing, unreadable, or has no valid metadata; the message names file and key.
    """
    with open_root_file(path) as file:
        try:
            text = str(file[METADATA_KEY])
        except uproot.KeyInFileError as error:
            raise BadInputError(f"{path}: no sample metadata, the file lacks the key '{METADATA_KEY}'") from error
    try:
        return SampleMetadata.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in (METADATA_KEY, *first["loc"]))
        raise BadInputError(f"{path}: sample metadata are invalid at {where}: {first['msg']}") from error
