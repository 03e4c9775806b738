"""Published limits on the coupling ξ, as small tables with their source."""

import csv
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import BadInputError


@dataclass(frozen=True)
class PublishedLimits:
    """Upper limits on ξ against mass, in the order of increasing mass."""

    label: str
    source: str
    m_phi_gev: NDArray[np.float64]
    xi_ul: NDArray[np.float64]

    def at(self, m_phi_gev: float) -> float | None:
        """Return the published limit at a mass, or None where that mass was not published."""
        matches = np.flatnonzero(np.isclose(self.m_phi_gev, m_phi_gev, atol=1e-6))
        return float(self.xi_ul[matches[0]]) if matches.size else None


def load_published_limits(path: Path, *, label: str, source: str) -> PublishedLimits:
    """Read a CSV file of published limits.

    Parameters
    ----------
    path
        File with the columns ``m_phi_gev`` and ``xi_ul``; lines that start with ``#`` are comments.
    label
        Name in figure legends.
    source
        Where the numbers were published.

    Raises
    ------
    BadInputError
        If the file is missing, lacks a column or holds something that is not a positive number.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(line for line in stream if not line.startswith("#")))
    except OSError as error:
        raise BadInputError(f"Published limits {path} cannot be read: {error.strerror}.") from error
    try:
        points = sorted((float(row["m_phi_gev"]), float(row["xi_ul"])) for row in rows)
    except KeyError as error:
        raise BadInputError(f"Published limits {path} lack the column {error}.") from error
    except (TypeError, ValueError) as error:
        raise BadInputError(f"Published limits {path} hold an entry that is not a number: {error}.") from error
    table = np.array(points, dtype=np.float64).reshape(-1, 2)
    if not np.all(np.isfinite(table) & (table > 0)):
        raise BadInputError(f"Published limits {path} hold a mass or limit that is not positive and finite.")
    return PublishedLimits(label, source, table[:, 0], table[:, 1])


def belle_2022() -> PublishedLimits:
    """Return the observed limits of the analysis this project reproduces.

    >>> limits = belle_2022()
    >>> len(limits.m_phi_gev), limits.at(1.0)
    (262, 0.483)
    """
    with resources.as_file(resources.files("models") / "published" / "belle2022_xi_limits.csv") as path:
        return load_published_limits(path, label="Belle 626 fb⁻¹ (observed)", source="arXiv:2207.07476, Table I")
