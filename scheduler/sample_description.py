"""What a user says about files that do not say it themselves: process, cross-section, generated events, luminosity."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, PositiveFloat, PositiveInt, ValidationError

from models.errors import UsageError
from models.search import Channel, Process
from models.settings import Settings
from processors.b2bii.conversion import GENERATOR
from processors.sample import SampleMetadata
from simulation.configuration import CrossSections


class SampleDescription(Settings):
    """A sample of files, all of one process."""

    name: str = Field(min_length=1)
    """Sample name."""
    process: Process | None = None
    """None takes the sample's name, if that is one, and data where the files hold no truth."""
    is_data: bool | None = None
    """None goes by the process, or whether the files hold truth."""
    channel: Channel | None = None
    """Decay channel of φ; signal only."""
    m_phi_gev: PositiveFloat | None = None
    """φ mass; signal only."""
    ctau_mm: float | None = Field(default=None, ge=0.0)
    """φ proper decay length; signal only."""
    cross_section_fb: PositiveFloat | None = None
    """Cross-section of what was generated, fb; None for data, signal and processes of which the total is known."""
    cross_section_source: str = ""
    """Where it comes from."""
    n_generated: PositiveInt | None = None
    """Events generated for all files together, None if all of them are in the files."""
    luminosity_fb: PositiveFloat | None = None
    """Recorded luminosity of all files together, fb⁻¹; data only."""
    cross_sections: CrossSections = CrossSections()
    """Totals of processes for which `cross_section_fb` may be left out."""

    def metadata(self, files_have_truth: Sequence[bool]) -> SampleMetadata:
        """Return what files say about themselves, but for sums over their events.

        Parameters
        ----------
        files_have_truth
            Whether each file holds generator information.

        Raises
        ------
        UsageError
            If the description is incomplete or contradicts itself.
        """
        process = self._process(files_have_truth)
        is_data = process is Process.DATA
        if self.is_data not in (None, is_data):
            raise UsageError(f"--{'data' if self.is_data else 'mc'} contradicts the process '{process}'.")
        if self.luminosity_fb is not None and not is_data:
            raise UsageError(f"--luminosity-fb belongs to data, not to '{process}'.")
        if self.n_generated is not None and is_data:
            raise UsageError("--n-generated belongs to simulation, not to data.")
        cross_section_fb, source = self.cross_section_fb, self.cross_section_source
        known = {
            Process.TAUTAU: self.cross_sections.tautau,
            Process.QQBAR: self.cross_sections.qqbar,
            Process.BBBAR: self.cross_sections.bbbar,
        }
        if cross_section_fb is None and process in known:
            cross_section_fb, source = known[process].value_fb, known[process].source
        try:
            return SampleMetadata(
                name=self.name,
                process=process,
                is_data=is_data,
                channel=self.channel,
                m_phi_gev=self.m_phi_gev,
                ctau_mm=0.0 if self.ctau_mm is None and process is Process.SIGNAL else self.ctau_mm,
                cross_section_fb=cross_section_fb,
                cross_section_source=source,
                n_generated=0,
                sum_weights=0.0,
                sum_weights2=0.0,
                equivalent_luminosity_fb=None,
                generator=GENERATOR,
            )
        except ValidationError as error:
            reason = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise UsageError(f"Sample '{self.name}': {reason}; see `leptophile convert --help`.") from error

    def _process(self, files_have_truth: Sequence[bool]) -> Process:
        if self.process is not None:
            return self.process
        if self.is_data:
            return Process.DATA
        if self.name in set(Process):
            return Process(self.name)
        if self.is_data is None and not any(files_have_truth):
            return Process.DATA
        if self.is_data is None and not all(files_have_truth):
            raise UsageError("Some files hold generator information and others do not: say --data or --mc.")
        return Process.UNKNOWN
