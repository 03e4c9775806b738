"""The configuration of an analysis: every package's section composed once, read from YAML, errors naming the key."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

import yaml
from pydantic import NonNegativeInt, PositiveFloat, TypeAdapter, model_validator

from models.classifier.configuration import ClassifierSettings
from models.errors import ConfigurationError
from models.inference.configuration import InferenceSettings, LookElsewhereSettings, SystematicsSettings
from models.normalisation import NormalisationSettings
from models.scan_grid import ScanSettings
from models.settings import Settings
from models.signal_shape import SignalShapeSettings
from models.thresholds import ThresholdSettings
from processors.b2bii.configuration import ConversionSettings
from processors.configuration import CandidateSettings
from processors.regions import RegionSettings
from processors.template_settings import TemplateSettings
from scheduler.chunks import ChunkSettings
from scheduler.clusters import ClusterSettings
from scheduler.progress import ProgressSettings
from scheduler.report.settings import ReportSettings
from scheduler.result_store import ResultStoreSettings
from scheduler.settings_file import key_paths, parse_mapping, read_text, validate
from scheduler.tasks import TaskSettings
from scheduler.validation.settings import ValidationSettings
from simulation.configuration import SimulationConfig

_PROFILES: Final = resources.files("scheduler").joinpath("profiles")


class InputSettings(Settings):
    """Where the events come from."""

    ntuples: Path | None = None
    """Folder of Belle ntuples, ``<sample>/*.root``, relative to where the command runs; None to simulate them."""
    catalogue: Path | None = None
    """YAML catalogue of data sets (`scheduler.dataset_catalogue`) in place of such a folder."""
    skip_bad_files: bool = False
    """Leave unusable files out and list what that costs, instead of failing."""
    luminosity_fb: PositiveFloat | None = None
    """Luminosity of the data in fb⁻¹; None takes what the data files say."""

    @model_validator(mode="after")
    def _one_source(self) -> InputSettings:
        if self.ntuples is not None and self.catalogue is not None:
            raise ValueError("set either ntuples or catalogue, not both")
        return self

    @property
    def simulated(self) -> bool:
        """Whether the events have to be simulated."""
        return self.ntuples is None and self.catalogue is None


class AnalysisConfig(Settings):
    """Everything that decides the result of an analysis, and how it is run."""

    seed: NonNegativeInt = 1
    """The one seed that all random numbers of simulation and inference follow from."""
    inputs: InputSettings = InputSettings()
    conversion: ConversionSettings = ConversionSettings()
    simulation: SimulationConfig = SimulationConfig()
    candidates: CandidateSettings = CandidateSettings()
    classifier: ClassifierSettings = ClassifierSettings()
    regions: RegionSettings = RegionSettings()
    normalisation: NormalisationSettings = NormalisationSettings()
    signal_shape: SignalShapeSettings = SignalShapeSettings()
    thresholds: ThresholdSettings = ThresholdSettings()
    scan: ScanSettings = ScanSettings()
    templates: TemplateSettings = TemplateSettings()
    systematics: SystematicsSettings = SystematicsSettings()
    inference: InferenceSettings = InferenceSettings()
    look_elsewhere: LookElsewhereSettings = LookElsewhereSettings()
    report: ReportSettings = ReportSettings()
    validation: ValidationSettings = ValidationSettings()
    cluster: ClusterSettings = ClusterSettings()
    chunks: ChunkSettings = ChunkSettings()
    results: ResultStoreSettings = ResultStoreSettings()
    tasks: TaskSettings = TaskSettings()
    progress: ProgressSettings = ProgressSettings()

    @model_validator(mode="after")
    def _correlations_are_of_the_errors_in_use(self) -> AnalysisConfig:
        if self.systematics.correlated_scale_factors and not self.normalisation.add_fit_error:
            raise ValueError(
                "systematics.correlated_scale_factors: correlations are those of the fit, whose uncertainty "
                "normalisation.add_fit_error leaves out"
            )
        return self

    @model_validator(mode="after")
    def _selected_events_are_simulated(self) -> AnalysisConfig:
        if self.inputs.simulated:
            tight = self.simulation.skim.preselection.contradiction(self.candidates)
            if tight is not None:
                raise ValueError(f"simulation.skim.preselection.{tight} drops events that the selection takes")
        return self


def profile_names() -> tuple[str, ...]:
    """Return the names of the configurations that come with the software.

    >>> profile_names()
    ('demo', 'full')
    """
    return tuple(
        sorted(entry.name.removesuffix(".yml") for entry in _PROFILES.iterdir() if entry.name.endswith(".yml"))
    )


def load_configuration(source: str) -> AnalysisConfig:
    """Read and validate a configuration.

    Parameters
    ----------
    source
        Name of a profile, or path of a YAML file; keys that it leaves out have their defaults.

    Raises
    ------
    ConfigurationError
        If there is no such profile or file, it is not YAML, or a key is unknown or has an impossible value.
    """
    if source in profile_names():
        text = _PROFILES.joinpath(f"{source}.yml").read_text(encoding="utf-8")
    else:
        try:
            text = read_text(Path(source))
        except OSError as error:
            choices = " or ".join(("a YAML file", *profile_names()))
            raise ConfigurationError(
                f"Configuration '{source}' cannot be read ({error.strerror}): give {choices}."
            ) from error
    return parse_configuration(text, source)


def parse_configuration(text: str, source: str) -> AnalysisConfig:
    """Validate the YAML text of a configuration.

    Parameters
    ----------
    text
        YAML.
    source
        Where it comes from, for messages.

    Raises
    ------
    ConfigurationError
        Naming the key path and, for an unknown key, the one that was probably meant.

    Examples
    --------
    >>> parse_configuration("chunks: {entry: 3}", "my.yml")
    Traceback (most recent call last):
    models.errors.ConfigurationError: my.yml: unknown key 'chunks.entry', did you mean 'chunks.entries'?
    """
    return validate(
        parse_mapping(text, source),
        source,
        TypeAdapter(AnalysisConfig),
        known=lambda: key_paths(AnalysisConfig().model_dump(mode="json")),
    )


def dump_configuration(config: AnalysisConfig) -> str:
    """Return the resolved configuration as YAML that `parse_configuration` reads back to the same.

    >>> parse_configuration(dump_configuration(AnalysisConfig(seed=7)), "dump").seed
    7
    """
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
