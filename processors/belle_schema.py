"""The coffea view of a compact Belle ntuple: collections, cross-references and event-level vectors.

The layout follows from the branch table in `processors.ntuple`; what the collections can do is in
`processors.belle_behaviour`.
"""

from __future__ import annotations

from typing import Any, Final

from coffea.nanoevents import transforms
from coffea.nanoevents.schemas.base import BaseSchema, zip_forms
from coffea.nanoevents.util import concat

from models.constants import PION_MASS_GEV
from models.errors import BadInputError
from processors import belle_behaviour
from processors.ntuple import COLLECTIONS, CROSS_REFERENCES, EVENT_BRANCHES, PI0, TRACK, Collection

Form = dict[str, Any]
"""An awkward form as a dictionary, the language that coffea schemas are written in."""

OPTIONAL_COLLECTIONS: Final = frozenset(
    {PI0.name, *(collection.name for collection in COLLECTIONS if collection.truth)}
)
"""Collections that an ntuple may lack: truth in data, and neutral pions that a conversion did not write."""

EVENT_VECTORS: Final = {"ip": "ThreeVector", "beam": "LorentzVector"}
"""Event branches ``<name>_<component>`` that are shown as one vector, and its behaviour."""


class BelleSchema(BaseSchema):  # type: ignore[misc]  # coffea is untyped
    """Belle ntuple as NanoEvents: `Track`, `Photon`, `Pi0` and `Gen` with behaviours, `ip`, `beam`, event branches.

    Beside the branches of the table, tracks carry the pion `mass` and every collection `event_index`, the position
    of its event in the chunk; index branches have a chunk-wide companion with the suffix ``G``, and `Gen` lists
    `childrenG`. Branches the table does not know are kept under their collection or event. Collections that the
    file lacks are absent from `events.fields`. TTrees and RNTuples are read alike.

    Raises
    ------
    BadInputError
        If a branch that every ntuple has is missing; the message names it.
    """

    # The behaviours compute with whole numpy columns: dask-awkward's lazy arrays cannot carry them. Runs on Dask
    # use virtual arrays inside each worker.
    __dask_capable__ = False

    def __init__(self, base_form: Form, *args: object, **kwargs: object) -> None:
        super().__init__(base_form, *args, **kwargs)
        branches: dict[str, Form] = dict(zip(self._form["fields"], self._form["contents"], strict=True))
        _require_branches(set(branches))
        present = [collection for collection in COLLECTIONS if f"{collection.name}_px" in branches]
        offsets = {collection.name: _offsets(collection, branches) for collection in present}
        view = _event_level(branches)
        view |= {collection.name: _collection(collection, branches, offsets) for collection in present}
        self._form["fields"] = list(view)
        self._form["contents"] = list(view.values())

    @classmethod
    def behavior(cls) -> dict[object, object]:
        """Return the awkward behaviours of the collections."""
        return belle_behaviour.behavior


def _require_branches(names: set[str]) -> None:
    required = [branch.name for branch in EVENT_BRANCHES]
    for collection in COLLECTIONS:
        members = [f"{collection.name}_{branch.name}" for branch in collection.branches if not branch.truth]
        if collection.name not in OPTIONAL_COLLECTIONS or names.intersection(members):
            required += members
    missing = [name for name in required if name not in names]
    if missing:
        raise BadInputError(f"the event tree lacks the branch '{missing[0]}' ({len(missing)} missing in all)")


def _offsets(collection: Collection, branches: dict[str, Form]) -> Form:
    """Return the form of a collection's offsets: from its counter, or in an RNTuple, which has none, from a column."""
    if collection.counter in branches:
        return transforms.counts2offsets_form(branches[collection.counter])  # type: ignore[no-any-return]
    column = branches[f"{collection.name}_px"]
    return {
        "class": "NumpyArray",
        "itemsize": 8,
        "format": "i",
        "primitive": "int64",
        "parameters": {},
        "form_key": concat(column["form_key"], "!offsets"),
    }


def _event_level(branches: dict[str, Form]) -> dict[str, Form]:
    """Return the event branches, those of `EVENT_VECTORS` zipped into vectors."""
    in_collections = tuple(f"{collection.name}_" for collection in COLLECTIONS)
    counters = {collection.counter for collection in COLLECTIONS}
    flat = {
        name: form for name, form in branches.items() if not name.startswith(in_collections) and name not in counters
    }
    for vector, record_name in EVENT_VECTORS.items():
        components = [name for name in flat if name.startswith(f"{vector}_")]
        members = {name.removeprefix(f"{vector}_"): flat.pop(name) for name in components}
        flat[vector] = zip_forms(members, vector, record_name=record_name)
    return flat


def _collection(collection: Collection, branches: dict[str, Form], offsets: dict[str, Form]) -> Form:
    """Return the jagged record of one collection."""
    prefix = f"{collection.name}_"
    own_offsets = offsets[collection.name]
    members = {name.removeprefix(prefix): form for name, form in branches.items() if name.startswith(prefix)}
    members["event_index"] = _event_index(branches[f"{prefix}px"])
    if collection is TRACK:
        members["mass"] = transforms.full_like_from_offsets_form(own_offsets, PION_MASS_GEV)
    for branch, target in CROSS_REFERENCES.items():
        if branch.startswith(prefix) and branch in branches and target in offsets:
            members[f"{branch.removeprefix(prefix)}G"] = transforms.local2global_form(branches[branch], offsets[target])
    if "motherG" in members:
        members["childrenG"] = transforms.children_form(own_offsets, members["motherG"])
    form: Form = zip_forms(members, collection.name, record_name=collection.name, offsets=own_offsets)
    form["content"].setdefault("parameters", {}).update(
        {"__doc__": collection.meaning, "collection_name": collection.name}
    )
    return form


def _event_index(column: Form) -> Form:
    """Return the form that repeats the position of each event in the chunk for every entry of a jagged column."""
    return {
        "class": "ListOffsetArray",
        "offsets": "i64",
        "content": {
            "class": "NumpyArray",
            "itemsize": 8,
            "format": "i",
            "primitive": "int64",
            "parameters": {},
            "form_key": concat(column["form_key"], "!eventindex", "!content"),
        },
        "form_key": column["form_key"],
    }
