"""One table of landmarks: it is right, and nothing else in the library spells an index."""

import ast
from pathlib import Path

import numpy as np
import pytest

import affect4d
from affect4d.template import ibug68

GROUPS = {name: value for name, value in vars(ibug68).items() if isinstance(value, np.ndarray)}
PACKAGE = Path(affect4d.__path__[0])
OUTSIDE = [p for p in sorted(PACKAGE.rglob("*.py")) if p != Path(ibug68.__file__)]


def test_the_groups_partition_the_landmarks():
    parts = [ibug68.JAW, ibug68.BROWS, ibug68.NOSE, ibug68.EYES]
    parts += [ibug68.OUTER_LIPS, ibug68.INNER_LIPS]
    assert np.concatenate(parts).tolist() == list(range(68)) == list(range(ibug68.COUNT))
    assert np.concatenate([ibug68.JAW, ibug68.INTERNAL]).tolist() == list(range(68))
    assert np.concatenate([ibug68.NOSE_RIDGE, ibug68.NOSE_BASE]).tolist() == ibug68.NOSE.tolist()
    assert np.concatenate(ibug68.EYE_OUTLINES).tolist() == ibug68.EYES.tolist()


def test_every_group_is_of_one_type_and_within_the_face():
    for name, group in GROUPS.items():
        assert group.dtype == np.int64, name
        assert len(np.unique(group)) == group.size, name
        assert group.min() >= 0 and group.max() < 68, name


def test_mirroring_twice_is_no_change_and_pairs_are_mirror_images():
    assert (ibug68.MIRROR[ibug68.MIRROR] == np.arange(68)).all()
    pairs = [name for name in GROUPS if name.endswith(("_PAIRS", "_CORNERS", "_SIDES", "_ENDS"))]
    pairs += ["LOWER_LIP_NEAR_MIDDLE", "UPPER_LIP_PEAKS", "NOSE_WINGS", "NOSTRILS", "BROW_MIDDLES"]
    assert len(pairs) > 12
    for name in pairs:
        right, left = GROUPS[name].T
        np.testing.assert_array_equal(ibug68.MIRROR[right], left, err_msg=name)
    middles = [name for name in vars(ibug68) if name.endswith("_MIDDLE") and name not in GROUPS]
    for name in [*middles, "CHIN", "NASION", "NOSE_TIP", "SUBNASALE"]:
        assert ibug68.MIRROR[getattr(ibug68, name)] == getattr(ibug68, name), name
    for name in ("JAW", "BROWS", "NOSE", "EYES", "OUTER_LIPS", "INNER_LIPS", "STABLE"):
        assert set(ibug68.MIRROR[GROUPS[name]]) == set(GROUPS[name]), name


def test_names_agree_with_the_anatomy_of_the_template():
    from affect4d.template.template import load_template

    x, y, z = load_template().landmarks.T
    assert (x[ibug68.LEFT_EYE] > 0).all() and (x[ibug68.RIGHT_EYE] < 0).all()
    assert (x[ibug68.LEFT_BROW] > 0).all() and (x[ibug68.RIGHT_BROW] < 0).all()
    assert y[ibug68.CHIN] == y.min() and z[ibug68.NOSE_TIP] == z.max()
    assert (y[ibug68.UPPER_LIDS] > y[ibug68.LOWER_LIDS]).all()
    assert (np.diff(y[ibug68.NOSE_RIDGE]) < 0).all()
    assert (y[ibug68.UPPER_LIP] > y[ibug68.LOWER_LIP]).all()
    assert (np.abs(x[ibug68.OUTER_EYE_CORNERS]) == np.abs(x[ibug68.EYES]).max()).any()
    for opposite in ("LIP", "INNER_LIP", "INNER_LINE"):
        upper, lower = GROUPS[f"UPPER_{opposite}"], GROUPS[f"LOWER_{opposite}"]
        assert np.abs(x[upper] - x[lower]).max() < 4  # mm


# Where a literal is taken for a landmark's index: the number of landmarks itself; an index into
# something named landmarks; a range between the first points of groups; a sequence that spells one
# of the table's groups. Indices computed in other ways are beyond such a rule.
LANDMARK_NAMES = ("landmark", "landmarks", "landmark_vertices", "marks")
BOUNDS = {17, 22, 27, 31, 36, 42, 48, 60, 68}
SPELT = {frozenset(group.ravel().tolist()) for group in GROUPS.values()}


def number(node):
    is_number = isinstance(node, ast.Constant) and type(node.value) is int
    return node.value if is_number else None


def spelt(node):
    """The numbers of a list or tuple that holds nothing else; empty otherwise."""
    items = node.elts if isinstance(node, ast.List | ast.Tuple) else []
    numbers = [number(item) for item in items]
    return [] if None in numbers else numbers


def literals(tree):
    """(line, what) for every landmark index that a module spells."""
    for node in ast.walk(tree):
        if number(node) == 68:
            yield node.lineno, "68"
        if len(spelt(node)) > 1 and frozenset(spelt(node)) in SPELT:
            yield node.lineno, ast.unparse(node)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in (
            "arange",
            "range",
            "slice",
        ):
            bounds = [number(argument) for argument in node.args[:2]]
            if None not in bounds and BOUNDS.intersection(bounds) and set(bounds) <= {0, *BOUNDS}:
                yield node.lineno, ast.unparse(node)
        if isinstance(node, ast.Subscript):
            name = ast.unparse(node.value).split(".")[-1]
            first, *_ = getattr(node.slice, "elts", None) or [node.slice]  # tuple[()] has none
            parts = [first.lower, first.upper] if isinstance(first, ast.Slice) else [first]
            if any(number(part) for part in parts) and name in LANDMARK_NAMES:
                yield node.lineno, ast.unparse(node)
            if isinstance(first, ast.Slice) and {number(part) for part in parts} <= BOUNDS:
                yield node.lineno, ast.unparse(node)


@pytest.mark.parametrize(
    "code",
    [
        "landmarks[30]",
        "points[36:42]",
        "a.landmark_vertices[8]",
        "np.arange(17)",
        "slice(48, 60)",
        "EYE_CORNERS = (36, 45)",
        "x = [67, 66, 65]",
        "shape = (68, 3)",
        "landmarks[27, 0]",
    ],
)
def test_the_rule_finds_what_modules_used_to_spell(code):
    assert list(literals(ast.parse(code)))


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_other_module_spells_an_index(path):
    assert list(literals(ast.parse(path.read_text()))) == []
