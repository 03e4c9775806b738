"""Time and memory of `leptophile limits` for thousands of workspaces: what the client holds must not grow with them.

Each workspace is as small as they come, one bin, so that what is seen is what surrounds the inference.

    OMP_NUM_THREADS=1 python benchmarks/many_workspaces.py [--points 10000] [--site local|tcp://…]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import psutil

from scheduler.commands.main import run_command


def write_workspaces(folder: Path, n_points: int) -> list[Path]:
    """Write one-bin workspaces with different observations."""
    paths = []
    for index in range(n_points):
        samples = [
            {"name": "signal", "data": [2.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
            {
                "name": "background",
                "data": [5.0],
                "modifiers": [{"name": "yield", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}],
            },
        ]
        workspace = {
            "channels": [{"name": "bin", "samples": samples}],
            "observations": [{"name": "bin", "data": [float(index % 12)]}],
            "measurements": [{"name": "any", "config": {"poi": "mu", "parameters": []}}],
            "version": "1.0.0",
        }
        paths.append(folder / f"point{index}.json")
        paths[-1].write_text(json.dumps(workspace), encoding="utf-8")
    return paths


@contextmanager
def memory_watched(interval_s: float) -> Iterator[list[float]]:
    """Yield a list that gets the memory of this process, MiB, again and again."""
    seen: list[float] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(interval_s):
            seen.append(psutil.Process().memory_info().rss / 2**20)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--site", default="local")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, Path(os.devnull).open("w") as nowhere:
        paths = write_workspaces(Path(name), options.points)
        out = Path(name) / "limits.json"
        command = ["limits", *map(str, paths), "--json", str(out), "--method", "cls", "--site", options.site]
        start, cpu_s = time.perf_counter(), _cpu_s()
        with memory_watched(0.5) as seen, redirect_stdout(nowhere):
            status = run_command(command)
        eighths = [seen[round(k * (len(seen) - 1) / 8)] for k in range(9)]
        print(
            f"{options.points} workspaces, exit status {status}: {time.perf_counter() - start:.1f} s, "
            f"{1e3 * (_cpu_s() - cpu_s) / options.points:.1f} ms of processor time a point, "
            f"{out.stat().st_size / 2**20:.1f} MiB written; memory of the client at each eighth of the time, MiB: "
            + " ".join(f"{value:.0f}" for value in eighths)
        )


def _cpu_s() -> float:
    """Return the processor time of this process and of those it has waited for."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


if __name__ == "__main__":
    main()
