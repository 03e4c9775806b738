"""The table of limits: one row a mass point, written for scripts and read back by the report."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import BadInputError
from models.inference.toy_significances import GlobalPValue
from models.settings import Settings


class LimitRow(Settings):
    """Result of one mass point; a quantity that was not computed, or is blinded, is None."""

    channel: str
    """The search (`models.search.Search`) the point belongs to names the channel: ``ee`` or ``mumu``."""
    m_phi_gev: float
    xsec_hat_fb: float | None
    xsec_err_fb: float | None
    significance: float | None
    """Signed: negative for a deficit."""
    p_local: float | None
    xsec_ul_mh_fb: float | None
    """Bayesian 90 % limit by Metropolis–Hastings, flat prior in the cross-section."""
    xsec_ul_qmc_fb: float | None
    """The same by quasi-Monte Carlo integration: the precise one."""
    xsec_ul_toymc_fb: float | None
    xsec_ul_cls_fb: float | None
    xsec_exp_m2_fb: float | None
    xsec_exp_m1_fb: float | None
    xsec_exp_0_fb: float | None
    xsec_exp_p1_fb: float | None
    xsec_exp_p2_fb: float | None
    xi_ul: float | None
    """Limit on the coupling, from the precise Bayesian cross-section limit (`xsec_ul_qmc_fb`), in the convention of
    `scan.xi_convention`."""
    xi_exp_m2: float | None
    xi_exp_m1: float | None
    xi_exp_0: float | None
    xi_exp_p1: float | None
    xi_exp_p2: float | None
    status: str
    xi_ul_lifetime_aware: float | None = None
    """The same where the lifetime counts in the whole ee channel and φ → γγ in the width."""
    xi_exp_m2_lifetime_aware: float | None = None
    xi_exp_m1_lifetime_aware: float | None = None
    xi_exp_0_lifetime_aware: float | None = None
    xi_exp_p1_lifetime_aware: float | None = None
    xi_exp_p2_lifetime_aware: float | None = None
    xi_status_lifetime_aware: str | None = None
    """How these came about: the limit furthest from convergence, with its column."""
    xsec_bayes_exp_m2_fb: float | None = None
    """Expected Bayesian limits, from background-only toys, where `inference.methods` has `expected_bayesian`; those
    without `bayes` in their name are CLs limits."""
    xsec_bayes_exp_m1_fb: float | None = None
    xsec_bayes_exp_0_fb: float | None = None
    xsec_bayes_exp_p1_fb: float | None = None
    xsec_bayes_exp_p2_fb: float | None = None


class LifetimeLimit(Settings):
    """Cross-section limits at one mass and decay length of φ."""

    channel: str
    m_phi_gev: float
    ctau_mm: float
    """Proper decay length, zero for prompt."""
    xsec_ul_qmc_fb: float | None
    """Bayesian limit by quasi-Monte Carlo integration."""
    xsec_exp_m2_fb: float | None
    xsec_exp_m1_fb: float | None
    xsec_exp_0_fb: float | None
    xsec_exp_p1_fb: float | None
    xsec_exp_p2_fb: float | None
    status: str


class CouplingRow(Settings):
    """One limit on ξ at one mass point in one convention."""

    channel: str
    m_phi_gev: float
    convention: str
    limit: str
    """Column of the limits table it belongs to."""
    xi: float | None
    """Every larger coupling is excluded."""
    ctau_mm: float | None
    """Decay length at that coupling."""
    xsec_ul_fb: float | None
    """Cross-section limit at that decay length."""
    xi_smallest_excluded: float | None
    """Below the limit where couplings are excluded in bands, else the limit."""
    n_bands: int
    """Bands of excluded couplings below the limit."""
    status: str


class LimitedTemplate(Settings):
    """A variation of a template that was too large for the statistical model and entered it reduced."""

    channel: str
    m_phi_gev: float
    ctau_mm: float
    """Proper decay length of the signal, zero for prompt."""
    sample: str
    source: str
    n_bins: int
    """Bins whose change of shape was reduced."""
    yield_limited: bool
    """Whether the change of the whole yield was."""


class LargestExcess(Settings):
    """The most significant mass point of the scan, and the probability of one like it anywhere in the scan."""

    channel: str
    m_phi_gev: float
    z_local: float
    p_local: float
    p_global: float
    """Upper bound from the number of up-crossings and of mass points."""
    z_global: float | None
    n_points: int
    n_upcrossings: int
    reference_level: float
    toys: GlobalPValue | None = None
    """The probability from toys of the whole spectrum; None if none were asked for or their fits failed."""


COLUMNS = tuple(LimitRow.model_fields)


def write_limits(rows: Sequence[LimitRow], csv_path: Path, json_path: Path) -> None:
    """Write the table as CSV and as a JSON list of objects, ordered by channel and mass."""
    ordered = sorted(rows, key=lambda row: (row.channel, row.m_phi_gev))
    _write_csv(csv_path, COLUMNS, ordered)
    json_path.write_text(json.dumps([row.model_dump() for row in ordered], indent=1, allow_nan=False), encoding="utf-8")


def write_lifetime_limits(limits: Sequence[LifetimeLimit], path: Path) -> None:
    """Write limits by decay length as CSV, ordered by channel, mass and decay length."""
    ordered = sorted(limits, key=lambda limit: (limit.channel, limit.m_phi_gev, limit.ctau_mm))
    _write_csv(path, tuple(LifetimeLimit.model_fields), ordered)


def write_couplings(couplings: Sequence[CouplingRow], path: Path) -> None:
    """Write the limits on ξ in both conventions as CSV, in the order of the scan."""
    _write_csv(path, tuple(CouplingRow.model_fields), couplings)


def write_limited_templates(limited: Sequence[LimitedTemplate], path: Path) -> None:
    """Write the variations that entered the statistical models reduced as CSV, in the order of the scan."""
    _write_csv(path, tuple(LimitedTemplate.model_fields), limited)


def read_limits(csv_path: Path) -> list[LimitRow]:
    """Read a table that `write_limits` wrote.

    Raises
    ------
    BadInputError
        If the file is missing or its columns are not those of `LimitRow`.
    """
    try:
        with csv_path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            found = tuple(reader.fieldnames or ())
            lines = list(reader)
    except OSError as error:
        raise BadInputError(f"The limits table {csv_path} cannot be read: {error.strerror}.") from error
    if found != COLUMNS:
        missing = sorted(set(COLUMNS) ^ set(found))
        raise BadInputError(f"The limits table {csv_path} has missing or unknown columns: {', '.join(missing)}.")
    return [LimitRow.model_validate({name: text or None for name, text in line.items()}) for line in lines]


def column(rows: Sequence[LimitRow], name: str) -> NDArray[np.float64]:
    """Return one numeric column, NaN where it is empty, shape (n_rows,)."""
    return np.array([np.nan if (value := getattr(row, name)) is None else value for row in rows], dtype=np.float64)


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[Settings]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=columns)
        writer.writeheader()
        for row in rows:
            writer.writerow({name: "" if value is None else value for name, value in row.model_dump().items()})
