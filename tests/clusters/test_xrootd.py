"""Ntuples read from a real XRootD server."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from scheduler.run_folder import RunFolder
from tests.clusters.conftest import CHUNK, Sample, leptophile, same_candidates
from tests.clusters.xrootd_server import missing, xrootd_server

pytestmark = pytest.mark.clusters


class Remote:
    """A folder with the sample's ntuples, and the server that everything is read through."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.names = sorted(path.name for path in folder.glob("*.root"))

    def configuration(self, folder: Path, *names: str) -> Path:
        """Write the configuration of an analysis of some files, and return its path."""
        catalogue, path = folder / "catalogue.yml", folder / "remote.yml"
        files = [f"{self.url}/{name}" for name in names]
        catalogue.write_text(yaml.safe_dump({"datasets": {"tautau": {"files": files}}}))
        content = {"inputs": {"catalogue": str(catalogue)}, "chunks": {"entries": CHUNK}, "cluster": {"workers": 2}}
        path.write_text(yaml.safe_dump(content))
        return path


@pytest.fixture
def remote(home: Path, sample: Sample) -> Iterator[Remote]:
    if missing():
        pytest.skip(f"XRootD is not installed here: there is no {', '.join(missing())}")
    # The server's user may not enter pytest's folders.
    served, server = home / "served", home / "xrootd"
    for folder in (served, server):
        shutil.rmtree(folder, ignore_errors=True)
    served.mkdir(mode=0o755)
    for path in sample.ntuples.rglob("*.root"):
        shutil.copy(path, served / path.name)
        (served / path.name).chmod(0o644)
    with xrootd_server(server, served) as url:
        yield Remote(served, url)


def test_candidates_equal_those_of_local_files(sample: Sample, remote: Remote, tmp_path: Path) -> None:
    configuration = remote.configuration(tmp_path, *remote.names)
    ended = leptophile("process", "--config", configuration, "--out", tmp_path / "run")
    assert ended.returncode == 0, ended.stderr
    same_candidates(RunFolder(tmp_path / "run"), sample.processed)


def test_a_changed_file_is_noticed_and_a_missing_one_named(remote: Remote, tmp_path: Path) -> None:
    first, second = remote.names
    configuration = remote.configuration(tmp_path, first)
    out = tmp_path / "run"
    assert leptophile("process", "--config", configuration, "--out", out).returncode == 0
    before = json.loads(RunFolder(out).cutflow.read_text())
    shutil.copyfile(remote.folder / second, remote.folder / first)
    ended = leptophile("process", "--config", configuration, "--out", out)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(RunFolder(out).cutflow.read_text()) != before
    gone = remote.configuration(tmp_path, first, "gone.root")
    ended = leptophile("process", "--config", gone, "--out", out)
    assert ended.returncode != 0
    assert "gone.root: " in ended.stderr
    assert "Traceback" not in ended.stderr
