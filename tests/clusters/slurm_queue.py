"""A SLURM queue of one node on loopback, from the distribution's packages."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.clusters.daemons import daemon, free_port, wait_until

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo")
_SBIN = "/usr/sbin"
"""Debian's daemons are there, which is not on everybody's path."""


def missing() -> list[str]:
    """Return what is not installed."""
    return [name for name in NEEDED if shutil.which(name, path=_path()) is None]


@contextmanager
def slurm_queue(folder: Path, cpus: int) -> Iterator[None]:
    """Run munged, slurmctld and slurmd, with the commands set to talk to them."""
    folder.mkdir(mode=0o755)
    os.environ["PATH"] = _path()
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    with ExitStack() as stack:
        stack.enter_context(_munged(folder))
        for name in ("state", "spool"):
            (folder / name).mkdir()
        (folder / "slurm.conf").write_text(_configuration(folder, cpus))
        for name in ("slurmctld", "slurmd"):
            stack.enter_context(daemon([name, "-D", "-f", folder / "slurm.conf"], folder / f"{name}.log"))
        log = folder / "slurmctld.log"
        wait_until(lambda: "idle" in _ask("sinfo", "--noheader", "--format=%T"), "An idle node", log)
        try:
            yield
        finally:
            _ask("scancel", "--full", "--user", _user())
            wait_until(lambda: jobs() == [], "An empty queue")


def jobs() -> list[str]:
    """Return the numbers of the jobs in the queue."""
    return subprocess.run(
        ["squeue", "--noheader", "--format=%i"], capture_output=True, text=True, check=True, timeout=30
    ).stdout.split()


@contextmanager
def _munged(folder: Path) -> Iterator[None]:
    place = folder / "munge"
    place.mkdir(mode=0o755)
    (place / "key").write_bytes(os.urandom(128))
    (place / "key").chmod(0o400)
    as_user: list[str] = []
    if os.getuid() == 0:
        # munged trusts only files of its own user.
        for path in (place, place / "key"):
            shutil.chown(path, "munge")
        as_user = ["runuser", "-u", "munge", "--"]
    files = [f"--{name}={place / file}" for name, file in (("socket", "socket"), ("key-file", "key"))]
    files += [f"--{name}={place / name}" for name in ("pid-file", "log-file", "seed-file")]
    with daemon([*as_user, "munged", "--foreground", *files], folder / "munged.log"):
        wait_until((place / "socket").exists, "munged's socket", folder / "munged.log")
        yield


def _configuration(folder: Path, cpus: int) -> str:
    host = socket.gethostname().split(".")[0]
    return f"""
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={free_port()}
SlurmdPort={free_port()}
SlurmUser={_user()}
SlurmdUser={_user()}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
SchedulerParameters=sched_interval=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=16000 State=UNKNOWN
PartitionName=short Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def _ask(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout


def _user() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def _path() -> str:
    return f"{os.environ['PATH']}:{_SBIN}"
