"""One pyhf workspace from its file to its object in the JSON list that ``leptophile limits`` writes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from models.errors import BadInputError, LeptophileError

if TYPE_CHECKING:
    from models.inference.configuration import InferenceSettings
    from models.inference.results import BayesianLimit, MassPointResult

FAILED: Final = "failed: "
"""What the status of a workspace without a result starts with; the reason follows."""


class Engine(StrEnum):
    """What computes the limits."""

    COMPILED = "compiled"
    PYHF = "pyhf"


_MODULES: Final = {Engine.COMPILED: "models.inference.engine", Engine.PYHF: "models.inference.pyhf_engine"}


@dataclass(frozen=True)
class WorkspaceFile:
    """A workspace that is asked for."""

    index: int
    """Its place among all that are."""
    name: str
    """What it is called."""
    path: Path
    identity: str | None = None
    """Digest of all that its result follows from; None if nobody keeps the result."""
    text: str | None = None
    """Its content, where whoever computes does not see the file."""
    closed: str = ""
    """Why its observed data may not be looked at, a sentence; empty if they may."""


def workspace_files(paths: Sequence[Path]) -> list[WorkspaceFile]:
    """Return the workspaces asked for, called by their files' names, with the folders where those are not unique.

    Those in run folders without an unblinding are marked as closed.

    >>> [file.name for file in workspace_files([Path("ee/m1.json"), Path("mumu/m1.json"), Path("mumu/m2.json")])]
    ['ee/m1', 'mumu/m1', 'm2']
    """
    from scheduler.unblinding import closed_because, run_of_workspace

    stems = Counter(path.stem for path in paths)
    names = [path.stem if stems[path.stem] == 1 else str(path.with_suffix("")) for path in paths]
    runs = [run_of_workspace(path) for path in paths]
    reasons = {run.path: closed_because(run) or "" for run in {run.path: run for run in runs if run}.values()}
    return [
        WorkspaceFile(index, name, path, closed=reasons[run.path] if run is not None else "")
        for index, (name, path, run) in enumerate(zip(names, paths, runs, strict=True))
    ]


def read_text(path: Path) -> str:
    """Return what a workspace file contains.

    Raises
    ------
    BadInputError
        If it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"The workspace {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BadInputError(f"The workspace {path} is not JSON: {error}.") from error


def parse(text: str, path: Path) -> Mapping[str, Any]:
    """Return the content of a workspace file.

    Raises
    ------
    BadInputError
        If it is not a JSON object.
    """
    try:
        specification = json.loads(text)
    except ValueError as error:
        raise BadInputError(f"The workspace {path} is not JSON: {error}.") from error
    if not isinstance(specification, dict):
        raise BadInputError(f"The workspace {path} is not a JSON object.")
    return specification


@dataclass(frozen=True)
class WorkspaceInference:
    """What is computed for every workspace; called with one, on whatever worker."""

    settings: InferenceSettings
    measurement: str | None
    """Name of the measurement; None for the first."""
    engine: Engine
    seed: int
    """Seed of the Bayesian methods, the same for every workspace: a result does not depend on what else is asked."""

    def identified(self, file: WorkspaceFile) -> WorkspaceFile:
        """Return a workspace with the identity of its result; without one if it cannot be read."""
        from scheduler.code_identity import computation_identity
        from scheduler.result_store import result_key

        try:
            text = read_text(file.path)
        except BadInputError:
            return file
        engine = computation_identity(_MODULES[self.engine])
        what = {"name": file.name, "path": str(file.path), "workspace": text, "closed": file.closed}
        settings = self.settings.model_dump(mode="json")
        return replace(
            file,
            identity=result_key(engine=engine, settings=settings, seed=self.seed, measurement=self.measurement, **what),
        )

    def __call__(self, file: WorkspaceFile) -> str:
        """Return the workspace's object as JSON in one line; what went wrong is its status."""
        from models.inference.workspace import is_blinded

        try:
            text = read_text(file.path) if file.text is None else file.text
            specification = parse(text, file.path)
            if file.closed and not is_blinded(specification):
                return failed(file, file.closed)
            return _line(file, self._infer(specification), "")
        except LeptophileError as error:
            return _line(file, None, str(error))
        except Exception as error:  # noqa: BLE001 - one workspace must not cost the others, whatever is wrong with it
            return _line(file, None, f"{type(error).__name__}: {error}")

    def _infer(self, specification: Mapping[str, Any]) -> MassPointResult:
        import numpy as np

        if self.engine is Engine.PYHF:
            from models.inference.pyhf_engine import infer_with_pyhf

            return infer_with_pyhf(specification, self.settings, self.measurement)
        from models.inference.engine import infer_mass_point

        return infer_mass_point(specification, self.settings, np.random.SeedSequence(self.seed), self.measurement)


