"""The published branch list says what the code does."""

from processors.branch_documentation import DOCUMENT, render
from processors.ntuple import COLLECTIONS
from processors.sample import SampleMetadata


def test_published_list_is_current():
    assert DOCUMENT.read_text(encoding="utf-8") == render(), "run `python -m processors.branch_documentation`"


def test_every_branch_and_key_is_explained():
    text = render()
    for collection in COLLECTIONS:
        for branch in collection.branches:
            assert f"| `{collection.name}_{branch.name}` | {branch.dtype} |" in text
    assert all(field.description for field in SampleMetadata.model_fields.values())
