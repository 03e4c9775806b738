"""Remake the shipped cross-section table: `python -m models.theory.make_table [destination]`."""

import argparse
import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.constants import TAU_MASS_GEV
from models.theory.configuration import CollisionSettings, QuadratureSettings, TableSettings
from models.theory.cross_section import TABLE_COLUMNS, TABLE_PATH
from models.theory.integration import integrate_cross_sections


def table_masses_gev(collision: CollisionSettings, table: TableSettings) -> NDArray[np.float64]:
    """Return the masses of the table, dense where the cross-section turns: at light φ and at threshold.

    >>> masses = table_masses_gev(CollisionSettings(), TableSettings(points=10))
    >>> len(masses), bool(np.all(np.diff(masses) > 0))
    (10, True)
    """
    highest = collision.sqrt_s_gev - 2.0 * TAU_MASS_GEV
    ends = np.array([table.lowest_mass_gev, highest - table.closest_to_threshold_gev])
    first, last = np.log(ends / (highest - ends))
    return highest / (1.0 + np.exp(-np.linspace(first, last, table.points)))


def write_table(destination: Path, collision: CollisionSettings, table: TableSettings) -> None:
    """Integrate the cross-sections at every mass of the table and write them as CSV.

    Parameters
    ----------
    destination
        File to write.
    collision, table
        Collision energy and masses.
    """
    with destination.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(TABLE_COLUMNS)
        for mass in table_masses_gev(collision, table):
            cross_sections = integrate_cross_sections(float(mass), collision, QuadratureSettings())
            writer.writerow([f"{value:.10g}" for value in (collision.sqrt_s_gev, mass, *cross_sections)])


def main() -> None:
    """Remake the table, at the place given or where the software reads it."""
    parser = argparse.ArgumentParser(description="Remake the cross-section table.")
    parser.add_argument("destination", nargs="?", type=Path, default=TABLE_PATH, help="the shipped table by default")
    write_table(parser.parse_args().destination, CollisionSettings(), TableSettings())


if __name__ == "__main__":
    main()
