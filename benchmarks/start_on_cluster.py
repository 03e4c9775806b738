"""From a command's start to its first finished task on a cluster that is already running.

    python benchmarks/start_on_cluster.py --repeats 3

Starts a scheduler with two workers once, then fresh processes that do what every command with `--site tcp://…` does,
and shows wall and processor time of each part. What a step imports to do its work is shown apart: it is the step's.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHILD = "LEPTOPHILE_BENCHMARK_ADDRESS"


@contextmanager
def timed(part: str) -> Iterator[None]:
    """Show how long something takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    print(f"{part:50s} {time.perf_counter() - wall:7.2f} {time.process_time() - cpu:7.2f}", flush=True)


def start(address: str) -> None:
    """Do what a command does."""
    with timed("all up to the first finished task"):
        with timed("  the command line and its configuration"):
            import scheduler.commands.main
            from scheduler.clusters import connect
            from scheduler.configuration import load_configuration
            from scheduler.progress import Terminal

            config = load_configuration("demo")
        with timed("  connect to the scheduler and compare workers"):
            context = connect(address, config.cluster, Terminal())
            client = context.__enter__()
        with timed("  first task"):
            assert client.submit(sum, [1, 2]).result() == 3
    context.__exit__(None, None, None)
    with timed("identity of the code of all steps"):
        from scheduler.run_folder import RunFolder
        from scheduler.steps.chain import steps_of
        from scheduler.steps.step import fingerprint

        identities: dict[str, str] = {}
        for step in steps_of(config):
            identities[step.name] = fingerprint(step, config, RunFolder(Path("nowhere")), identities)
    with timed("imports of the step process: coffea, awkward, …"):
        import scheduler.steps.process  # noqa: F401


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    from distributed import LocalCluster

    print(f"{'':50s} {'wall s':>7s} {'CPU s':>7s}")
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:
        for _ in range(options.repeats):
            environment = {**os.environ, CHILD: cluster.scheduler_address}
            subprocess.run([sys.executable, __file__], env=environment, check=True)


if __name__ == "__main__":
    if CHILD in os.environ:
        start(os.environ[CHILD])
    else:
        main()
