"""Particles sorted into events: appended, selected, reordered."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from simulation.generated import DECAYED, FINAL_STATE, GeneratedEvents, Particles, ragged_rows


def _events(counts: list[int]) -> GeneratedEvents:
    """Events whose particles carry their row number as PDG code, each the daughter of the one before."""
    n = sum(counts)
    within = np.concatenate([np.arange(count) for count in counts] or [np.empty(0, dtype=int)])
    return GeneratedEvents.from_particles(
        np.array(counts, dtype=np.int64),
        np.arange(len(counts), dtype=np.float64),
        Particles(
            np.arange(n, dtype=np.int32),
            np.full(n, FINAL_STATE, dtype=np.int32),
            within.astype(np.int64) - 1,
            np.arange(4.0 * n).reshape(n, 4),
            np.zeros((n, 4)),
        ),
    )


def _appended(events: GeneratedEvents, event: list[int], mother: list[int]) -> GeneratedEvents:
    n = len(event)
    new = Particles(
        np.full(n, -7, dtype=np.int32),
        np.full(n, FINAL_STATE, dtype=np.int32),
        np.array(mother, dtype=np.int64),
        np.ones((n, 4)),
        np.ones((n, 4)),
    )
    return events.append(np.array(event, dtype=np.int64), new)


def test_daughters_come_after_what_is_there_and_point_to_their_mothers() -> None:
    events = _appended(_events([2, 0, 1]), event=[2, 0, 0], mother=[2, 0, 4])
    assert events.counts.tolist() == [4, 0, 2]
    assert events.pdg.tolist() == [0, 1, -7, -7, 2, -7]
    # The second new particle of event 0 is the daughter of the first new one of that event, number 4 of all.
    assert events.mother.tolist() == [-1, 0, 0, 2, -1, 0]
    assert events.status.tolist() == [DECAYED, FINAL_STATE, DECAYED, FINAL_STATE, DECAYED, FINAL_STATE]


@given(counts=st.lists(st.integers(0, 4), min_size=1, max_size=8), data=st.data())
def test_appending_keeps_every_older_particle_and_mother(counts: list[int], data: st.DataObject) -> None:
    events = _events(counts)
    rows = data.draw(st.lists(st.integers(0, sum(counts) - 1), max_size=6)) if sum(counts) else []
    grown = _appended(events, [int(events.event_index[row]) for row in rows], rows)
    old = grown.pdg >= 0
    assert grown.pdg[old].tolist() == events.pdg.tolist()
    assert grown.mother[old].tolist() == events.mother.tolist()
    mothers = grown.pdg[(grown.mother + grown.offsets[grown.event_index])[~old]]
    assert sorted(mothers.tolist()) == sorted(rows)


@given(counts=st.lists(st.integers(0, 3), min_size=1, max_size=8), data=st.data())
def test_taking_events_in_any_order(counts: list[int], data: st.DataObject) -> None:
    events = _events(counts)
    order = np.array(data.draw(st.permutations(range(len(counts)))), dtype=np.int64)
    shuffled = events.take(order)
    assert shuffled.weight.tolist() == order.tolist()
    back = shuffled.take(np.argsort(order))
    assert back.pdg.tolist() == events.pdg.tolist()
    assert back.counts.tolist() == events.counts.tolist()


def test_selecting_and_joining_are_inverse() -> None:
    events = _events([2, 0, 3, 1])
    mask = np.array([True, True, False, False])
    joined = GeneratedEvents.concatenate([events.select(mask), events.select(~mask)])
    assert joined.pdg.tolist() == events.pdg.tolist()


def test_table_leaves_out_absent_particles() -> None:
    present = np.array([[True, False], [True, True]])
    events = GeneratedEvents.from_table(np.array([[11, 22], [11, 22]], dtype=np.int32), np.ones((2, 2, 4)), present)
    assert events.pdg.tolist() == [11, 11, 22]
    assert events.counts.tolist() == [1, 2]


def test_no_runs_give_no_rows() -> None:
    assert len(ragged_rows(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))) == 0
