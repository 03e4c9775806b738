"""Configuration of the Bayesian limits."""

from enum import StrEnum

from pydantic import Field

from models.inference.bayesian.prior_names import XsecPrior
from models.settings import Settings


class PosteriorSettings(Settings):
    """Prior of the cross-section and its range."""

    prior: XsecPrior = XsecPrior.FLAT_XSEC
    """Prior of the cross-section (`models.inference.bayesian.priors`)."""
    n_nodes: int = Field(default=65, ge=17)
    """Nodes of Simpson's rule over the prior range; odd."""
    range_log_drop: float = Field(default=14.0, gt=5)
    """The prior range ends where the likelihood has fallen by this from its maximum in ln L, and further where
    nuisance parameters widen it."""
    tail_below: float = Field(default=1e-4, gt=0)
    """Largest posterior probability allowed at the end of the prior range."""
    maximum_extensions: int = Field(default=4, ge=0)
    """Times the prior range may be extended before the limit is given up."""


class MetropolisSettings(Settings):
    """Metropolis–Hastings sampling of the posterior."""

    n_chains: int = Field(default=64, ge=16)
    """Chains; their spread gives the Monte Carlo error, hence not few."""
    burn_in_steps: int = Field(default=24, ge=8)
    """Steps thrown away. The proposal is adapted to them, and never afterwards."""
    adaptation_draws: float = Field(default=40.0, gt=0)
    """Burn-in draws per dimension at which the proposal follows the draws as much as the first approximation."""
    first_look_steps: int = Field(default=64, ge=8)
    """Steps before the first look at the convergence."""
    look_growth: float = Field(default=1.5, gt=1)
    """Ratio of the steps at one look to those at the look before."""
    maximum_steps: int = Field(default=2048, ge=8)
    """Steps after which the sampling gives up and says so."""
    tempering: float = Field(default=1.5, ge=1)
    """Proposals take the counts to know this factor less than they do: wider tails where they constrain."""
    step_sizes: tuple[float, ...] = (1.0, 0.5)
    """Sizes of the proposal, used in turn: 1 is a fresh draw, less is a step around the present point."""
    r_hat_below: float = Field(default=1.05, gt=1)
    """Largest split R̂ that counts as converged."""
    effective_size_above: float = Field(default=400.0, gt=0)
    """Smallest effective sample size that counts as converged."""
    relative_error_target: float = Field(default=0.005, gt=0)
    """Monte Carlo error of the limit, relative to it, at which sampling ends."""
    relative_error_accepted: float = Field(default=0.03, gt=0)
    """Largest such error with which a limit is still given when the steps run out."""


class PriorAveragingSettings(Settings):
    """Numerical integration over the nuisance priors (toy Monte Carlo)."""

    first_draws: int = Field(default=2048, ge=0)
    """Draws before the first look at the error; 0 leaves the method out."""
    maximum_draws: int = Field(default=32768, ge=16)
    """Draws, doubled from look to look, after which the integration ends."""
    relative_error_target: float = Field(default=0.005, gt=0)
    """Monte Carlo error of the limit, relative to it, at which the integration ends."""
    relative_error_accepted: float = Field(default=0.03, gt=0)
    """Largest such error with which a limit is still given when the draws run out."""
    effective_size_above: float = Field(default=100.0, gt=0)
    """Smallest effective number of draws: below it the data know the nuisance parameters so much better than their
    priors that the error is not to be believed, and the method declines."""


class ToyNuisances(StrEnum):
    """Where the nuisance parameters of background-only toys come from."""

    PRIOR = "prior"
    FITTED = "fitted"


class ExpectedBandSettings(Settings):
    """Expected Bayesian limits from toys."""

    n_toys: int = Field(default=200, ge=20)
    """Background-only toys a mass point."""
    nuisances: ToyNuisances = ToyNuisances.PRIOR
    """`prior`: drawn anew for every toy from their priors, those without one stay at the background-only fit. `fitted`:
    all at the background-only fit."""
    first_draws: int = Field(default=256, ge=16)
    """Draws of the nuisance parameters for one toy's limit, in pairs of opposite sign."""
    maximum_draws: int = Field(default=2048, ge=16)
    """Draws, doubled until enough of them count, after which a toy has failed."""
    effective_size_above: float = Field(default=40.0, gt=0)
    """Effective number of draws that is enough."""
    n_nodes: int = Field(default=33, ge=17)
    """Nodes of Simpson's rule over the prior range; odd."""
    largest_failed_fraction: float = Field(default=0.02, ge=0, lt=1)
    """Fraction of toys that may fail before the band is not given."""


class BayesianSettings(Settings):
    """All Bayesian limits."""

    posterior: PosteriorSettings = PosteriorSettings()
    """Prior of the cross-section and its range."""
    metropolis: MetropolisSettings = MetropolisSettings()
    """Published method."""
    prior_averaging: PriorAveragingSettings = PriorAveragingSettings()
    """Cross-check."""
    expected: ExpectedBandSettings = ExpectedBandSettings()
    """Expected limits."""
