"""Which ntuples there are: the samples under a folder as a coffea fileset, every file checked when opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple, TypedDict

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray
from uproot.behaviors.RNTuple import HasFields

from models.errors import BadInputError
from processors.event_identity import describe_identity, first_duplicate, pack_event_identity
from processors.ntuple import EVENT_BRANCHES, TREE_NAME
from processors.ntuple_writer import written_collections
from processors.sample import SampleMetadata, open_root_file, read_sample_metadata

JsonValue = str | int | float | bool | None


class DatasetSpec(TypedDict):
    """One sample as coffea's `Runner` takes it."""

    files: dict[str, str]
    """File path → name of its tree."""
    metadata: dict[str, JsonValue]
    """The sample's `SampleMetadata`, summed over its files, as JSON values."""


class CheckedFile(NamedTuple):
    """A file that passed every check which needs no more than opening it."""

    path: Path
    metadata: SampleMetadata
    identity: NDArray[np.uint64]
    """Packed (experiment, run, event) of each entry, shape (n_entries,)."""


class SkippedFile(NamedTuple):
    """A bad file that was left out on request, and what that costs."""

    path: Path
    reason: str
    """The sentence that an unskipped file would have failed with."""
    n_generated: int | None
    """Generated events lost, None if the file does not tell any more."""
    equivalent_luminosity_fb: float | None
    """Luminosity lost in fb⁻¹, None if unknown."""


class FilesetScan(NamedTuple):
    """What was found under an ntuple folder."""

    fileset: dict[str, DatasetSpec]
    """Sample name → files and metadata, sorted by name."""
    skipped: tuple[SkippedFile, ...]
    """Files left out; always empty unless skipping was asked for."""


MapFiles = Callable[[Callable[[Path], CheckedFile | SkippedFile], Iterable[Path]], Iterable[CheckedFile | SkippedFile]]
"""How checks are mapped over files: `map`, or a cluster client's equivalent, in order."""


def build_fileset(folder: str | Path, *, skip_bad_files: bool = False, map_files: MapFiles = map) -> FilesetScan:
    """Return the samples under `<folder>/<sample>/*.root`, checked.

    Parameters
    ----------
    folder
        Holds one folder per sample.
    skip_bad_files
        Leave bad files out and list them, instead of failing at the first one.
    map_files
        How the check of a file is mapped over files.

    Returns
    -------
    The fileset and the skipped files.

    Raises
    ------
    BadInputError
        If there are no samples, a file is bad, an event occurs twice in a sample, or the files of a sample
        disagree about what they are.
    """
    folders = sorted(entry for entry in Path(folder).glob("*") if entry.is_dir() and not entry.name.startswith("."))
    if not folders:
        raise BadInputError(f"{folder}: no samples; expected folders `<sample>/` with ROOT files")
    paths = [path for sample in folders for path in _ntuples(sample)]
    fileset: dict[str, DatasetSpec] = {}
    skipped: list[SkippedFile] = []
    outcomes = map_files(_check_or_skip if skip_bad_files else check_file, paths)
    for sample, of_sample in groupby(outcomes, key=lambda outcome: outcome.path.parent.name):
        good: list[CheckedFile] = []
        for outcome in of_sample:
            if isinstance(outcome, SkippedFile):
                skipped.append(outcome)
            else:
                good.append(outcome)
        while (misfit := _find_misfit(good, sample)) is not None:
            file, reason = misfit
            if not skip_bad_files:
                raise BadInputError(reason)
            skipped.append(_skipped(file.path, reason, file.metadata))
            good = [other for other in good if other is not file]
        if good:
            fileset[sample] = DatasetSpec(
                files={str(file.path): TREE_NAME for file in good},
                metadata=_merge_metadata([file.metadata for file in good]).model_dump(mode="json"),
            )
    return FilesetScan(fileset, tuple(skipped))


def without_files(scan: FilesetScan, bad: Mapping[str, str]) -> FilesetScan:
    """Return a fileset without files that turned out to be bad when they were read, and what that costs.

    A file is left out as a whole: its generated events normalise all events that are in it.

    Parameters
    ----------
    scan
        What `build_fileset` returned.
    bad
        Path of a file → what is wrong with it.

    Raises
    ------
    BadInputError
        If the metadata of another file of the same sample cannot be read any more.
    """
    fileset: dict[str, DatasetSpec] = {}
    skipped = list(scan.skipped)
    for sample, dataset in scan.fileset.items():
        lost = [path for path in dataset["files"] if path in bad]
        if not lost:
            fileset[sample] = dataset
            continue
        good = {path: tree for path, tree in dataset["files"].items() if path not in bad}
        left = _merge_metadata([read_sample_metadata(path) for path in good]) if good else None
        whole = sample_metadata(dataset["metadata"])
        # what each one has cost cannot be read any more: the first stands for all of this sample
        for index, path in enumerate(lost):
            cost = whole.n_generated - (left.n_generated if left else 0) if index == 0 else 0
            skipped.append(SkippedFile(Path(path), bad[path], cost, _luminosity_lost_fb(whole, left, index)))
        if left is not None:
            fileset[sample] = DatasetSpec(files=good, metadata=left.model_dump(mode="json"))
    return FilesetScan(fileset, tuple(skipped))


def _luminosity_lost_fb(whole: SampleMetadata, left: SampleMetadata | None, index: int) -> float | None:
    if whole.equivalent_luminosity_fb is None:
        return None
    remaining = (left.equivalent_luminosity_fb or 0.0) if left else 0.0
    return whole.equivalent_luminosity_fb - remaining if index == 0 else 0.0


