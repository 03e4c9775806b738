"""Named failures: every one is a sentence that says which file, key or mass point, and what it costs."""


class LeptophileError(Exception):
    """Base of every failure this software names itself.

    The message is one readable sentence; the command line prints it and exits with `exit_status`.
    """

    exit_status = 1


class UsageError(LeptophileError):
    """The command or its arguments were wrong; nothing was run."""

    exit_status = 2


class ConfigurationError(UsageError):
    """A configuration key is unknown, missing or has an impossible value; the message names the key path."""


class BadInputError(LeptophileError):
    """An input file cannot be used; the message names the file and, where it applies, the branch and entry."""


class IncompleteRunError(LeptophileError):
    """A run could not account for every event, chunk or mass point it was asked for."""


class BlindedError(LeptophileError):
    """Signal-region data were asked for without a recorded unblinding."""


class ValidationFailedError(LeptophileError):
    """A run is complete, and a check of its background says that it cannot be trusted."""
