"""What a data set says about itself: the metadata of its files added up, for the runs that are analysed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from models.errors import ConfigurationError
from processors.checked_file import CheckedFile
from processors.run_selection import Removed, RunSelection
from processors.sample import SampleMetadata

SUMMED: Final = ("n_generated", "sum_weights", "sum_weights2", "equivalent_luminosity_fb")
"""Sample metadata that add up over files."""
OF_ONE_FILE: Final = ("seed", "notes")
"""Those that may differ from file to file; all others are the same in every file."""


def merge_metadata(
    files: Sequence[CheckedFile], name: str, replaced: Mapping[str, Any], runs: RunSelection
) -> tuple[SampleMetadata, Removed]:
    """Return the metadata of a data set, and how many events its selection of runs leaves out.

    Without a number from the catalogue, luminosity and generated events of some of the runs are estimated by their
    share of the events; the notes say so.

    Parameters
    ----------
    files
        Its files, at least one.
    name
        Its name.
    replaced
        Fields of `SampleMetadata` that replace what the files say.
    runs
        Which runs are analysed.

    Raises
    ------
    ConfigurationError
        If what is replaced contradicts what the files are.
    """
    first = files[0].metadata
    sums = _sums(files)
    notes = {note for file in files for note in file.metadata.notes}
    per_file = [runs.removed(file.spans) for file in files]
    removed = Removed(sum(each.run_range for each in per_file), sum(each.good_runs for each in per_file))
    n_events = sum(file.n_events for file in files)
    if sum(removed):
        share = 1.0 - sum(removed) / n_events
        sums = {key: None if value is None else share * value for key, value in sums.items()}
        sums["n_generated"] = round(sums["n_generated"])
        estimated = {True: ("luminosity_fb", "equivalent_luminosity_fb"), False: ("n_generated", "n_generated")}
        key, field = estimated[first.is_data]
        if field not in replaced:
            notes.add(f"{key} of the selected runs estimated by their share of the events")
    if "n_generated" in replaced and sums["n_generated"]:
        # The files' mean weights, for another number of generated events.
        scale = replaced["n_generated"] / sums["n_generated"]
        sums |= {key: scale * sums[key] for key in ("sum_weights", "sum_weights2")}
    merged = first.model_dump() | sums
    merged |= {"name": name, "seed": first.seed if len(files) == 1 else None, "notes": tuple(sorted(notes))}
    try:
        metadata = SampleMetadata.model_validate(merged | dict(replaced))
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"Data set '{name}': {reason}.") from error
    if metadata.is_data and "n_generated" in replaced:
        raise ConfigurationError(f"Data set '{name}': n_generated belongs to simulation, and its files are data.")
    if not metadata.is_data and "equivalent_luminosity_fb" in replaced:
        raise ConfigurationError(f"Data set '{name}': luminosity_fb belongs to data, and its files are simulation.")
    if (replaced or sum(removed)) and metadata.cross_section_fb is not None and metadata.sum_weights2 > 0.0:
        luminosity_fb = metadata.sum_weights**2 / metadata.sum_weights2 / metadata.cross_section_fb
        metadata = metadata.model_copy(update={"equivalent_luminosity_fb": luminosity_fb})
    return metadata, removed


def _sums(files: Sequence[CheckedFile]) -> dict[str, Any]:
    sums: dict[str, Any] = {}
    for name in SUMMED:
        values = [getattr(file.metadata, name) for file in files]
        sums[name] = None if None in values else sum(values)
    return sums
