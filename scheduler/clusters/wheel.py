"""The project as a wheel, made from the files that are running: nothing has to be built, published or downloaded."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import io
import zipfile
from typing import Final

from scheduler.clusters.worker_setup import project_files
from scheduler.code_identity import DISTRIBUTION, PROJECT_PACKAGES

_WHEEL: Final = "Wheel-Version: 1.0\nGenerator: leptophile\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def wheel_name() -> str:
    """Return the file name of the wheel.

    >>> wheel_name().startswith("leptophile-") and wheel_name().endswith("-py3-none-any.whl")
    True
    """
    return f"{DISTRIBUTION}-{importlib.metadata.version(DISTRIBUTION)}-py3-none-any.whl"


def build_wheel() -> bytes:
    """Return a wheel of the packages and data files that this process runs; the same files give the same bytes."""
    distribution = importlib.metadata.distribution(DISTRIBUTION)
    info = f"{DISTRIBUTION}-{distribution.version}.dist-info"
    contents = {name: path.read_bytes() for name, path in project_files(PROJECT_PACKAGES).items()}
    # An .egg-info folder, which a checkout may have, calls the same text PKG-INFO.
    metadata = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    contents[f"{info}/METADATA"] = metadata.encode()
    contents[f"{info}/entry_points.txt"] = (distribution.read_text("entry_points.txt") or "").encode()
    contents[f"{info}/WHEEL"] = _WHEEL.encode()
    record = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in contents.items()]
    contents[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
