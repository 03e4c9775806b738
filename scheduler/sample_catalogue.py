"""The samples that a run processed, with their normalisation, and the files it left out on request."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from models.errors import BadInputError
from models.settings import Settings
from processors.sample import SampleMetadata


class SkippedInput(Settings):
    """An unusable file that was left out on request, and what that costs."""

    path: str
    reason: str
    n_generated: int | None
    """Generated events lost, None if the file does not tell."""
    equivalent_luminosity_fb: float | None
    """Luminosity lost in fb⁻¹, None if unknown."""


class SampleAccounting(Settings):
    """Where the events of a sample went."""

    files: int
    """Files read."""
    events: int
    """Events in them."""
    removed_by_run_range: int
    """Of these, outside the ranges of runs that were asked for."""
    removed_by_good_runs: int
    """Of these, inside but not in the list of good runs."""
    luminosity_fb: float | None
    """Luminosity of the events that were analysed, fb⁻¹: recorded by data, equivalent to simulation."""
    n_generated: int
    """Events generated for them."""

    @property
    def removed(self) -> int:
        """Events left out for their run."""
        return self.removed_by_run_range + self.removed_by_good_runs

    @property
    def processed(self) -> int:
        """Events analysed."""
        return self.events - self.removed


class SampleCatalogue(Settings):
    """All samples of a run by name."""

    samples: dict[str, SampleMetadata]
    n_files: dict[str, int]
    """Sample → files read."""
    accounting: dict[str, SampleAccounting] = Field(default={})
    """Sample → where its events went."""
    skipped: tuple[SkippedInput, ...] = ()

    def luminosity_fb(self, configured: float | None) -> float:
        """Return the luminosity of the data in fb⁻¹.

        Parameters
        ----------
        configured
            What the configuration says, which overrides what the data files say.

        Raises
        ------
        BadInputError
            If neither says it.
        """
        if configured is not None:
            return configured
        recorded = [sample.equivalent_luminosity_fb for sample in self.samples.values() if sample.is_data]
        if not recorded or None in recorded:
            raise BadInputError("The data files do not say their luminosity: set 'inputs.luminosity_fb'.")
        return sum(luminosity for luminosity in recorded if luminosity is not None)


def write_catalogue(path: Path, catalogue: SampleCatalogue) -> None:
    """Write a catalogue as JSON."""
    path.write_text(catalogue.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_catalogue(path: Path) -> SampleCatalogue:
    """Read what `write_catalogue` wrote.

    Raises
    ------
    BadInputError
        If the file is missing or something else.
    """
    try:
        return SampleCatalogue.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadInputError(f"{path} cannot be read ({error.strerror}); are the ntuples processed?") from error
    except ValidationError as error:
        raise BadInputError(f"{path} is not a catalogue of samples.") from error
