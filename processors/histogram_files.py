"""The histograms of one search on disk, with what they were filled from and with."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import hist
import numpy as np
import uhi.io.zip
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from models.copies import BinPairs
from models.errors import BadInputError
from models.search import Search
from models.settings import Settings
from models.thresholds import MassThresholds
from processors.atomic_file import atomic_path
from processors.blinding import Unblinding, require_record
from processors.histograms import SearchHistograms

MANIFEST_NAME = "manifest.json"
PAIRS_NAME = "pairs.npz"


class HistogramManifest(Settings):
    """What one search's histograms were filled from and with."""

    search: Search
    luminosity_fb: float = Field(gt=0)
    """Luminosity the simulation is normalised to."""
    classifier_fingerprint: str
    sr_above_signal_score: float = Field(ge=0.5, lt=1)
    """Signal-region threshold in force, where it does not vary with mass."""
    sr_by_mass: MassThresholds | None = None
    """Threshold that varies with mass, None if it does not."""
    unblinding: Unblinding | None
    """The record under which signal-region data were read, None while blinded."""
    n_blinded: int = Field(ge=0)
    """Data candidates left out for lying in the blinded signal region."""
    n_candidates: dict[str, int]
    """Candidates read per kinematics and sample."""

    @property
    def opened_fraction(self) -> float:
        """Fraction of the luminosity whose signal-region data are here to be fitted; 0 while blinded."""
        return 0.0 if self.unblinding is None else self.unblinding.opened_fraction

    @property
    def signal_region_luminosity_fb(self) -> float:
        """Luminosity of fits: that of the data that were opened, all of it while fits use Asimov data."""
        return self.luminosity_fb * (self.opened_fraction or 1.0)


def save_histograms(histograms: SearchHistograms, manifest: HistogramManifest, path: Path) -> None:
    """Write a search's histograms as one zip of numpy arrays in the unified-histogram (UHI) layout.

    Parameters
    ----------
    histograms, manifest
        What to write; growing axes are sorted first.
    path
        File to make or replace.
    """
    ordered = histograms.ordered()
    with atomic_path(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST_NAME, manifest.model_dump_json(indent=2))
        for name in ("control", "signal_region", "signal"):
            uhi.io.zip.write(archive, name, getattr(ordered, name))
        with archive.open(PAIRS_NAME, "w") as file:
            np.savez(
                file,
                **{
                    f"{key}/{name}": column
                    for key, pairs in ordered.pairs.items()
                    for name, column in vars(pairs).items()
                },
            )


def load_histograms(path: Path, unblinding: Unblinding | None = None) -> tuple[SearchHistograms, HistogramManifest]:
    """Read what `save_histograms` wrote.

    Parameters
    ----------
    path
        The file.
    unblinding
        The record of the run's unblinding, if there is one (`scheduler.unblinding.read_unblinding`).

    Raises
    ------
    BadInputError
        If the file is missing, damaged or something else.
    BlindedError
        If it holds signal-region data that were read under another record than this.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = HistogramManifest.model_validate_json(archive.read(MANIFEST_NAME))
            parts: dict[str, Any] = {
                name: hist.Hist(uhi.io.zip.read(archive, name)) for name in ("control", "signal_region", "signal")
            }
            parts["pairs"] = _read_pairs(archive.read(PAIRS_NAME))
    except FileNotFoundError as error:
        raise BadInputError(f"{path}: no such file; are the histograms filled?") from error
    except (zipfile.BadZipFile, KeyError, ValidationError, json.JSONDecodeError) as error:
        raise BadInputError(f"{path}: not a readable histogram file ({type(error).__name__})") from error
    if manifest.unblinding is not None:
        require_record(unblinding, manifest.unblinding, str(path))
    return SearchHistograms(**parts), manifest


def _read_pairs(content: bytes) -> dict[str, BinPairs]:
    columns: dict[str, dict[str, NDArray[Any]]] = {}
    with np.load(io.BytesIO(content)) as stored:
        for name in stored.files:
            key, column = name.rsplit("/", 1)
            columns.setdefault(key, {})[column] = stored[name]
    return {key: BinPairs(**parts) for key, parts in columns.items()}
