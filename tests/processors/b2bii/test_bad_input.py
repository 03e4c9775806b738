"""Each way in which a B2BII file can be wrong has a name, and says where."""

import re
from collections import Counter

import awkward as ak
import numpy as np
import pytest

from models.errors import BadInputError
from processors.b2bii import tracks
from processors.b2bii.configuration import ConversionSettings
from processors.b2bii.errors import (
    BadNumberError,
    BranchTypeError,
    DuplicateEventError,
    EmptyTreeError,
    HelixMomentumError,
    MisalignedTreesError,
    MissingBranchError,
    MissingTreeError,
    NegativeVarianceError,
    UnreadableFileError,
)
from processors.event_spans import overlapping, scan_identity, shared_event

ENTRY = 5
"""Entry whose particles are spoiled, in the second range that is read."""


@pytest.fixture
def trees(b2bii, toy_events):
    return b2bii.trees_of(toy_events)


@pytest.fixture
def convert(b2bii, trees):
    """Convert the trees as they are now, in ranges of four events; what fails must leave nothing behind."""

    def run(**dialect):
        path = b2bii.write_trees(b2bii.folder / "in.root", trees, b2bii.Dialect(**dialect))
        return b2bii.convert(path, settings=ConversionSettings(chunk_events=4))

    yield run
    assert list(b2bii.folder.iterdir()) == [b2bii.folder / "in.root"]


@pytest.fixture
def track_columns(b2bii, trees):
    """Convert the tracks as they are now, without a file."""

    def run(settings=None):
        ip_mm = np.zeros((len(trees.counts["track"]), 3))
        return tracks.track_columns(b2bii.tracks_of(trees), ip_mm, settings or ConversionSettings(), Counter())

    return run


def spoil_jagged(trees, tree, branch, value, entry=ENTRY):
    """Set the first number of a branch in one entry."""

    def spoil(name, flat, jagged):
        if name == tree:
            counts = ak.num(jagged[branch])
            assert counts[entry] > 0
            column = ak.to_numpy(ak.flatten(jagged[branch])).copy()
            column[int(ak.sum(counts[:entry]))] = value
            jagged[branch] = ak.unflatten(column, counts)

    trees.spoil = spoil


@pytest.mark.parametrize("tree", ["track", "photon", "pi0"])
def test_a_missing_tree(trees, convert, tree):
    del trees.counts[tree]
    with pytest.raises(MissingTreeError, match=rf"in\.root: no tree '{tree}', the file holds mc"):
        convert()


@pytest.mark.parametrize(
    ("tree", "variable", "container"),
    [
        ("track", "trackFitCovariance(2, 3)", "ttree"),
        ("track", "omega", "rntuple"),
        ("photon", "clusterE9E25", "ttree"),
        ("mc", "mcPDG", "ttree"),
    ],
)
def test_a_missing_branch(trees, convert, tree, variable, container):
    del trees.variables[tree][variable]
    with pytest.raises(MissingBranchError) as failure:
        convert(container=container)
    assert str(failure.value).endswith(f"in.root: tree '{tree}' lacks the variable '{variable}'")


def test_a_missing_event_number(trees, convert):
    trees.spoil = lambda tree, flat, jagged: flat.pop("__run__") if tree == "photon" else None
    with pytest.raises(MissingBranchError, match=r"tree 'photon' lacks the branch '__run__', or 'runNum'"):
        convert()


@pytest.mark.parametrize(
    ("branch", "dtype", "holds"),
    [("px", "int32", "an array per event of int32"), ("__event__", "float64", "one number per event, float64")],
)
def test_a_wrong_type(trees, convert, branch, dtype, holds):
    def spoil(tree, flat, jagged):
        if branch in flat:
            flat[branch] = flat[branch].astype(dtype)
        elif branch in jagged:
            jagged[branch] = ak.values_astype(jagged[branch], dtype)

    trees.spoil = spoil
    with pytest.raises(BranchTypeError, match=rf"in\.root: branch '{branch}' of tree 'track' holds {holds}, expected"):
        convert()


