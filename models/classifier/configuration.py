"""Settings and failures of the classifier."""

from enum import StrEnum

from pydantic import Field

from models.errors import LeptophileError
from models.settings import Settings


class ClassifierError(LeptophileError):
    """A classifier cannot be trained, loaded or applied as asked."""


class ClassifierMethod(StrEnum):
    """What a classifier knows about the mass of the candidate."""

    PUBLISHED = "published"
    """Nothing: the mass is no input (arXiv:2207.07476)."""
    MASS_PARAMETRISED = "mass_parametrised"
    """The mass hypothesis is an input that no class can be told by. Signal trains with masses around the generated one,
    backgrounds with weights that make their mass distribution that of signal; what is learned is how the other inputs
    separate at a given mass. A candidate is scored at its own mass, where a signal of that mass would be. After
    P. Baldi et al., Eur. Phys. J. C 76 (2016) 235."""


class ClassifierInputs(StrEnum):
    """Which inputs a classifier has, beside the mass hypothesis if it is one."""

    PUBLISHED = "published"
    """Those of the published analysis (arXiv:2207.07476)."""
    EXTENDED = "extended"
    """Also the topology of the τ pair and of the pair of leptons (`processors.topology_features`)."""


class ClassifierSettings(Settings):
    """Training of one channel's classifier.

    The published analysis states the classes and inputs but not the hyper-parameters; these were chosen for
    smooth scores at the sample sizes of the `demo` profile and are not tuned to the limits.
    """

    method: ClassifierMethod = ClassifierMethod.PUBLISHED
    """Whether the mass hypothesis is an input."""
    inputs: ClassifierInputs = ClassifierInputs.PUBLISHED
    """What candidates are told apart by."""
    mass_bins: int = Field(default=40, ge=1)
    """Bins in the mass's logarithm that classes are balanced in if it is."""
    n_folds: int = Field(default=4, ge=3)
    """Models per channel. Model k is tested on fold k, stopped early on fold k+1 and fitted to the others."""
    seed: int = Field(default=20220707, ge=0)
    """Seed of the fold hash and of xgboost."""
    n_rounds: int = Field(default=300, ge=1)
    """Most boosting rounds."""
    early_stopping_rounds: int = Field(default=15, ge=1)
    """Rounds without improvement of the validation loss after which boosting stops."""
    learning_rate: float = Field(default=0.15, gt=0, le=1)
    """Shrinkage of each round."""
    max_depth: int = Field(default=4, ge=1)
    """Depth of the trees."""
    min_child_weight: float = Field(default=2.0, ge=0)
    """Least summed hessian of a leaf. Background events weigh one on average and contribute at most a half each."""
    l2_regularisation: float = Field(default=1.0, ge=0)
    """Ridge penalty on leaf values."""
    max_bins: int = Field(default=128, ge=2)
    """Histogram bins per feature."""
    candidates_max: int = Field(default=300_000, ge=1)
    """Candidates of a class that are trained with: of larger samples a random part, the same in every training."""
    half_share_events: float = Field(default=50.0, ge=0)
    """Effective events at which a background class, or a signal mass, gets half of the weight that balancing gives it.

    A class of a handful of events is therefore not blown up to the weight of thousands.
    """
