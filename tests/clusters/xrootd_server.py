"""An XRootD server on loopback that serves one folder, from the distribution's packages."""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clusters.daemons import daemon, free_port, wait_until

NEEDED = ("xrootd",)


def missing() -> list[str]:
    """Return what is not installed."""
    return [name for name in NEEDED if shutil.which(name) is None]


@contextmanager
def xrootd_server(folder: Path, served: Path) -> Iterator[str]:
    """Serve the files below a folder and yield the URL that stands for it."""
    folder.mkdir(mode=0o755)
    administration = folder / "admin"
    administration.mkdir(mode=0o755)
    (folder / "xrootd.cfg").write_text(f"""
all.export /
oss.localroot {served}
all.adminpath {administration}
all.pidpath {administration}
xrd.network nodnr
""")
    port, as_user = free_port(), []
    if os.getuid() == 0:
        # It refuses to run as root, and reads what everybody may.
        shutil.chown(administration, "nobody")
        as_user = ["-R", "nobody"]
    command = ["xrootd", "-c", folder / "xrootd.cfg", "-p", str(port), *as_user]
    with daemon(command, folder / "xrootd.log"):
        wait_until(lambda: _answers(port), "An answer of xrootd", folder / "xrootd.log")
        yield f"root://127.0.0.1:{port}/"


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
