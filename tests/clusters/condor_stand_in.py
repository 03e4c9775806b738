"""Stands in for condor_submit, condor_q and condor_rm: starts the command of a submit description on this machine.

It proves that the description can be read, that its quoting gives the worker's command line, and that jobs are found
and removed by the run they belong to. It proves nothing about matching, holding, file transfer or other machines.
"""

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

POOL = "LEPTOPHILE_CONDOR_STAND_IN"
"""Environment variable with the folder that is the pool."""
COMMANDS = ("condor_submit", "condor_q", "condor_rm")
_RUNNING = "2"


def install(folder: Path) -> None:
    """Put the commands into a folder, and this process into its pool."""
    (folder / "pool").mkdir(parents=True)
    for name in COMMANDS:
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" {name} "$@"\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)


def parse_description(text: str, cluster: int) -> dict[str, str]:
    """Return the commands of a submit description in lower case, with the macros of the job replaced."""
    found = re.findall(r"^\s*([A-Za-z+][\w.+]*)\s*=\s*(.*?)\s*$", text, re.MULTILINE)
    commands = {name.lower(): value for name, value in found}
    return {
        name: value.replace("$(ClusterId)", str(cluster)).replace("$(ProcId)", "0") for name, value in commands.items()
    }


def split_arguments(text: str) -> list[str]:
    r"""Split arguments in HTCondor's new syntax: all in double quotes, words grouped by single ones, both doubled.

    >>> split_arguments('"one \'two words\'"')
    ['one', 'two words']
    """
    if not (text.startswith('"') and text.endswith('"')):
        raise ValueError(f"not the new syntax: {text}")
    inner = text[1:-1].replace('""', "\0")
    if '"' in inner:
        raise ValueError(f"an unescaped double quote: {text}")
    words = re.findall(r"(?:[^\s']|'(?:[^']|'')*')+", inner.replace("\0", '"'))
    return [re.sub(r"'((?:[^']|'')*)'", lambda match: match.group(1).replace("''", "'"), word) for word in words]


def submit(pool: Path, description: Path) -> None:
    """Start a job in the background."""
    cluster = len(list(pool.glob("*.json"))) + 1
    commands = parse_description(description.read_text(), cluster)
    record = {"commands": commands, "run": json.loads(commands["my.leptophilerun"])}
    (pool / f"{cluster}.json").write_text(json.dumps(record))
    subprocess.Popen(
        [sys.executable, __file__, "job", str(pool / f"{cluster}.json")],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    sys.stdout.write(f"Submitting job(s).\n1 job(s) submitted to cluster {cluster}.\n")


def run_job(record: Path) -> None:
    """Run a job to its end and write that to its event log."""
    commands = json.loads(record.read_text())["commands"]
    process = None
    with Path(commands["output"]).open("wb") as output, Path(commands["error"]).open("wb") as error:
        words = [commands["executable"], *split_arguments(commands["arguments"])]
        process = subprocess.Popen(words, stdout=output, stderr=error, start_new_session=True)
        record.with_suffix(".pid").write_text(str(process.pid))
        status = process.wait()
    record.with_suffix(".pid").unlink()
    with Path(commands["log"]).open("a") as events:
        events.write(f"005 Job terminated.\n\t(1) Normal termination (return value {status})\n...\n")


def jobs(pool: Path, run: str | None) -> Mapping[str, int]:
    """Return the running jobs of a run, or all, with their process groups."""
    return {
        path.stem: int(path.read_text())
        for path in pool.glob("*.pid")
        if run is None or json.loads(path.with_suffix(".json").read_text())["run"] == run
    }


def main(name: str, arguments: list[str]) -> None:
    """Be one of the commands."""
    if name == "job":
        run_job(Path(arguments[0]))
        return
    pool = Path(os.environ[POOL])
    if name == "condor_submit":
        submit(pool, Path(arguments[-1]))
        return
    constraint = re.search(r'LeptophileRun == "(.*?)"', " ".join(arguments))
    found = jobs(pool, constraint.group(1) if constraint else None)
    if name == "condor_q":
        sys.stdout.writelines(f"{_RUNNING} undefined\n" for _ in found)
    else:
        wanted = found if constraint else {arguments[-1].partition(".")[0]} & set(found)
        for job in wanted:
            os.killpg(found[job], signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
