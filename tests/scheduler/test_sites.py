"""Site files, job scripts, wheels and what is said when no worker comes: all that needs no cluster."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import htcondor2
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ConfigurationError, UsageError
from scheduler.clusters import ClusterSettings, check_site, describe_site
from scheduler.clusters.batch import open_batch
from scheduler.clusters.example import example_site
from scheduler.clusters.exit_status import explain_exit_status
from scheduler.clusters.htcondor import HTCondorSite
from scheduler.clusters.preparation import own_identity
from scheduler.clusters.running import SiteUse
from scheduler.clusters.settings import ClusterError, WorkerCount
from scheduler.clusters.signals import StoppedBySignal, raise_lost_signal, stop_signals_raise, uninterrupted
from scheduler.clusters.site import KINDS, parse_site, read_site, resolve_site
from scheduler.clusters.slurm import Slurm, SlurmSite, slurm_duration
from scheduler.clusters.submit_commands import check_submit_command
from scheduler.clusters.transport import uses_tls
from scheduler.clusters.wheel import build_wheel, wheel_name
from scheduler.clusters.worker_setup import difference, identify
from scheduler.code_identity import PROJECT_PACKAGES
from scheduler.progress import Terminal

SETTINGS = ClusterSettings(workers=3, worker_memory_gib=1.0, connect_timeout_s=7.0)


@pytest.mark.parametrize("kind", KINDS)
def test_an_example_is_valid_complete_and_what_the_defaults_are(kind: str, tmp_path: Path) -> None:
    text = example_site(kind)
    (tmp_path / "site.yml").write_text(text)
    site = read_site(tmp_path / "site.yml")
    assert set(yaml.safe_load(text)) == set(KINDS[kind].model_fields)
    required = {"address": site.address} if kind == "existing" else {}
    assert site == KINDS[kind](**required)
    for name, field in KINDS[kind].model_fields.items():
        assert field.description, f"{kind}.{name} has no meaning"
        unit = name.rpartition("_")[2]
        if unit in {"s", "h", "gib"}:
            assert {"s": "second", "h": "hour", "gib": "GiB"}[unit] in field.description


def test_there_are_only_examples_of_what_exists() -> None:
    with pytest.raises(UsageError, match="no kind of site 'pbs': choose local, htcondor, slurm, gateway, existing"):
        example_site("pbs")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kind: slurm\nworkres: 3", "site.yml: unknown key 'workres', did you mean 'workers'?"),
        ("kind: slurm\nworkers: {maximun: 3}", "unknown key 'workers.maximun', did you mean 'workers.maximum'?"),
        ("kind: slurm\nworkers: {minimum: 3, maximum: 2}", "'workers': minimum 3 is above maximum 2."),
        ("kind: slurm\nworkers: 0", "'workers.maximum': input should be greater than 0, given 0."),
        ("kind: slurm\nsubmit_lines: ['#SBATCH -x']", "'submit_lines.0': string should match pattern"),
        ("kind: htcondor\nsubmit_lines: {requirments: x}", "did you mean 'requirements'?"),
        ("kind: existing", "'address': field required"),
        ("kind: existing\naddress: http://here", "'address': string should match pattern"),
        ("kind: gateway\nshipping: pigeon", "'shipping': input should be 'shared' or 'wheel', given 'pigeon'."),
        ("kind: moon", "'kind' has to be one of local, htcondor, slurm, gateway, existing, not 'moon'."),
        ("workers: 3", "'kind' has to be one of"),
        ("kind: slurm\nkind: local", "key 'kind' is given twice"),
    ],
)
def test_errors_name_file_and_key(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "site.yml").write_text(text)
    with pytest.raises(ConfigurationError) as failure:
        check_site(str(tmp_path / "site.yml"))
    assert str(failure.value).startswith(str(tmp_path / "site.yml"))
    assert sentence in str(failure.value)


def test_a_site_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"Site file 'nowhere\.yml' cannot be read \(No such file"):
        check_site("nowhere.yml")


def test_names_and_addresses_are_sites() -> None:
    local = resolve_site("local", SETTINGS)
    assert local == parse_site({"kind": "local", "workers": 3, "worker_memory_gib": 1, "start_timeout_s": 7}, "")
    assert resolve_site("slurm", SETTINGS) == SlurmSite()
    existing = resolve_site("tls://[::1]:8786", SETTINGS)
    assert (existing.kind, existing.address, existing.start_timeout_s) == ("existing", "tls://[::1]:8786", 7.0)
    with pytest.raises(UsageError, match="Unknown site 'existing'"):
        check_site("existing")


@given(st.integers(0, 1000), st.integers(1, 1000))
def test_a_worker_count_starts_with_one_at_least_and_never_with_more_than_there_may_be(low: int, high: int) -> None:
    count = WorkerCount(minimum=min(low, high), maximum=high)
    assert 1 <= count.first <= count.maximum
    assert count.fixed == (count.minimum == count.maximum)
    assert WorkerCount.model_validate(high) == WorkerCount(minimum=high, maximum=high)


@pytest.mark.parametrize("text", ["true", "1.5", "many"])
def test_a_worker_count_is_a_number(text: str) -> None:
    with pytest.raises(ConfigurationError, match="'workers"):
        parse_site({"kind": "slurm", "workers": yaml.safe_load(text)}, "site.yml")


@given(st.floats(0.01, 1000.0))
def test_slurm_reads_the_walltime_that_is_meant(hours: float) -> None:
    days, _, clock = slurm_duration(hours).partition("-")
    h, m, s = (int(part) for part in clock.split(":"))
    assert int(days) * 86400 + h * 3600 + m * 60 + s == round(hours * 3600)


def job_script(tmp_path: Path, kind: str, **keys: object) -> str:
    (tmp_path / "site.yml").write_text(yaml.safe_dump({"kind": kind, **keys}))
    return describe_site(str(tmp_path / "site.yml"), SETTINGS, Terminal(), tmp_path / "logs")


def test_a_slurm_script_says_what_the_site_says(tmp_path: Path) -> None:
    script = job_script(
        tmp_path,
        "slurm",
        queue="short",
        account="belle",
        cores_per_job=4,
        worker_memory_gib=1.5,
        walltime_h=2,
        interface="lo",
        scratch="/scratch",
        python="/software/python 3/bin/python",
        prologue=["module load root"],
        submit_lines=["--constraint=haswell"],
    )
    lines = script.splitlines()
    for line in ("-p short", "-A belle", "--cpus-per-task=4", "--mem=6G", "-t 0-02:00:00", "--constraint=haswell"):
        assert f"#SBATCH {line}" in lines
    for line in ("export OMP_NUM_THREADS=1", "export NUMBA_NUM_THREADS=1", "module load root"):
        assert line in lines
    for words in (
        "--nworkers 4",
        "--nthreads 1",
        "--memory-limit 1.50GiB",
        "--interface lo",
        "--local-directory /scratch",
    ):
        assert words in lines[-1]
    assert lines[-1].startswith("'/software/python 3/bin/python' -m distributed.cli.dask_worker tcp://SCHEDULER:PORT ")
    assert f'#SBATCH --output="{tmp_path}/logs/slurm-%j.log"' in lines
    assert not (tmp_path / "logs").exists()


def test_jobs_that_listen_beyond_loopback_use_certificates(tmp_path: Path) -> None:
    worker = job_script(tmp_path, "slurm").splitlines()[-1]
    assert "tls://SCHEDULER:PORT" in worker
    assert "--tls-ca-file AUTHORITY --tls-cert CERTIFICATE --tls-key KEY" in worker
    assert "tls" not in job_script(tmp_path, "slurm", tls="never").splitlines()[-1]


def test_a_condor_description_is_read_by_htcondor_and_has_only_commands_that_exist(tmp_path: Path) -> None:
    script = job_script(
        tmp_path,
        "htcondor",
        account="belle",
        cores_per_job=2,
        disk_gib=3,
        prologue=['export WORDS="it\'s quoted"'],
        submit_lines={"requirements": "(OpSysMajorVer == 9)", "+JobFlavour": '"longlunch"'},
    )
    description = htcondor2.Submit(script)
    for command in description:
        check_submit_command(command)
    assert description["requirements"] == "(OpSysMajorVer == 9)"
    assert description["MY.JobFlavour"] == '"longlunch"'
    assert description["accounting_group"] == "belle"
    assert description["MY.DaskWorkerCores"] == "2"
    assert description["MY.DaskWorkerMemory"] == str(4 * 2**30)
    assert description["allowed_job_duration"] == "43200"
    assert description["error"] == f"{tmp_path}/logs/htcondor-$(ClusterId).err"
    assert 'export WORDS=""it\'\'s quoted""; ' in description["arguments"]
    assert "distributed.cli.dask_worker" in description["arguments"]


def test_htcondor_itself_accepts_what_is_misspelt() -> None:
    assert "requirments" in htcondor2.Submit("executable = a\nrequirments = true\nqueue")
    with pytest.raises(ValueError, match="no command 'requirments', did you mean 'requirements'"):
        check_submit_command("requirments")


def test_only_a_scheduler_that_others_can_reach_needs_tls() -> None:
    site = HTCondorSite()
    assert uses_tls(site, loopback_by_default=False)
    assert not uses_tls(site, loopback_by_default=True)
    assert not uses_tls(site.model_copy(update={"interface": "lo"}), loopback_by_default=False)
    assert uses_tls(site.model_copy(update={"interface": "lo", "tls": "always"}), loopback_by_default=False)
    assert not uses_tls(site.model_copy(update={"tls": "never"}), loopback_by_default=False)
    with pytest.raises(
        ConfigurationError, match=r"'interface': this machine has no network interface 'ib7', only .*lo"
    ):
        uses_tls(site.model_copy(update={"interface": "ib7"}), loopback_by_default=False)


def test_the_wheel_is_this_code_and_the_same_every_time(tmp_path: Path) -> None:
    wheel = build_wheel()
    assert build_wheel() == wheel
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    look = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from scheduler.clusters.worker_setup import identify\n"
        "import scheduler\n"
        f"print(identify({PROJECT_PACKAGES!r}, ['leptophile']), scheduler.__file__)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", look, str(tmp_path)], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout
    own = identify(PROJECT_PACKAGES, ["leptophile"])
    assert str(own._replace(where=str(tmp_path))) in shown
    assert str(tmp_path / "scheduler" / "__init__.py") in shown


def test_the_wheel_can_be_installed_by_an_installer(tmp_path: Path) -> None:
    (tmp_path / wheel_name()).write_bytes(build_wheel())
    arguments = ["pip", "install", "--quiet", "--no-deps", "--target", tmp_path / "there", tmp_path / wheel_name()]
    tools = [Path(sys.prefix).parent / ".tools" / "bin" / "uv", "uv"]
    for tool in tools:
        try:
            done = subprocess.run([tool, *arguments], capture_output=True, text=True)
        except FileNotFoundError:
            continue
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "there" / "scheduler" / "profiles" / "demo.yml").is_file()
        return
    pytest.skip("there is no uv here to install with")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"python": "3.10.1"}, "runs Python 3.10.1, this command"),
        ({"versions": {"numpy": "1.0"}}, "has numpy 1.0, this command"),
        ({"versions": {"numpy": ""}}, "has numpy not installed, this command"),
        ({"code": ""}, "has no leptophile"),
        ({"code": "abc", "where": "/old"}, r"has another leptophile \(code abc in /old, this command"),
        ({}, None),
    ],
)
def test_what_is_different_on_a_worker_is_named(change: dict[str, object], words: str | None) -> None:
    own = own_identity()
    if "versions" in change:
        change = {"versions": {**own.versions, **change["versions"]}}
    found = difference(own._replace(**change), own)
    assert found is None if words is None else re.match(words, found or "")


class BrokenQueue(Slurm):
    """A queue whose commands this machine does not have."""

    commands: ClassVar[tuple[str, ...]] = ("leptophile-no-such-command",)


def test_a_machine_that_cannot_submit_says_so() -> None:
    with (
        pytest.raises(ClusterError, match="command leptophile-no-such-command is not on the path"),
        open_batch(SlurmSite(), BrokenQueue(SlurmSite()), SiteUse(Terminal())),
    ):
        pass


def test_exit_statuses_are_explained() -> None:
    assert explain_exit_status(126, "/p") == "with exit status 126: /p cannot be read or executed on the node"
    assert "killed, most often for using more memory" in explain_exit_status(137, None)
    assert explain_exit_status(3, None) == "with exit status 3"


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, StoppedBySignal)], ids=["INT", "TERM"]
)
def test_a_signal_that_a_library_swallows_is_raised_again(number: int, raised: type[BaseException]) -> None:
    def go_on() -> None:
        with stop_signals_raise(), contextlib.suppress(BaseException):
            signal.raise_signal(number)

    with pytest.raises(raised):
        go_on()


def test_signals_stop_and_wait_while_something_is_cleaned_up() -> None:
    with pytest.raises(StoppedBySignal) as stopped, stop_signals_raise():
        os.kill(os.getpid(), signal.SIGTERM)
    assert stopped.value.code == 128 + signal.SIGTERM
    cleaned = False
    with stop_signals_raise(), uninterrupted():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        cleaned = True
    assert cleaned


def test_a_signal_that_is_lost_in_a_finaliser_is_raised_by_the_work(capfd: pytest.CaptureFixture[str]) -> None:
    class Stopped:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    def work() -> None:
        with stop_signals_raise():
            stopped = Stopped()
            del stopped
            raise_lost_signal()
            pytest.fail("the work goes on")

    with pytest.raises(StoppedBySignal):
        work()
    assert capfd.readouterr().err == ""
    raise_lost_signal()


def test_every_run_has_a_name_of_its_own() -> None:
    use = SiteUse(Terminal())
    assert use.name != SiteUse(Terminal()).name
    assert replace(use, logs=Path("logs")).name == use.name
