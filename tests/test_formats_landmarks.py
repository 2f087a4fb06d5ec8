"""Landmark files and mark-ups: which of iBUG's 68 points those of a file become."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.mesh_files import bnd_text, ljson_text, lm3_text, pts_text, tem_text

from affect4d.formats.landmarks import check_landmarks, read_landmarks, write_pts
from affect4d.formats.markup import Markup, known_markups, load_markup
from affect4d.quarantine import BadInput
from affect4d.template.template import load_template


def test_pts_files_count_pixels_from_one(tmp_path):
    points = np.random.default_rng(0).uniform(0, 200, (68, 2)).round(3)
    write_pts(tmp_path / "a.pts", points)
    first = (tmp_path / "a.pts").read_text().splitlines()[3].split()
    np.testing.assert_allclose(np.array(first, float), points[0] + 1, atol=1e-3)
    np.testing.assert_allclose(read_landmarks(tmp_path / "a.pts"), points, atol=1e-3)


def test_scan_landmarks_come_back_unchanged(tmp_path):
    points = np.random.default_rng(0).normal(0, 50, (68, 3)).round(3)
    write_pts(tmp_path / "a.pts", points)
    np.testing.assert_allclose(read_landmarks(tmp_path / "a.pts", 3), points, atol=1e-3)


def test_ljson_images_are_turned_from_y_x(tmp_path):
    points = np.random.default_rng(0).uniform(0, 200, (68, 2))
    group = {"labels": [], "landmarks": {"points": points[:, ::-1].tolist(), "connectivity": []}}
    (tmp_path / "a.ljson").write_text(json.dumps({"version": 2, "groups": {"LJSON": group}}))
    np.testing.assert_allclose(read_landmarks(tmp_path / "a.ljson"), points)


def test_67_landmarks_are_refused(tmp_path):
    write_pts(tmp_path / "a.pts", np.zeros((67, 2)))
    with pytest.raises(BadInput, match=r"68 points.*67"):
        read_landmarks(tmp_path / "a.pts")


@pytest.mark.parametrize("text", ["", "{\n1 2\n", "version: 1\n{\n1 2\n1 b\n}\n", "{\n1\n1 2\n}\n"])
def test_broken_landmark_files_are_named(tmp_path, text):
    (tmp_path / "a.pts").write_text(text)
    with pytest.raises(BadInput, match=r"a\.pts"):
        read_landmarks(tmp_path / "a.pts")


# Mark-ups ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def face():
    """The template's 68 landmarks, mm: x to the subject's left, y up, facing +z."""
    return load_template().landmarks.round(3)


def expect(landmarks, points, indices):
    """`landmarks` holds exactly `points` at the iBUG `indices`, NaN elsewhere."""
    assert landmarks.shape == (68, points.shape[1])
    np.testing.assert_allclose(landmarks[indices], points)
    others = np.setdiff1d(np.arange(68), indices)
    assert np.isnan(landmarks[others]).all()


@pytest.mark.parametrize("name", ["a.pts", "a.ljson"])
def test_49_points_are_the_68_without_jaw_and_inner_corners(tmp_path, face, name):
    indices = [i for i in range(17, 68) if i not in (60, 64)]
    write = pts_text if name == "a.pts" else ljson_text
    (tmp_path / name).write_text(write(face[indices]))
    expect(read_landmarks(tmp_path / name, 3, "ibug49"), face[indices], indices)


def test_of_79_points_the_first_68_are_used(tmp_path, face):
    (tmp_path / "a.pts").write_text(pts_text(np.concatenate([face, face[:11] + 3])))
    expect(read_landmarks(tmp_path / "a.pts", 3, "4dfab79"), face, np.arange(68))


BOSPHORUS = {
    "Outer left eyebrow": 17, "Middle left eyebrow": 19, "Inner left eyebrow": 21,
    "Inner right eyebrow": 22, "Middle right eyebrow": 24, "Outer right eyebrow": 26,
    "Outer left eye corner": 36, "Inner left eye corner": 39, "Inner right eye corner": 42,
    "Outer right eye corner": 45, "Nose tip": 30, "Left mouth corner": 48,
    "Upper lip outer middle": 51, "Right mouth corner": 54, "Upper lip inner middle": 62,
    "Lower lip inner middle": 66, "Lower lip outer middle": 57, "Chin middle": 8,
}  # fmt: skip


def test_labelled_points_are_known_by_their_labels(tmp_path, face):
    labels = [*reversed(BOSPHORUS), "Left nose peak", "Right ear lobe"]
    points = np.concatenate([face[[BOSPHORUS[n] for n in labels[:-2]]], face[[31, 0]]])
    (tmp_path / "a.lm3").write_text(lm3_text(labels, points))
    expect(read_landmarks(tmp_path / "a.lm3", 3), points[:-2], [BOSPHORUS[n] for n in labels[:-2]])
    hidden = [i for i, name in enumerate(labels) if "left eye corner" not in name]
    (tmp_path / "b.lm3").write_text(lm3_text([labels[i] for i in hidden], points[hidden]))
    with pytest.raises(BadInput, match="no point of the right eye"):
        read_landmarks(tmp_path / "b.lm3", 3)
    hidden = [i for i, name in enumerate(labels) if name != "Nose tip"]
    (tmp_path / "b.lm3").write_text(lm3_text([labels[i] for i in hidden], points[hidden]))
    assert np.isnan(read_landmarks(tmp_path / "b.lm3", 3)[30]).all()


def ring(face, indices, count):
    """`count` points around a contour through the landmarks `indices`."""
    corners = face[[*indices, indices[0]]]
    position = np.linspace(0, len(indices), count, endpoint=False)
    return np.stack([np.interp(position, range(len(corners)), axis) for axis in corners.T], axis=1)


def line(face, indices, count):
    """`count` points along a line through the landmarks `indices`, both ends in it."""
    position = np.linspace(0, len(indices) - 1, count)
    return np.stack([np.interp(position, range(len(indices)), axis) for axis in face[indices].T], 1)


@pytest.mark.parametrize("turn", [0, 3])
@pytest.mark.parametrize("step", [1, -1])
def test_bu3dfe_corners_are_found_whatever_the_order_in_a_group(tmp_path, face, turn, step):
    def group(points):
        return np.roll(points, turn, axis=0)[::step]

    brows = [face[22:27], face[17:22]]
    brows = [np.concatenate([b, b.mean(0) + 0.8 * (b - b.mean(0)) - [0, 4, 0]]) for b in brows]
    eyes = [ring(face, list(range(a, a + 6)), 12) for a in (42, 36)]
    points = np.concatenate(
        [
            *(group(eye[[0, 1, 3, 5, 6, 7, 9, 11]]) for eye in eyes),
            *map(group, brows),
            face[[27, 28, 29, 27, 28, 29]],
            line(face, list(range(31, 36)), 6)[::step],
            group(face[48:60]),
            group(face[60:68]),
            line(face, list(range(17)), 15)[::step],
        ]
    )
    assert len(points) == 83
    (tmp_path / "a.bnd").write_text(bnd_text(points))
    landmarks = read_landmarks(tmp_path / "a.bnd", 3)
    exact = [8, 17, 21, 22, 26, 31, 33, 35, 36, 39, 42, 45, 48, 54, 60, 64]
    assert np.isnan(landmarks[np.setdiff1d(range(68), exact)]).all()
    off = np.linalg.norm(landmarks[exact] - face[exact], axis=1)
    assert off[6] < 2.5  # 33, between two points
    assert np.delete(off, 6).max() < 1e-9, dict(zip(exact, off.round(1), strict=True))


def test_a_wrong_count_names_the_mark_ups_that_fit(tmp_path, face):
    (tmp_path / "a.pts").write_text(pts_text(face[:49]))
    with pytest.raises(BadInput, match=r"68 points \(ibug68\), found 49; .*ibug49"):
        read_landmarks(tmp_path / "a.pts", 3)
    (tmp_path / "a.pts").write_text(pts_text(face[:50]))
    with pytest.raises(BadInput, match="found 50; mark all of them"):
        read_landmarks(tmp_path / "a.pts", 3, "ibug49")
    (tmp_path / "a.bnd").write_text(bnd_text(face))
    with pytest.raises(BadInput, match=r"83 points \(bu3dfe83\), found 68; .*ibug68"):
        read_landmarks(tmp_path / "a.bnd", 3)
    with pytest.raises(BadInput, match="needs labelled points"):
        read_landmarks(tmp_path / "a.bnd", 3, "bosphorus")
    with pytest.raises(BadInput, match="2 coordinates"):
        read_landmarks(tmp_path / "a.bnd", 2)


def test_an_unmarked_point_of_the_mark_up_is_refused(tmp_path, face):
    broken = face.copy()
    broken[40, 1] = np.nan
    (tmp_path / "a.pts").write_text(pts_text(broken))
    with pytest.raises(BadInput, match="not a finite number"):
        read_landmarks(tmp_path / "a.pts", 3)
    broken[40, 1] = 1e20
    (tmp_path / "a.pts").write_text(pts_text(broken))
    with pytest.raises(BadInput, match="10 km"):
        read_landmarks(tmp_path / "a.pts", 3)
    unused = np.concatenate([face, np.full((11, 3), np.nan)])
    (tmp_path / "b.pts").write_text(pts_text(unused))
    assert np.isfinite(read_landmarks(tmp_path / "b.pts", 3, "4dfab79")).all()


HEADER = "description: mine\nevidence: none\npoints: 8\nibug: "


def test_a_mark_up_of_a_users_own(tmp_path, face):
    markup = tmp_path / "own.yaml"
    markup.write_text(HEADER + "{36: 0, 39: 1, 42: 2, 45: 3, 48: 4, 54: 5, 30: [6, 7]}")
    marked = face[[36, 39, 42, 45, 48, 54, 31, 35]]
    (tmp_path / "a.pts").write_text(pts_text(marked))
    points = np.concatenate([marked[:6], marked[6:].mean(0)[None]])
    expect(read_landmarks(tmp_path / "a.pts", 3, str(markup)), points, [36, 39, 42, 45, 48, 54, 30])
    markup = tmp_path / "eyes.yaml"
    markup.write_text(HEADER + "{36: 0, 39: 1, 42: 2, 45: 3, 17: 4, 26: 5}")
    with pytest.raises(BadInput, match="no point of the mouth"):
        read_landmarks(tmp_path / "a.pts", 3, markup)
    markup = tmp_path / "few.yaml"
    markup.write_text(HEADER + "{36: 0, 45: 3, 48: 4, 54: 5}")
    with pytest.raises(BadInput, match="only 4 points"):
        read_landmarks(tmp_path / "a.pts", 3, markup)


@pytest.mark.parametrize(
    "content, rule",
    [
        (HEADER + "{36: 8}", "no point or group 8"),
        (HEADER + "{68: 0}", "no point or group 68"),
        (HEADER + "{36: -1}", "no point or group -1"),
        (HEADER + "{36: 0, 39: Nose tip}", "all by index or all by label"),
        (HEADER + "{36: {farthest: eye, along: [eye, eye]}, 39: 1}", "no point or group eye"),
        (HEADER + "{}", "all by index or all by label"),
        (HEADER + "{36: 0}\ncolour: red", "colour"),
        ("points: [", "not YAML"),
        ("- 1", "the file"),
        ("", "the file"),
    ],
)
def test_mark_ups_that_cannot_be_used_are_named(tmp_path, content, rule):
    (tmp_path / "own.yaml").write_text(content)
    with pytest.raises(BadInput, match=rule) as caught:
        load_markup(str(tmp_path / "own.yaml"))
    assert "own.yaml" in str(caught.value) and "\n" not in str(caught.value)


def test_unknown_mark_ups_are_named(tmp_path):
    with pytest.raises(BadInput, match=r"nothing: no such mark-up.*4dfab79, bosphorus"):
        load_markup("nothing")
    with pytest.raises(BadInput, match="no such mark-up"):
        load_markup("../markups/ibug68")
    with pytest.raises(BadInput, match="does not exist"):
        load_markup(str(tmp_path / "absent.yaml"))


def test_every_mark_up_says_what_and_how_we_know():
    markups = known_markups()
    assert set(markups) >= {"ibug68", "ibug49", "bu3dfe83", "bosphorus", "4dfab79", "london189"}
    for name, markup in markups.items():
        assert len(markup.description) > 20 and len(markup.evidence) > 60, name
        points = {*markup.ibug, *(index for line in markup.lines for index in line.ibug)}
        assert {36, 39, 42, 45, 48, 54} <= points, name
    assert "inference" in markups["4dfab79"].evidence


@given(st.lists(st.floats(-1e6, 1e6), min_size=204, max_size=204))
def test_any_68_points_come_back_from_every_format(tmp_path_factory, values):
    points = np.array(values).reshape(68, 3)
    folder = tmp_path_factory.mktemp("landmarks")
    for name, write in {"a.pts": pts_text, "a.ljson": ljson_text}.items():
        (folder / name).write_text(write(points))
        np.testing.assert_array_equal(read_landmarks(folder / name, 3), points)
    labels = list(BOSPHORUS)
    (folder / "a.lm3").write_text(lm3_text(labels, points[: len(labels)]))
    landmarks = read_landmarks(folder / "a.lm3", 3)
    np.testing.assert_array_equal(landmarks[list(BOSPHORUS.values())], points[: len(labels)])


@pytest.mark.parametrize(
    "name, text, rule",
    [
        ("a.lm3", lm3_text(["Nose tip"], [[1, 2, 3]]).replace("1 l", "2 l"), "2 landmarks annou"),
        ("a.lm3", lm3_text(["Nose tip"] * 2, [[1, 2, 3]] * 2), "without a label"),
        ("a.lm3", "1 landmarks:\n1 2 3\n", "without a label"),
        ("a.lm3", "", "None landmarks announced"),
        ("a.bnd", "0 1 2\n", "not a vertex's number"),
        ("a.bnd", "0 1 2 3\n0 1 2 x\n", "could not convert"),
        ("a.bnd", "\n", "no points"),
        ("a.ljson", "{}", "no 'landmarks'"),
        ("a.ljson", "[]", "no 'landmarks'"),
        ("a.ljson", '{"groups": {}}', "no 'landmarks'"),
        ("a.ljson", '{"groups": [3]}', "no 'landmarks'"),
        ("a.ljson", '{"landmarks": {"points": {}}}', "number"),
        ("a.ljson", '{"landmarks": {"points": [[1, 2], [3]]}}', "inhomogeneous"),
        ("a.tem", "3\n1 2 3\n4 5 6\n", "3 points announced, 2 found"),
        ("a.tem", "", "no points"),
        ("a.tem", "2\n1 2 3\n4 5 6\n", r"189 points \(london189\), found 2"),
        ("a.txt", "1 2 3", "unknown landmark format"),
    ],
)
def test_what_breaks_the_rules_of_landmark_files_is_named(tmp_path, name, text, rule):
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=rule):
        read_landmarks(tmp_path / name, 3)


def test_a_template_of_the_london_set_gives_all_68_points(tmp_path):
    rng = np.random.default_rng(0)
    points = rng.uniform(100, 900, (189, 2)).round(1)
    (tmp_path / "a.tem").write_text(tem_text(points))
    landmarks = read_landmarks(tmp_path / "a.tem")
    assert np.isfinite(landmarks).all()
    # stated with the set: eye and mouth corners, middles of the outer lips, chin
    stated = {36: 18, 39: 22, 42: 23, 45: 27, 48: 87, 54: 93, 51: 90, 57: 106, 8: 129}
    np.testing.assert_allclose(landmarks[list(stated)], points[list(stated.values())])


def test_points_of_a_line_divide_it_into_equal_parts():
    line = {"ibug": [0, 1, 2, 3, 4], "through": [0, [1, 2], 3]}
    fields = {"description": "a", "evidence": "b", "points": 4, "ibug": {8: 3}}
    markup = Markup.model_validate({**fields, "lines": [line]})
    corner = np.array([[0, 0], [2, 1], [4, -1], [3, 1]], float)  # (0, 0) to (3, 0) to (3, 1)
    arranged = markup.arrange(corner)
    np.testing.assert_allclose(arranged[:5], [[0, 0], [1, 0], [2, 0], [3, 0], [3, 1]])
    for wrong in ({"ibug": [0, 68]}, {"through": [0, [1, 4]]}):
        with pytest.raises(ValidationError, match="no point or group"):
            Markup.model_validate({**fields, "lines": [{**line, **wrong}]})


def test_photographs_need_all_68(tmp_path, face):
    with pytest.raises(BadInput, match="68 points"):
        check_landmarks(face[:49, :2], Path("a.pts"), 2)
    broken = face[:, :2].copy()
    broken[3] = np.nan
    with pytest.raises(BadInput, match="finite"):
        check_landmarks(broken, Path("a.pts"), 2)
    assert check_landmarks(face[:, :2].tolist(), Path("a.pts"), 2).shape == (68, 2)
