"""Fold of an event from its identity: the same event always meets the same model, wherever it is processed."""

import hashlib

import numpy as np
from numpy.typing import NDArray


def fold_of(
    experiment: NDArray[np.integer],
    run: NDArray[np.integer],
    event: NDArray[np.integer],
    sample: str,
    *,
    n_folds: int,
    seed: int,
) -> NDArray[np.int64]:
    """Return the fold of each event, uniform in [0, n_folds) and independent of order and chunking.

    The fold says which model scores an event: for simulation the one that saw it neither in fitting nor in
    early stopping. Data and samples that were never trained on use the same rule, so that every sample is
    scored by the same mixture of models; an average over models would give data a smoother response than
    the simulation it is compared with.

    Parameters
    ----------
    experiment, run, event
        Identity of each event, shape (n,).
    sample
        Name of the sample, since simulated samples may number their events alike.
    n_folds
        Number of folds.
    seed
        Changes the assignment as a whole.

    Examples
    --------
    >>> one = np.ones(3, dtype=np.int32)
    >>> fold_of(one, one, np.arange(3), "tautau", n_folds=4, seed=1).shape
    (3,)
    """
    return (_hash_of(experiment, run, event, f"{seed}/{sample}") % np.uint64(n_folds)).astype(np.int64)


def in_share(
    experiment: NDArray[np.integer],
    run: NDArray[np.integer],
    event: NDArray[np.integer],
    sample: str,
    *,
    share: float,
    seed: int,
) -> NDArray[np.bool_]:
    """Return which events are in a part of a sample that has a share of its events, whatever their fold.

    Parameters
    ----------
    experiment, run, event, sample, seed
        As for `fold_of`.
    share
        Between 0 and 1, where all events are in.

    Examples
    --------
    >>> one = np.ones(1000, dtype=np.int32)
    >>> bool(200 < in_share(one, one, np.arange(1000), "tautau", share=0.25, seed=1).sum() < 300)
    True
    """
    # 53 bits, as many as a number between 0 and 1 has digits.
    uniform = (_hash_of(experiment, run, event, f"share/{seed}/{sample}") >> np.uint64(11)) * 2.0**-53
    return np.asarray(uniform < share)


def _hash_of(
    experiment: NDArray[np.integer], run: NDArray[np.integer], event: NDArray[np.integer], key: str
) -> NDArray[np.uint64]:
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    state = np.full(np.shape(event), int.from_bytes(digest, "little"), dtype=np.uint64)
    for number in (experiment, run, event):
        state = _mixed(state ^ np.asarray(number).astype(np.int64).view(np.uint64))
    return state


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the splitmix64 finaliser: a bijection of 64-bit integers that spreads every bit."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