def test_a_number_per_event_where_particles_have_one_each(trees, convert):
    def spoil(tree, flat, jagged):
        if tree == "track":
            del jagged["px"]
            flat["px"] = np.zeros(len(flat["__event__"]))

    trees.spoil = spoil
    with pytest.raises(BranchTypeError, match=r"holds one number per event, float64, expected an array per event"):
        convert()


def test_an_empty_tree(trees, convert):
    for tree, counts in trees.counts.items():
        trees.counts[tree] = counts[:0]
        trees.variables[tree] = {name: values[:0] for name, values in trees.variables[tree].items()}
    trees.identity = {name: values[:0] for name, values in trees.identity.items()}
    trees.event = {name: values[:0] for name, values in trees.event.items()}
    trees.weight = trees.weight[:0]
    with pytest.raises(EmptyTreeError, match=r"in\.root: tree 'track' has no entries"):
        convert()


def test_trees_of_different_lengths(trees, convert):
    def spoil(tree, flat, jagged):
        if tree == "pi0":
            for branches in (flat, jagged):
                branches |= {name: column[:-2] for name, column in branches.items()}

    trees.spoil = spoil
    with pytest.raises(MisalignedTreesError, match=r"tree 'pi0' has 10 entries, but 'track' 12: from entry 10 on"):
        convert()


@pytest.mark.parametrize("older", [False, True])
def test_trees_of_different_events(trees, convert, older):
    name = "evtNum" if older else "__event__"

    def spoil(tree, flat, jagged):
        if tree == "photon":
            flat[name] = flat[name].copy()
            flat[name][[6, 7]] = flat[name][[7, 6]]

    trees.spoil = spoil
    message = r"at entry 6 tree 'photon' has experiment 31, run 7, event 7, but 'track' experiment 31, run 7, event 6"
    with pytest.raises(MisalignedTreesError, match=message):
        convert(older_event_numbers=older)


def test_branches_that_disagree_about_the_particles(trees, convert):
    def spoil(tree, flat, jagged):
        if tree == "track":
            counts = np.asarray(ak.num(jagged["eIDBelle"])).copy()
            counts[ENTRY] += 1
            jagged["eIDBelle"] = ak.unflatten(np.zeros(counts.sum()), counts)

    trees.spoil = spoil
    with pytest.raises(MisalignedTreesError, match=r"'eIDBelle' of tree 'track' has 5 numbers at entry 5, but 4"):
        convert(candidates=False)


@pytest.mark.parametrize(("tree", "value"), [("photon", 1e300), ("mc", np.nan)])
def test_numbers_that_cannot_be(trees, convert, tree, value):
    entry = next(entry for entry in range(ENTRY, 12) if trees.counts[tree][entry] > 0)
    spoil_jagged(trees, tree, "E", value, entry)
    with pytest.raises(BadNumberError, match=rf"of tree '{tree}' holds {re.escape(f'{value:g}')} at entry {entry}"):
        convert()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("px", np.nan),
        ("phi0", np.inf),
        ("trackFitCovariance(0, 3)", np.nan),
        ("eIDBelle", -np.inf),
        ("charge", 0.0),
        ("omega", 0.0),
    ],
)
def test_tracks_that_cannot_be(trees, track_columns, variable, value):
    trees.variables["track"][variable][_first(trees)] = value
    with pytest.raises(BadNumberError, match=rf"variable .* of tree 'track' holds {value:g} at entry {ENTRY}"):
        track_columns()


def test_a_beam_that_is_not_a_number(trees, convert):
    trees.event["beamE"][ENTRY] = np.nan
    with pytest.raises(BadNumberError, match=r"event variable 'beamE' of tree 'track' holds nan at entry 5"):
        convert()


@pytest.mark.parametrize("value", [-1e-6, 0.0])
@pytest.mark.parametrize("element", range(5))
def test_a_variance_that_is_not_positive(trees, track_columns, element, value):
    trees.variables["track"][f"trackFitCovariance({element}, {element})"][_first(trees)] = value
    message = rf"variable 'trackFitCovariance\({element}, {element}\)' of tree 'track' holds {value:g} at entry 5"
    with pytest.raises(NegativeVarianceError, match=message):
        track_columns()


