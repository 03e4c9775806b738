"""Kinds of τ decay that are sampled apart."""

from __future__ import annotations

from enum import StrEnum


class TauDecayClass(StrEnum):
    """What a τ decays into, as far as four tracks and a lepton pair depend on it; neutrinos not counted."""

    LEPTONIC = "leptonic"
    """An electron or a muon."""
    ONE_PRONG = "one_prong"
    """One charged hadron and no neutral pion."""
    ONE_PRONG_NEUTRAL_PIONS = "one_prong_neutral_pions"
    """One charged hadron and neutral pions."""
    THREE_PRONG = "three_prong"
    """Three charged hadrons, with or without neutral pions."""
    OTHER = "other"
    """Everything else."""