def _ntuples(sample: Path) -> list[Path]:
    paths = sorted(path for path in sample.glob("*.root") if not path.name.startswith("."))
    if not paths:
        raise BadInputError(f"{sample}: a sample without ROOT files")
    return paths


def check_file(path: Path) -> CheckedFile:
    """Return what a file holds after checking its tree, branches, types, length and event numbers.

    Raises
    ------
    BadInputError
        Naming the file, and the branch and entry where there is one.
    """
    metadata = read_sample_metadata(path)
    with open_root_file(path) as file:
        tree = _tree(path, file)
        _check_branches(path, tree, is_data=metadata.is_data)
        columns = [tree[name].array(library="np") for name in ("experiment", "run", "event")]
    identity = pack_event_identity(*columns, source=str(path))
    duplicate = first_duplicate(identity)
    if duplicate is not None:
        raise BadInputError(f"{path}: entry {duplicate} repeats {describe_identity(identity[duplicate])}")
    return CheckedFile(path, metadata, identity)


_SUMMED: Final = ("n_generated", "sum_weights", "sum_weights2", "equivalent_luminosity_fb")
"""Sample metadata that add up over files; all others but the seed are the same in every file."""


def _merge_metadata(files: list[SampleMetadata]) -> SampleMetadata:
    sums: dict[str, float | None] = {}
    for name in _SUMMED:
        values = [getattr(file, name) for file in files]
        sums[name] = None if None in values else sum(values)
    return files[0].model_copy(update={**sums, "seed": files[0].seed if len(files) == 1 else None})


def sample_metadata(metadata: Mapping[str, Any]) -> SampleMetadata:
    """Return the typed sample metadata among the key–value pairs that coffea hands to a processor."""
    return SampleMetadata.model_validate({name: metadata[name] for name in SampleMetadata.model_fields})


def _check_or_skip(path: Path) -> CheckedFile | SkippedFile:
    try:
        return check_file(path)
    except BadInputError as error:
        try:
            metadata = read_sample_metadata(path)
        except BadInputError:
            metadata = None
        return _skipped(path, str(error), metadata)


def _skipped(path: Path, reason: str, metadata: SampleMetadata | None) -> SkippedFile:
    if metadata is None:
        return SkippedFile(path, reason, None, None)
    return SkippedFile(path, reason, metadata.n_generated, metadata.equivalent_luminosity_fb)


def _find_misfit(files: list[CheckedFile], sample: str) -> tuple[CheckedFile, str] | None:
    """Return the first file that does not belong with those before it, and why; None if all do."""
    for file in files:
        if file.metadata.name != sample:
            return file, f"{file.path}: belongs to sample '{file.metadata.name}', lies in '{sample}'"
        for name in sorted(SampleMetadata.model_fields.keys() - {*_SUMMED, "seed"}):
            value, expected = getattr(file.metadata, name), getattr(files[0].metadata, name)
            if value != expected:
                return file, f"{file.path}: {name} is {value}, but {expected} in {files[0].path}"
    if not files:
        return None
    identity = np.concatenate([file.identity for file in files])
    duplicate = first_duplicate(identity)
    if duplicate is None:
        return None
    offsets = np.cumsum([0, *(len(file.identity) for file in files)])
    first = int(np.argmax(identity == identity[duplicate]))
    index, original = (int(np.searchsorted(offsets, entry, side="right")) - 1 for entry in (duplicate, first))
    where = f"entry {duplicate - offsets[index]} repeats {describe_identity(identity[duplicate])}"
    return files[index], f"{files[index].path}: {where} of {files[original].path}"


def _tree(path: Path, file: uproot.ReadOnlyDirectory) -> uproot.TTree:
    classes = file.classnames(cycle=False)
    if TREE_NAME not in classes:
        trees = sorted(name for name, kind in classes.items() if kind in ("TTree", "ROOT::RNTuple"))
        raise BadInputError(f"{path}: no tree '{TREE_NAME}', the file holds {', '.join(trees) or 'no tree'}")
    return file[TREE_NAME]


def _check_branches(path: Path, tree: uproot.TTree, *, is_data: bool) -> None:
    """Check all branches; the collections of an RNTuple know their lengths and have no counters."""
    for branch in EVENT_BRANCHES:
        _check_branch(path, tree, branch.name, branch.dtype, jagged=False)
    for collection in written_collections(is_data=is_data):
        if not isinstance(tree, HasFields):
            _check_branch(path, tree, collection.counter, "int32", jagged=False)
        for branch in collection.branches:
            _check_branch(path, tree, f"{collection.name}_{branch.name}", branch.dtype, jagged=True)


def _check_branch(path: Path, tree: uproot.TTree, name: str, dtype: str, *, jagged: bool) -> None:
    """Check that a branch exists and holds numbers of its kind, no narrower than the table says."""
    if name not in tree:
        raise BadInputError(f"{path}: tree '{TREE_NAME}' lacks the branch '{name}'")
    form = _form(tree[name])
    is_jagged = isinstance(form, ak.forms.ListOffsetForm)
    content = form.content if is_jagged else form
    expected = np.dtype(dtype)
    stored = np.dtype(content.primitive) if isinstance(content, ak.forms.NumpyForm) else None
    same_kind = stored is not None and stored.kind == expected.kind and np.can_cast(expected, stored)
    if is_jagged != jagged or not same_kind:
        shape = "an array per event of " if jagged else ""
        raise BadInputError(f"{path}: branch '{name}' holds {tree[name].typename}, expected {shape}{dtype}")


def _form(branch: Any) -> ak.forms.Form:
    """Return the awkward form of a branch of a TTree or a field of an RNTuple."""
    if isinstance(branch, HasFields):
        return branch.to_akform()[0].contents[0]
    return branch.interpretation.awkward_form(None)
