"""What the inference at one mass point gives; every quantity has a status and is None unless it was computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from models.errors import LeptophileError

if TYPE_CHECKING:
    from models.inference.bayesian.expected_band import ExpectedBand


class InferenceError(LeptophileError):
    """A workspace cannot be used for inference; the message names the workspace's part that stands against it."""


class Status(StrEnum):
    """How the computation of one quantity ended."""

    OK = "ok"
    BLINDED = "blinded"
    """Not computed, because the workspace holds no observed data."""
    RATE_BOUNDARY = "rate_boundary"
    """Valid, but the best fit lies where the expected rate of a bin would turn negative: the deficit is as deep
    as the model can describe."""
    NUISANCE_BOUND = "nuisance_bound"
    """Valid, but a nuisance parameter of the best fit lies on its bound."""
    FIT_FAILED = "fit_failed"
    """A fit did not converge."""
    BACKGROUND_EXCLUDED = "background_excluded"
    """Events were observed in a bin where nothing is expected without signal, so there is no fit without it."""
    NO_CROSSING = "no_crossing"
    """The test never reaches the confidence level within the range searched."""
    NOT_CONVERGED = "not_converged"
    """Sampling did not reach its accuracy."""
    PRIOR_RANGE = "prior_range"
    """The posterior reaches the end of every prior range tried."""
    NO_PRIOR = "no_prior"
    """The method needs a prior for every nuisance parameter, and one has none."""
    NOT_COMPUTED = "not_computed"

    @property
    def is_usable(self) -> bool:
        """Whether a number was given."""
        return self in (Status.OK, Status.RATE_BOUNDARY, Status.NUISANCE_BOUND)


@dataclass(frozen=True)
class NuisanceFit:
    """One nuisance parameter at the best fit."""

    value: float
    error: float | None
    """Standard deviation after the fit; None where it was not fitted or lies on a bound."""
    pull: float | None
    """(Best fit − prior mean) / prior standard deviation; None without a prior."""
    constraint: float | None
    """Standard deviation after the fit over that of the prior."""
    impact_down_fb: float | None = None
    """Change of the best-fit cross-section when the parameter is held one `error` lower."""
    impact_up_fb: float | None = None
    """The same one `error` higher."""


@dataclass(frozen=True)
class GoodnessOfFit:
    """Likelihood ratio of the best fit to the saturated model."""

    statistic: float
    """−2 ln of the ratio, constraint terms included."""
    n_degrees_of_freedom: int
    """Bins less parameters without a constraint."""
    p_value: float | None
    """From the χ² distribution; None without degrees of freedom."""
    p_value_toys: float | None = None
    """Fraction of toys of the best fit that are at least as far from their own fits, where toys were asked for."""
    p_value_toys_error: float | None = None
    """Its binomial standard deviation."""


@dataclass(frozen=True)
class BestFit:
    """Maximum of the likelihood with the cross-section free."""

    status: Status
    xsec_hat_fb: float | None = None
    xsec_err_fb: float | None = None
    """From the curvature of the likelihood; at a rate boundary the distance upwards to Δ(−2 ln L) = 1."""
    xsec_err_down_fb: float | None = None
    """Distance downwards to Δ(−2 ln L) = 1; None if a rate turns negative before."""
    xsec_err_up_fb: float | None = None
    """Distance upwards to Δ(−2 ln L) = 1."""
    nll: float | None = None
    """−ln of the probability density at the best fit, normalised as pyhf does."""
    significance: float | None = None
    """√(−2 ln λ(0)) with the sign of the best-fit cross-section."""
    q0: float | None = None
    """Discovery statistic: the square of the significance of an excess, zero for a deficit."""
    p_local: float | None = None
    """Probability of a larger significance without signal, 1 − Φ(significance)."""
    goodness: GoodnessOfFit | None = None
    nuisances: Mapping[str, NuisanceFit] = field(default_factory=dict)
    """Nuisance parameter → its part in the fit."""
    yields: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Sample → expected events per bin at the best fit, bins of all channels in pyhf's order."""


@dataclass(frozen=True)
class ClsLimits:
    """Upper limits on the cross-section by the CLs method with asymptotic formulae."""

    status_observed: Status
    status_expected: Status
    observed_fb: float | None = None
    expected_fb: tuple[float | None, float | None, float | None, float | None, float | None] = (None,) * 5
    """Limits at −2, −1, 0, +1, +2 standard deviations of the background-only fluctuation."""


