"""Which dialect a B2BII file speaks: where its trees keep each variable, checked as far as needs no events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import uproot

from processors.b2bii.errors import (
    BranchTypeError,
    EmptyTreeError,
    MisalignedTreesError,
    MissingBranchError,
    MissingTreeError,
)
from processors.b2bii.variables import (
    CANDIDATES,
    EVENT_NUMBERS,
    EVENT_VARIABLES,
    PARTICLE_VARIABLES,
    PRODUCTION,
    REQUIRED_TREES,
    WEIGHT,
    Kind,
    Need,
    Tree,
    Variable,
    unescape,
)
from processors.locations import Location
from processors.root_files import BranchType, branch_type

REAL: Final = "f"
WHOLE: Final = "iu"
_TREE_CLASSES: Final = ("TTree", "ROOT::RNTuple")


@dataclass(frozen=True)
class TreeLayout:
    """Where one tree keeps what."""

    name: str
    particles: Mapping[str, str]
    """Variable without spaces → branch of arrays, one number for each particle."""
    identity: Mapping[str, str]
    """`experiment`, `run`, `event` → branch."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """Event variable, `__weight__`, `__production__` or `__ncandidates__` → branch."""

    def branch(self, variable: str) -> str | None:
        """Return the branch of a variable of the particles, None if there is none."""
        return self.particles.get(unescape(variable))


@dataclass(frozen=True)
class FileLayout:
    """Where a file keeps what."""

    path: Location
    n_events: int
    trees: Mapping[Tree, TreeLayout]
    """The trees of reconstructed particles."""
    generated: tuple[TreeLayout, ...]
    """The trees of generator particles; none in data."""

    @property
    def has_truth(self) -> bool:
        """Whether anything in the file comes from a generator."""
        return bool(self.generated) or self.trees[Tree.TRACK].branch("mcPDG") is not None

    def event_branch(self, variable: str) -> tuple[TreeLayout, str] | None:
        """Return the first tree that has an event variable, and its branch."""
        for tree in (*self.trees.values(), *self.generated):
            if variable in tree.extra:
                return tree, tree.extra[variable]
        return None


def read_layout(path: Location, file: uproot.ReadOnlyDirectory) -> FileLayout:
    """Return where an open file keeps what.

    Raises
    ------
    MissingTreeError, MissingBranchError, BranchTypeError
        If the file lacks something that conversion cannot do without, or it has another type.
    EmptyTreeError, MisalignedTreesError
        If a tree has no entries, or another number of them.
    """
    classes = file.classnames(cycle=False)
    names = [name for name, kind in classes.items() if kind in _TREE_CLASSES]
    for tree in REQUIRED_TREES:
        if tree not in names:
            raise MissingTreeError(f"{path}: no tree '{tree}', the file holds {', '.join(sorted(names)) or 'no tree'}")
    generated = sorted(name for name in names if name == Tree.MC or name.startswith(f"{Tree.MC}_"))
    lengths: dict[str, int] = {}
    for name in (*REQUIRED_TREES, *generated):
        lengths[name] = int(file[name].num_entries)
        if lengths[name] == 0:
            raise EmptyTreeError(f"{path}: tree '{name}' has no entries")
        if lengths[name] != lengths[Tree.TRACK]:
            raise MisalignedTreesError(
                f"{path}: tree '{name}' has {lengths[name]} entries, but '{Tree.TRACK}' {lengths[Tree.TRACK]}: "
                f"from entry {min(lengths[name], lengths[Tree.TRACK])} on they cannot be the same events"
            )
    return FileLayout(
        path,
        lengths[Tree.TRACK],
        {tree: _tree_layout(path, tree, file[tree], PARTICLE_VARIABLES[tree]) for tree in REQUIRED_TREES},
        tuple(_tree_layout(path, name, file[name], PARTICLE_VARIABLES[Tree.MC]) for name in generated),
    )


def _tree_layout(path: Location, name: str, tree: Any, variables: tuple[Variable, ...]) -> TreeLayout:
    branches: dict[str, str] = {}
    for branch in tree.keys(recursive=False):
        branches.setdefault(branch, branch)
        branches.setdefault(unescape(branch), branch)
    particles = {}
    for variable in variables:
        branch = branches.get(unescape(variable.name))
        if branch is not None:
            allowed = REAL if variable.kind is Kind.REAL else REAL + WHOLE
            _check_type(path, name, branch, branch_type(tree[branch]), allowed, jagged=True)
            particles[unescape(variable.name)] = branch
        elif variable.need is Need.REQUIRED:
            raise MissingBranchError(f"{path}: tree '{name}' lacks the variable '{variable.name}'")
    identity = {}
    for number, older in EVENT_NUMBERS.items():
        branch = branches.get(f"__{number}__", branches.get(older))
        if branch is None:
            raise MissingBranchError(f"{path}: tree '{name}' lacks the branch '__{number}__', or '{older}'")
        _check_type(path, name, branch, branch_type(tree[branch]), REAL + WHOLE if branch == older else WHOLE)
        identity[number] = branch
    extra = {}
    for known, allowed in {
        **dict.fromkeys(EVENT_VARIABLES, REAL),
        WEIGHT: REAL,
        PRODUCTION: WHOLE,
        CANDIDATES: WHOLE,
    }.items():
        if known in branches:
            _check_type(path, name, branches[known], branch_type(tree[branches[known]]), allowed)
            extra[known] = branches[known]
    return TreeLayout(name, particles, identity, extra)


def _check_type(
    path: Location, tree: str, branch: str, found: BranchType, allowed: str, *, jagged: bool = False
) -> None:
    """Check the kind of a branch; numbers of two bytes would have lost what helices need."""
    narrow = found.dtype is not None and found.dtype.kind == REAL and found.dtype.itemsize < 4
    if found.is_jagged == jagged and found.dtype is not None and found.dtype.kind in allowed and not narrow:
        return
    kinds = {REAL: "float32 or float64", WHOLE: "integers", REAL + WHOLE: "float32, float64 or integers"}[allowed]
    holds = "something else than numbers" if found.dtype is None else str(found.dtype)
    raise BranchTypeError(
        f"{path}: branch '{branch}' of tree '{tree}' holds {_described(holds, jagged=found.is_jagged)}, "
        f"expected {_described(kinds, jagged=jagged)}"
    )


def _described(content: str, *, jagged: bool) -> str:
    return f"an array per event of {content}" if jagged else f"one number per event, {content}"
