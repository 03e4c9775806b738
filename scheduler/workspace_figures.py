"""The diagnostic figures of a workspace as files: what ``leptophile limits --plots`` draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.errors import BadInputError
from models.inference.configuration import InferenceSettings
from models.inference.diagnostics import gather_diagnostics
from models.inference.likelihood import compile_likelihood
from models.inference.workspace import is_blinded


def draw_workspace(
    task: tuple[Path, Mapping[str, Any], str],
    *,
    folder: Path,
    corner: Sequence[str],
    settings: InferenceSettings,
    measurement: str | None,
    seed: int,
) -> tuple[Path, ...]:
    """Draw the figures of one workspace and return their files.

    Parameters
    ----------
    task
        The workspace's file, its content, and what it is called.
    folder
        Made if it is not there; files are ``<name>_<figure>.png``.
    corner
        Parameters of the corner plot; those with the largest impact if empty.
    settings, measurement, seed
        As for the inference, whose chains these are.

    Raises
    ------
    UsageError
        If a parameter of the corner plot does not exist.
    BadInputError
        If a file cannot be written.
    """
    import matplotlib.pyplot as plt

    from scheduler.report.diagnostic_figures import figures
    from scheduler.report.style import report_style

    _, specification, name = task
    likelihood = compile_likelihood(specification, settings.minimiser, measurement)
    found = gather_diagnostics(likelihood, settings, seed, blinded=is_blinded(specification))
    written = []
    with report_style():
        for kind, figure in figures(found, name, corner).items():
            path = folder / f"{name.strip('/').replace('/', '_')}_{kind}.png"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                figure.savefig(path, dpi=150)
            except OSError as error:
                raise BadInputError(f"The figure {path} cannot be written: {error.strerror}.") from error
            finally:
                plt.close(figure)
            written.append(path)
    return tuple(written)
