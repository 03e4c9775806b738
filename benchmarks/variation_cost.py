"""What weight and shape variations cost beside the nominal selection alone: processor time and ratio, in one run.

The ntuples of a run folder are selected twice, file by file: with nominal kinematics and weights only, and with
everything. Files of one sample are alike, so the first of each is measured and counts for all.

    python benchmarks/variation_cost.py RUN_FOLDER
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uproot
from coffea.nanoevents import NanoEventsFactory

from processors.belle_schema import BelleSchema
from processors.candidate_processor import CandidateProcessor
from processors.configuration import CandidateSettings
from processors.ntuple import TREE_NAME
from processors.sample import read_sample_metadata
from processors.variations import Kinematics

REPETITIONS = 2


def processor_time_s(path: Path, folder: Path, kinematics: Sequence[Kinematics]) -> float:
    """Return the shortest processor time of several selections of one file."""
    with uproot.open(path) as file:
        n_events = file[TREE_NAME].num_entries
    metadata = {"dataset": path.parent.name, "filename": str(path), "entrystart": 0, "entrystop": n_events}
    metadata |= read_sample_metadata(path).model_dump(mode="json")
    varied = len(kinematics) > 1
    processor = CandidateProcessor(CandidateSettings(), folder, kinematics=kinematics, varied_weights=varied)
    times = []
    for _ in range(REPETITIONS):
        start = time.process_time()
        events = NanoEventsFactory.from_root(
            {str(path): TREE_NAME}, mode="virtual", schemaclass=BelleSchema, metadata=metadata
        ).events()
        processor.process(events)
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Measure every sample of a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="run folder with ntuples")
    samples = sorted(path for path in (parser.parse_args().run / "ntuples").iterdir() if any(path.glob("*.root")))
    totals = [0.0, 0.0]
    with tempfile.TemporaryDirectory() as name:
        processor_time_s(sorted(samples[0].glob("*.root"))[0], Path(name), tuple(Kinematics))  # compiles
        for sample in samples:
            files = sorted(sample.glob("*.root"))
            nominal, everything = (
                len(files) * processor_time_s(files[0], Path(name), kinematics)
                for kinematics in ((Kinematics.NOMINAL,), tuple(Kinematics))
            )
            totals = [totals[0] + nominal, totals[1] + everything]
            sys.stdout.write(f"{sample.name:<20} {nominal:7.2f} s {everything:7.2f} s {everything / nominal:5.2f}\n")
    sys.stdout.write(f"{'all':<20} {totals[0]:7.2f} s {totals[1]:7.2f} s {totals[1] / totals[0]:5.2f}\n")


if __name__ == "__main__":
    main()