def failed(file: WorkspaceFile, reason: str) -> str:
    """Return the object, as JSON in one line, of a workspace that was never computed."""
    return _line(file, None, reason)


def _line(file: WorkspaceFile, result: MassPointResult | None, failure: str) -> str:
    return json.dumps(entry(file, result, failure), allow_nan=False)


def entry(file: WorkspaceFile, result: MassPointResult | None, failure: str = "") -> dict[str, Any]:
    """Return what the JSON file says of one workspace; everything that was not found is null.

    Parameters
    ----------
    file
        The workspace.
    result
        What was found, None if there is nothing.
    failure
        Why not, one sentence.
    """
    from models.inference.results import BayesianLimit, BestFit, ClsLimits, MassPointResult, Status

    none = BayesianLimit(Status.NOT_COMPUTED)
    nothing = MassPointResult(
        BestFit(Status.NOT_COMPUTED), ClsLimits(Status.NOT_COMPUTED, Status.NOT_COMPUTED), none, none
    )
    found = result or nothing
    fit, band, toys = found.fit, found.expected_bayesian, found.cls_toys
    return {
        "name": file.name,
        "workspace": str(file.path),
        "status": f"{FAILED}{failure}" if result is None else result.status,
        "is_complete": result is not None and result.is_complete,
        "identity": file.identity,
        "mu_hat": fit.xsec_hat_fb,
        "mu_err": fit.xsec_err_fb,
        "mu_err_down": fit.xsec_err_down_fb,
        "mu_err_up": fit.xsec_err_up_fb,
        "nll": fit.nll,
        "significance": fit.significance,
        "q0": fit.q0,
        "p_local": fit.p_local,
        "gof_p": fit.goodness.p_value if fit.goodness is not None else None,
        "gof_p_toys": fit.goodness.p_value_toys if fit.goodness is not None else None,
        "cls_obs": found.cls.observed_fb,
        "cls_exp": list(found.cls.expected_fb),
        "cls_toys_obs": toys.observed_fb if toys is not None else None,
        "cls_toys_obs_err": toys.observed_error_fb if toys is not None else None,
        "cls_toys_exp": list(toys.expected_fb) if toys is not None else [None] * 5,
        "cls_toys_exp_err": list(toys.expected_errors_fb) if toys is not None else [None] * 5,
        "bayes_qmc": found.quasi_monte_carlo.limit_fb,
        "bayes_qmc_err": _error(found.quasi_monte_carlo),
        "bayes_mh": found.metropolis.limit_fb,
        "bayes_mh_err": _error(found.metropolis),
        "bayes_toymc": found.prior_averaging.limit_fb,
        "bayes_toymc_err": _error(found.prior_averaging),
        "bayes_exp": list(band.limits_fb) if band is not None else [None] * 5,
        "details": asdict(found) if result is not None else None,
    }


def _error(limit: BayesianLimit) -> float | None:
    """Return the Monte Carlo error of a limit in the unit of the parameter of interest."""
    if limit.limit_fb is None or limit.relative_error is None:
        return None
    return limit.limit_fb * limit.relative_error


class Summary(NamedTuple):
    """What is remembered of a workspace's result while others are computed."""

    path: Path
    status: str
    is_complete: bool
    numbers: str
    """The most important ones, for people."""

    @property
    def failure(self) -> str | None:
        """Why there is no result, None if there is one."""
        return self.status.removeprefix(FAILED) if self.status.startswith(FAILED) else None


def summary(found: Mapping[str, Any]) -> Summary:
    """Return what is remembered of an `entry`."""
    numbers = {
        "best fit": found["mu_hat"],
        "significance": found["significance"],
        "Bayesian limit": found["bayes_qmc"] or found["bayes_mh"] or found["bayes_toymc"],
        "CLs limit": found["cls_obs"],
        "CLs limit from toys": found["cls_toys_obs"],
        "expected CLs limit": found["cls_exp"][2],
        "expected Bayesian limit": found["bayes_exp"][2],
    }
    shown = ", ".join(f"{name} {number:.4g}" for name, number in numbers.items() if number is not None)
    return Summary(Path(found["workspace"]), found["status"], found["is_complete"], shown or "no result")