@dataclass(frozen=True)
class ToyClsLimits:
    """Upper limits on the cross-section by the CLs method with distributions from toys."""

    status_observed: Status
    status_expected: Status
    observed_fb: float | None = None
    observed_error_fb: float | None = None
    """Monte Carlo error."""
    expected_fb: tuple[float | None, float | None, float | None, float | None, float | None] = (None,) * 5
    """Limits at −2, −1, 0, +1, +2 standard deviations of the background-only fluctuation."""
    expected_errors_fb: tuple[float | None, float | None, float | None, float | None, float | None] = (None,) * 5
    """Monte Carlo errors."""
    n_toys: int = 0
    n_failed: int = 0
    """Toys with a fit that did not converge; they are left out."""


@dataclass(frozen=True)
class BayesianLimit:
    """Upper limit on the cross-section from its posterior, flat prior at and above zero."""

    status: Status
    limit_fb: float | None = None
    relative_error: float | None = None
    """Monte Carlo error of the limit, relative to it."""
    r_hat: float | None = None
    """Split R̂ of the chains (Metropolis–Hastings only)."""
    effective_size: float | None = None
    """Effective number of independent draws."""
    acceptance: float | None = None
    """Fraction of proposals accepted (Metropolis–Hastings only)."""
    prior_range_fb: float | None = None
    """End of the prior range."""


@dataclass(frozen=True)
class MassPointResult:
    """Fit, significance and limits at one mass point."""

    fit: BestFit
    cls: ClsLimits
    metropolis: BayesianLimit
    prior_averaging: BayesianLimit
    quasi_monte_carlo: BayesianLimit = BayesianLimit(Status.NOT_COMPUTED)
    expected_bayesian: ExpectedBand | None = None
    """Expected Bayesian limits, where they were asked for."""
    cls_toys: ToyClsLimits | None = None
    """CLs limits from toys, where they were asked for."""

    @property
    def parts(self) -> dict[str, Status]:
        """Status of every part that was asked for.

        The cross-check by prior averaging is left out: it may decline without harm to the result.
        """
        parts = {
            "fit": self.fit.status,
            "cls": self.cls.status_observed,
            "expected": self.cls.status_expected,
            "mh": self.metropolis.status,
            "qmc": self.quasi_monte_carlo.status,
        }
        if self.expected_bayesian is not None:
            parts["expected_bayesian"] = self.expected_bayesian.status
        if self.cls_toys is not None:
            parts |= {"cls_toys": self.cls_toys.status_observed, "expected_cls_toys": self.cls_toys.status_expected}
        return {part: status for part, status in parts.items() if status is not Status.NOT_COMPUTED}

    @property
    def status(self) -> str:
        """`ok`, `blinded`, or every part that is neither with its status, for example ``cls:no_crossing``."""
        parts = self.parts
        troubles = [f"{part}:{status}" for part, status in parts.items() if status not in (Status.OK, Status.BLINDED)]
        if troubles:
            return ";".join(troubles)
        return str(Status.BLINDED if Status.BLINDED in parts.values() else Status.OK)

    @property
    def is_complete(self) -> bool:
        """Whether every part that was asked for gave its number or is blinded."""
        return all(status.is_usable or status is Status.BLINDED for status in self.parts.values())

    def columns(self) -> dict[str, float | None]:
        """Return the numbers under the column names of the limits table."""
        names = ("m2", "m1", "0", "p1", "p2")
        band = self.expected_bayesian
        bayesian = band.limits_fb if band is not None else (None,) * len(names)
        return (
            {
                "xsec_hat_fb": self.fit.xsec_hat_fb,
                "xsec_err_fb": self.fit.xsec_err_fb,
                "significance": self.fit.significance,
                "p_local": self.fit.p_local,
                "xsec_ul_mh_fb": self.metropolis.limit_fb,
                "xsec_ul_qmc_fb": self.quasi_monte_carlo.limit_fb,
                "xsec_ul_toymc_fb": self.prior_averaging.limit_fb,
                "xsec_ul_cls_fb": self.cls.observed_fb,
            }
            | {f"xsec_exp_{name}_fb": value for name, value in zip(names, self.cls.expected_fb, strict=True)}
            | {f"xsec_bayes_exp_{name}_fb": value for name, value in zip(names, bayesian, strict=True)}
        )
