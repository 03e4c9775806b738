"""Sample metadata: what combinations make sense, and how bad files are named."""

import pytest
import uproot
from pydantic import ValidationError

from models.errors import BadInputError
from models.search import Channel, Process
from processors.ntuple import METADATA_KEY
from processors.sample import SampleMetadata, read_sample_metadata

BACKGROUND = {
    "name": "tautau",
    "process": "tautau",
    "is_data": False,
    "cross_section_fb": 919e3,
    "n_generated": 10,
    "sum_weights": 10.0,
    "sum_weights2": 10.0,
    "generator": "test",
}


def test_signal_carries_its_mass_point():
    sample = SampleMetadata.model_validate(
        BACKGROUND | {"process": "signal", "channel": "ee", "m_phi_gev": 0.1, "ctau_mm": 0.0, "cross_section_fb": None}
    )
    assert (sample.process, sample.channel) == (Process.SIGNAL, Channel.EE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"process": "signal"}, "needs channel and m_phi_gev"),
        ({"m_phi_gev": 0.1}, "belong to signal"),
        ({"is_data": True}, "is_data is True but the process is 'tautau'"),
        ({"process": "data", "is_data": True}, "data have no cross-section"),
        ({"cross_section_fb": None}, "needs cross_section_fb"),
        ({"n_generated": -1}, "greater than or equal to 0"),
        ({"sum_weights": float("nan")}, "finite number"),
        ({"luminosity": 1.0}, "Extra inputs"),
    ],
)
def test_impossible_metadata_are_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        SampleMetadata.model_validate(BACKGROUND | change)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(BadInputError, match=r"absent\.root: no such file"):
        read_sample_metadata(tmp_path / "absent.root")


@pytest.mark.parametrize("content", [b"", b"root", b"not a ROOT file at all" * 100])
def test_file_that_is_not_root_is_named(tmp_path, content):
    path = tmp_path / "bad.root"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=r"bad\.root: not a readable ROOT file"):
        read_sample_metadata(path)


def test_truncated_file_is_named(tmp_path):
    path = tmp_path / "short.root"
    with uproot.recreate(path) as file:
        file[METADATA_KEY] = SampleMetadata.model_validate(BACKGROUND).model_dump_json()
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(BadInputError, match=r"short\.root"):
        read_sample_metadata(path)


def test_file_without_metadata_is_named(tmp_path):
    path = tmp_path / "other.root"
    with uproot.recreate(path) as file:
        file["something"] = "else"
    with pytest.raises(BadInputError, match=r"other\.root: no sample metadata, the file lacks the key 'sample'"):
        read_sample_metadata(path)


@pytest.mark.parametrize(("text", "where"), [("{", "sample"), ('{"name": "x"}', r"sample\.process")])
def test_invalid_metadata_name_the_key(tmp_path, text, where):
    path = tmp_path / "bad.root"
    with uproot.recreate(path) as file:
        file[METADATA_KEY] = text
    with pytest.raises(BadInputError, match=f"invalid at {where}"):
        read_sample_metadata(path)


@pytest.mark.parametrize("kept", [0.5, 0.95])
def test_truncated_file_says_how_much_is_left(tmp_path, kept):
    """Metadata are written last, so that a truncated file fails before anything in it can be read."""
    path = tmp_path / "cut.root"
    with uproot.recreate(path) as file:
        file["filler"] = "x" * 1000
    whole = path.read_bytes()
    left = int(kept * len(whole))
    path.write_bytes(whole[:left])
    with pytest.raises(BadInputError, match=rf"cut\.root: truncated, {left} of {len(whole)} bytes are left"):
        read_sample_metadata(path)