def test_a_helix_in_other_units_does_not_have_the_momentum(trees, convert):
    trees.variables["track"]["omega"] /= 10.0
    with pytest.raises(HelixMomentumError, match=r"at entry 0 a track has the momentum .*GeV, but its helix in 1\.5 T"):
        convert()


@pytest.mark.parametrize("variable", ["phi0", "tanLambda"])
def test_a_sign_that_contradicts_the_momentum(trees, track_columns, variable):
    trees.variables["track"][variable] = -trees.variables["track"][variable]
    with pytest.raises(HelixMomentumError, match="a track has the momentum"):
        track_columns()


def test_the_angle_of_belle_is_not_that_of_basf2(trees, track_columns):
    trees.variables["track"]["phi0"] -= np.pi / 2
    with pytest.raises(HelixMomentumError, match="a track has the momentum"):
        track_columns()


def test_the_tolerance_of_the_momentum_is_a_setting(trees, track_columns):
    trees.variables["track"]["pz"] *= 1.0 + 3e-3
    track_columns(ConversionSettings(momentum_tolerance=0.01))
    with pytest.raises(HelixMomentumError):
        track_columns()


def test_a_charge_that_contradicts_the_curvature(trees, track_columns):
    trees.variables["track"]["charge"][_first(trees)] *= -1
    with pytest.raises(HelixMomentumError, match=r"variable 'charge' of tree 'track' holds -?1 at entry 5, but omega"):
        track_columns()


def test_an_event_twice(trees, convert):
    trees.identity["event"][9] = trees.identity["event"][2]
    with pytest.raises(DuplicateEventError, match=r"in\.root: entry 9 repeats experiment 31, run 7, event 2"):
        convert()


def test_event_numbers_that_single_precision_cannot_hold(trees, convert):
    trees.identity["event"] = trees.identity["event"] + (1 << 24) - ENTRY
    convert(older_event_numbers=True).target.unlink()
    with pytest.raises(BadNumberError, match=r"'evtNum' .* holds 16777216 at entry 5, which float32 cannot"):
        convert(older_event_numbers=True, real="f4")


def test_data_that_were_sampled(b2bii, trees):
    trees.weight[:] = 1.0
    trees.weight[ENTRY] = 10.0
    path = b2bii.write_trees(b2bii.folder / "in.root", trees, b2bii.Dialect())
    with pytest.raises(BadNumberError, match=r"__weight__ holds 10 at entry 5: events were left out by sampling"):
        b2bii.convert(path, is_data=True)


@pytest.mark.parametrize("fraction", [0.0, 0.001, 0.5, 0.99])
def test_a_truncated_file(b2bii, toy_events, fraction):
    path = b2bii.write(toy_events)
    content = path.read_bytes()
    path.write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(UnreadableFileError, match=r"in\.root: (truncated|not a readable ROOT file)"):
        b2bii.convert(path)


def test_a_damaged_basket(b2bii, toy_events):
    path = b2bii.write(toy_events)
    content = bytearray(path.read_bytes())
    # Baskets come first; the list of trees, without which nothing can be opened, last.
    content[2000:12000] = b"\x55" * 10000
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=r"in\.root: "):
        b2bii.convert(path)


def test_files_that_cannot_share_an_event_are_not_compared():
    def identity(run, events):
        return (np.uint64(run) << np.uint64(32)) | np.asarray(events, dtype=np.uint64)

    contents = [identity(1, [5, 3, 9]), identity(1, [10, 12]), identity(2, [3, 9]), identity(1, [7, 12, 20])]
    scans = [scan_identity(lambda content=content: [content[:1], content[1:]]) for content in contents]
    assert [scan.duplicate for scan in scans] == [None] * 4
    assert [scan.n_events for scan in scans] == [3, 2, 2, 3]
    assert overlapping([scan.spans for scan in scans]) == [[0, 1, 3]]
    shared = shared_event([contents[index] for index in (0, 1, 3)])
    assert shared is not None
    assert (shared.file, shared.entry, shared.first_file) == (2, 1, 1)


def _first(trees):
    return int(np.sum(trees.counts["track"][:ENTRY]))
