"""Failures of the theory calculations."""

from models.errors import LeptophileError


class BelowThresholdError(LeptophileError):
    """The centre-of-mass energy does not suffice for the final state."""


class MassRangeError(LeptophileError):
    """A φ mass lies outside the range in which e⁺e⁻ → τ⁺τ⁻φ, φ → ℓℓ is possible."""


class StaleTableError(LeptophileError):
    """The shipped cross-section table does not belong to the centre-of-mass energy asked for."""
