"""The folder of one analysis run: every name that scripts and people may rely on, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.search import Channel, Search


@dataclass(frozen=True)
class RunFolder:
    """One run of the analysis on disk.

    >>> RunFolder(Path("runs/demo")).workspace(Channel.MUMU, 1.0).as_posix()
    'runs/demo/workspaces/mumu/m1.000.json'
    """

    path: Path
    """The folder itself; created by the first step that writes to it."""

    @property
    def configuration(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yml"

    @property
    def provenance(self) -> Path:
        """Versions, code revision, inputs and timings of every step."""
        return self.path / "provenance.json"

    @property
    def unblinding(self) -> Path:
        """The record of who unblinded the signal region, when and why; absent while blinded."""
        return self.path / "unblinding.json"

    @property
    def unsealing(self) -> Path:
        """The record of who opened the sealed truth of the pseudo-data, when and why; absent while nobody has."""
        return self.path / "unsealing.json"

    @property
    def ntuples(self) -> Path:
        """Belle ntuples, ``<sample>/<sample>_<nnn>.root``."""
        return self.path / "ntuples"

    @property
    def candidates(self) -> Path:
        """Candidates, ``<search>/<kinematics>/<sample>/<chunk>.parquet``."""
        return self.path / "candidates"

    @property
    def datasets(self) -> Path:
        """Identity, content and chunks of every file that was processed."""
        return self.path / "datasets.json"

    @property
    def samples(self) -> Path:
        """Metadata of every sample that was processed, and the files that were left out."""
        return self.path / "samples.json"

    @property
    def corrections(self) -> Path:
        """The data/MC corrections that were applied, as one correctionlib set."""
        return self.path / "corrections.json"

    @property
    def cutflow(self) -> Path:
        """Events after each requirement, per sample and search."""
        return self.path / "cutflow.json"

    @property
    def classifier(self) -> Path:
        """Trained models and their evaluation, one folder a channel."""
        return self.path / "classifier"

    def classifier_of(self, channel: Channel) -> Path:
        """Return the folder of a channel's models."""
        return self.classifier / channel

    def evaluation(self, channel: Channel) -> Path:
        """Return the file of a classifier's evaluation (`models.classifier.evaluation.Evaluation`)."""
        return self.classifier_of(channel) / "evaluation.json"

    @property
    def histograms(self) -> Path:
        """Histograms, signal models and signal-region thresholds."""
        return self.path / "histograms"

    def histogram(self, search: Search) -> Path:
        """Return the file of a search's histograms (`processors.histograms.load_histograms`)."""
        return self.histograms / f"{search}.zip"

    def signal_models(self, search: Search) -> Path:
        """Return the file of a search's signal models (`processors.signal_files.load_signal_models`)."""
        return self.histograms / f"signal_{search}.zip"

    def threshold_scan(self, channel: Channel) -> Path:
        """Return the file of the expected sensitivity against the threshold (`models.thresholds.ThresholdScan`)."""
        return self.histograms / f"threshold_{channel}.json"

    @property
    def normalisation(self) -> Path:
        """Background scale factors."""
        return self.path / "normalisation.json"

    @property
    def workspaces(self) -> Path:
        """pyhf workspaces, one a mass point."""
        return self.path / "workspaces"

    def workspace(self, channel: Channel, m_phi_gev: float, ctau_mm: float = 0.0) -> Path:
        """Return the file of one mass point's pyhf workspace, for a φ that flies with its cτ in the name."""
        flight = f"_ctau{ctau_mm:g}" if ctau_mm > 0 else ""
        return self.workspaces / channel / f"m{m_phi_gev:.3f}{flight}.json"

    @property
    def limits(self) -> Path:
        """The limits table and what belongs to it."""
        return self.path / "limits"

    @property
    def limits_csv(self) -> Path:
        """The limits table, one row a mass point."""
        return self.limits / "limits.csv"

    @property
    def limits_json(self) -> Path:
        """The same as JSON."""
        return self.limits / "limits.json"

    @property
    def lifetime_limits(self) -> Path:
        """Cross-section limits at every decay length of the mass points where φ flies, CSV."""
        return self.limits / "lifetimes.csv"

    @property
    def couplings(self) -> Path:
        """Limits on ξ in both conventions, with decay length and status of each, CSV."""
        return self.limits / "couplings.csv"

    @property
    def limited_templates(self) -> Path:
        """Template variations that entered the statistical models reduced, CSV."""
        return self.limits / "limited_variations.csv"

    @property
    def global_significance(self) -> Path:
        """Probability of the largest excess anywhere in the scan; absent while blinded."""
        return self.limits / "global_significance.json"

    @property
    def report(self) -> Path:
        """Figures, tables and ``index.html``."""
        return self.path / "report"

    @property
    def validation(self) -> Path:
        """Verdicts, figures and tables of the validation, and ``index.html``."""
        return self.path / "validation"

    @property
    def hepdata(self) -> Path:
        """HEPData submission."""
        return self.path / "hepdata"

    @property
    def metrics(self) -> Path:
        """Key figures of the run for scripts that compare runs."""
        return self.path / "metrics.json"

    @property
    def step_records(self) -> Path:
        """What each finished step was made from and what it wrote."""
        return self.path / "steps"

    def failures(self, step: str) -> Path:
        """Return the file that lists what a step could not do; absent when it did everything."""
        return self.path / "failures" / f"{step}.json"

    def performance(self, step: str) -> Path:
        """Return the file of Dask's performance report about a step: task stream, profile, bandwidth."""
        return self.path / "performance" / f"{step}.html"

    @property
    def results(self) -> Path:
        """Results of chunks and mass points (`scheduler.result_store`), unless the configuration has another place."""
        return self.path / ".results"

    @property
    def logs(self) -> Path:
        """What workers wrote to their standard output and error."""
        return self.path / "logs"

    @property
    def unfinished(self) -> Path:
        """Where running steps write; nothing below it counts as done."""
        return self.path / ".unfinished"
