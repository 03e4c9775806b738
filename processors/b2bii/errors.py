"""What can be wrong with a B2BII file, each named; every message says file and, where there is one, tree and entry."""

from models.errors import BadInputError


class UnreadableFileError(BadInputError):
    """The file is missing, truncated, damaged, or not a ROOT file."""


class MissingTreeError(BadInputError):
    """The file lacks one of the trees."""


class MissingBranchError(BadInputError):
    """A tree lacks a variable that conversion cannot do without."""


class BranchTypeError(BadInputError):
    """A branch does not hold what its variable should be."""


class EmptyTreeError(BadInputError):
    """A tree has no entries."""


class MisalignedTreesError(BadInputError):
    """The trees do not hold the same events in the same order."""


class BadNumberError(BadInputError):
    """A number is not finite, or not one that its variable can have."""


class NegativeVarianceError(BadInputError):
    """A diagonal element of a helix covariance is not positive."""


class HelixMomentumError(BadInputError):
    """A helix does not have the momentum or the charge that its track has: a wrong unit, sign or field."""


class DuplicateEventError(BadInputError):
    """An event, by experiment, run and event number, occurs twice."""
