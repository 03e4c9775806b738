"""Remake the shipped τ⁺τ⁻ℓ⁺ℓ⁻ cross-section table: `python -m models.theory.make_four_lepton_table [destination]`."""

import argparse
import csv
from pathlib import Path
from typing import Final

from models.search import Channel
from models.theory.four_lepton_cross_section import (
    FOUR_LEPTON_TABLE_PATH,
    HEAVY_ELECTRONS_GEV,
    FourLeptonCrossSection,
    integrate_four_lepton_cross_section,
)

ENERGIES_GEV: Final = (10.4, 10.58, 10.9)
"""Around the Υ(4S), from below the continuum data to the Υ(5S); between them the cross-section is linear to 10⁻³."""
SELECTIONS: Final = ((Channel.EE, 0.0), (Channel.EE, HEAVY_ELECTRONS_GEV), (Channel.MUMU, 0.0))
"""Flavours and smallest pair masses."""
N_TRIALS: Final = 600_000
"""Trials of each integral: statistical errors of 2 to 3 per mille."""
SEED: Final = 1


def write_table(destination: Path) -> None:
    """Integrate every row and write the table as CSV."""
    rows = [
        integrate_four_lepton_cross_section(channel, lowest, energy, N_TRIALS, SEED)
        for channel, lowest in SELECTIONS
        for energy in ENERGIES_GEV
    ]
    with destination.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(FourLeptonCrossSection._fields)
        for row in rows:
            writer.writerow([row.channel, *(f"{value:.7g}" for value in row[1:])])


def main() -> None:
    """Remake the table, at the place given or where the software reads it."""
    parser = argparse.ArgumentParser(description="Remake the table of four-lepton cross-sections.")
    parser.add_argument("destination", nargs="?", type=Path, default=FOUR_LEPTON_TABLE_PATH, help="the shipped table")
    write_table(parser.parse_args().destination)


if __name__ == "__main__":
    main()
