"""Exact labels of a dataset, read as the documentation says and compared with geometry."""

import json
import os
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.interpolate import RBFInterpolator
from support.contexts import context
from support.faces import chunk_of_people, write_atlas

from affect4d.artifacts.dataset import ACTION_UNITS, LABELS
from affect4d.blendshapes.targets import Atlas
from affect4d.config.dataset import Settings
from affect4d.config.synthesis import Settings as SynthesisSettings
from affect4d.dataset import publish_dataset
from affect4d.dataset.balance import balanced, read_wanted
from affect4d.dataset.exact_labels import ExactLabels
from affect4d.dataset.label_shards import read_labels, write_labels
from affect4d.dataset.unit_weights import UnitBasis
from affect4d.gallery.synthetic.action_units import NAMES, SMILING_JAW, UNIT_SHAPES, action_fields
from affect4d.gallery.synthetic.affect import PROTOTYPES, prototype
from affect4d.gallery.synthetic.model import Model
from affect4d.gallery.synthetic.mpfb import Face
from affect4d.quarantine import BadInput
from affect4d.store import StoreError
from affect4d.synthesis.imposed import deformations
from affect4d.template.anatomy import default_anatomy
from affect4d.template.ibug68 import MOUTH
from affect4d.template.template import load_template

READERS = os.environ.get("AFFECT4D_READERS")
PAGE = Path(__file__).parents[1] / "docs/dataset.md"
SIDE, INTENSITY = 96, 0.8


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The dataset's folder, and the deformations that were imposed."""
    folder = tmp_path_factory.mktemp("labels")
    atlas = write_atlas(folder / "atlas.zarr")
    chunk_of_people(folder / "root", atlas, SynthesisSettings(size=SIDE, intensity=INTENSITY))
    root = next(folder.rglob("fits")).parent
    imposed = deformations(Atlas(atlas), folder, default_anatomy(), samples=0, seed=0)
    publish_dataset(
        context(root),
        [root / "synthesis/people/000.zarr"],
        kinds={"people": "photograph"},
        settings=Settings(labels=list(LABELS)),
        labels=ExactLabels(root, load_template(), imposed, intensity=INTENSITY),
    )
    return root / "dataset", imposed


@pytest.fixture(scope="module")
def reader():
    """What the page's reader defines."""
    (code,) = re.findall(r"```python\n(import json.*?)```", PAGE.read_text(), re.DOTALL)
    defined = {}
    exec(code, defined)
    return defined


@pytest.fixture(scope="module")
def labels(published, reader):
    (shard,) = (published[0] / "labels").glob("*.parquet")
    return reader["read_labels"](shard)


def row_of(published, labels, neutral):
    (shard,) = (published[0] / "data").glob("*.parquet")
    table = pd.read_parquet(shard)
    assert labels[1] == table["image_id"].to_list()
    return int(np.flatnonzero((table["class"] < 0) == neutral)[0])


def test_every_label_is_there_as_the_page_says(labels):
    values, ids = labels
    columns = [name for of_label in LABELS.values() for name, _, _ in of_label]
    assert [*values] == columns and all(len(value) == len(ids) == 3 for value in values.values())
    text = PAGE.read_text()
    assert all(f"| `{label}` |" in text for label in LABELS)
    assert all(f"`{column}` (" in text for column in columns)


def test_units_have_names_and_those_of_a_neutral_image_are_0(published, labels, reader):
    (shard,) = (published[0] / "labels").glob("*.parquet")
    neutral = row_of(published, labels, neutral=True)
    assert reader["action_units"](shard, labels[0], neutral) == {}
    assert labels[0]["unexplained"][neutral] == 0
    moved = row_of(published, labels, neutral=False)
    shown = reader["action_units"](shard, labels[0], moved)
    assert shown and set(shown) <= set(ACTION_UNITS) and min(shown.values()) > 0
    assert 0 < labels[0]["unexplained"][moved] < 1


@pytest.fixture(scope="module")
def generator():
    face = Face()
    return Model(face.template, np.zeros((1, 1, 3), np.float32), action_fields(face), [])


def test_units_that_synthetic_people_show_are_read_from_their_deformations(generator):
    basis = UnitBasis(generator.template, (generator.template, generator.units))
    units = np.array([prototype(name) for name in PROTOTYPES])
    smiles, jaw = units[:, NAMES.index("AU12")] > 0, NAMES.index("AU26")
    laughs = units[smiles]
    # a jaw that drops in a smile, and the lower lip alone, are no sums of units: see below
    units[smiles, jaw] = units[:, NAMES.index("AU16")] = 0.0
    true = pd.DataFrame(units, columns=NAMES)
    # of the face units that they consist of: AU1+4 is so much of AU1 and of AU4
    both, one, four = (UNIT_SHAPES[name] for name in ("AU1+4", "AU1", "AU4"))
    of_4 = both["browDown"] / four["browDown"]
    of_1 = (both["browInnerUp"] - of_4 * four["browInnerUp"]) / one["browInnerUp"]
    true["AU1"] += of_1 * true["AU1+4"]
    true["AU4"] += of_4 * true["AU1+4"]
    expected = true[list(ACTION_UNITS)].to_numpy()
    read = np.array([basis.weights(m) for m in generator.expressions(units, np.zeros(len(NAMES)))])
    assert (np.abs(read[:, :-1] - expected) < 0.01).all()
    assert (read[:, -1] < 0.01).all()
    # AU16 lowers the lower lip as AU25 does, without the upper one
    (lower,) = generator.expressions((np.array(NAMES) == "AU16")[None], np.zeros(len(NAMES)))
    parted = basis.weights(lower)[:-1]
    assert ACTION_UNITS[parted.argmax()] == "AU25" and parted.max() > 0.5 * parted.sum()
    # the smile is read as strong as it is; of the jaw, without the corners, more than half
    (widest,) = generator.expressions((np.array(NAMES) == SMILING_JAW)[None], np.zeros(len(NAMES)))
    moves = [*generator.expressions(laughs, np.zeros(len(NAMES))), widest]
    shown = [*laughs[:, [NAMES.index("AU12"), jaw]], (1.0, 1.0)]
    for (smile, drop), move in zip(shown, moves, strict=True):
        found = dict(zip((*ACTION_UNITS, "unexplained"), basis.weights(move), strict=True))
        assert found["AU12"] == pytest.approx(smile, abs=0.1)
        assert 0.5 * drop <= found["AU26"] <= 0.75 * drop + 1e-6
    assert 0.3 < found["unexplained"] < 0.5  # of the widest: the corners that are held
    # one side stronger than the other: about the mean of both, and some motion is left over
    skewed = np.random.default_rng(0).normal(0, 0.15, len(NAMES))
    read = np.array([basis.weights(move) for move in generator.expressions(units, skewed)])
    assert np.abs(read[:, :-1] - expected).mean() < 0.03
    assert 0.01 < np.median(read[:, -1]) < 0.3


def test_units_of_another_mesh_move_the_template_s_landmarks_as_they_are_called(generator):
    """Deformations that only follow the moved landmarks: the unit that moved them stands out."""
    template = load_template()
    basis = UnitBasis(template, (generator.template, generator.units))
    for name in ("AU1", "AU2", "AU4", "AU12", "AU15", "AU26"):
        moved = generator.units[NAMES.index(name), generator.template.landmark_vertices]
        smooth = RBFInterpolator(template.landmarks, moved, kernel="linear")
        weights = basis.weights(smooth(template.vertices))[:-1]
        assert ACTION_UNITS[weights.argmax()] == name
        assert 0.5 < weights.max() < 1.5


def test_vertices_less_the_neutral_ones_are_the_deformation(published, labels):
    values, ids = labels
    neutral = row_of(published, labels, neutral=True)
    classes = {name: i for i, name in enumerate(ids)}
    for target, name in zip(published[1], ("v-0.5_a+0.3", "v+0.5_a+0.5"), strict=True):
        moved = values["vertices"][classes[f"people-a-{name}"]] - values["vertices"][neutral]
        np.testing.assert_allclose(moved, INTENSITY * target.deformation, atol=1e-4)


def test_projected_vertices_meet_the_landmarks_of_the_picture(published, labels, reader):
    values, ids = labels
    anatomy = default_anatomy()
    for index in range(len(ids)):
        xy = reader["project"](values, index)[anatomy.landmark_vertices]
        distance = np.linalg.norm(xy - values["landmarks_2d"][index], axis=1)
        is_neutral = index == row_of(published, labels, neutral=True)
        elsewhere = np.delete(distance, MOUTH)
        assert np.median(distance) < (1e-3 if is_neutral else 0.5)
        assert elsewhere.max() < (1e-3 if is_neutral else 2.0)
        landmarks = values["vertices"][index][anatomy.landmark_vertices]
        np.testing.assert_array_equal(landmarks, values["landmarks_3d"][index])


def test_the_rotations_axes_are_right_up_and_towards_the_viewer(labels, reader):
    values, _ = labels
    rotation = values["rotation"][0]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    before = reader["project"](values, 0)
    for axis, direction in ((0, [1, 0]), (1, [0, -1])):
        moved = values | {"vertices": values["vertices"] + rotation[axis]}
        step = (reader["project"](moved, 0) - before).mean(0)
        assert step @ direction > 0.99 * np.linalg.norm(step)


def test_maps_are_those_of_a_search_over_all_triangles(labels, reader):
    """An independent rendering: every triangle is tried at some pixels, the nearest one counts."""
    values, _ = labels
    anatomy = default_anatomy()
    xy, towards = reader["project"](values, 0), values["vertices"][0] @ values["rotation"][0][2]
    triangles = anatomy.triangles[~anatomy.neck]
    a, b, c = (xy[triangles[:, corner]] for corner in range(3))
    area = cross(b - a, c - a)
    front = area < -1e-9  # y points down
    rng, hits = np.random.default_rng(0), 0
    for x, y in rng.integers(0, SIDE, (150, 2)):
        point = np.array([x, y])
        corners = ((b, c), (c, a), (a, b))
        weights = np.stack([cross(one - point, other - point) for one, other in corners])
        weights = weights / np.where(front, area, np.inf)
        inside = front & (weights > 0).all(0)
        depth = np.einsum("kf,fk->f", weights, towards[triangles])
        if not inside.any() or (weights[:, inside] < 0.02).any():
            continue  # beside the face, or on an edge that rounding decides
        hits += 1
        assert values["depth"][0][y, x] == pytest.approx(depth[inside].max(), abs=0.05)
        assert values["parts"][0][y, x] > 0
        normal = values["normals"][0][y, x]
        assert np.linalg.norm(normal) == pytest.approx(1, abs=1e-5)
        assert values["uv"][0][y, x].min() >= 0 and values["uv"][0][y, x].max() <= 1
    assert hits > 30
    empty = np.isnan(values["depth"][0])
    assert empty.any() and not values["parts"][0][empty].any()
    assert not values["normals"][0][empty].any()
    assert set(np.unique(values["parts"][0])) == {0, 1, 2, 3}


def cross(one, other):
    return one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]


def test_labels_are_read_in_the_order_that_is_asked_for(tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"image_id": [f"i{n}" for n in range(25)]})
    arrays = {"flow": rng.normal(size=(25, 2, 3, 2)), "parts": rng.integers(0, 9, (25, 4))}
    labels = {
        name: dict(zip(rows["image_id"], array, strict=True)) for name, array in arrays.items()
    }

    def some(part):
        return {name: np.stack([of[i] for i in part["image_id"]]) for name, of in labels.items()}

    write_labels(tmp_path / "l", [("a.parquet", rows[:12]), ("b.parquet", rows[12:])], some)
    order = rng.permutation(25)[:9]
    read = read_labels(tmp_path / "l", [f"i{n}" for n in order])
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array[order])


@pytest.mark.skipif(not READERS, reason="AFFECT4D_READERS is not set")
def test_datasets_reads_the_configuration_of_labels(published, labels, tmp_path):
    code = (
        "import json, sys, datasets; d = datasets.load_dataset(sys.argv[1], 'labels', "
        "cache_dir=sys.argv[2])['train']; "
        "print(json.dumps([d['image_id'][:], d[0]['landmarks_2d']]))"
    )
    command = [str(READERS), "-c", code, str(published[0]), str(tmp_path)]
    offline = os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=offline)
    assert done.returncode == 0, done.stderr
    ids, points = json.loads(done.stdout.splitlines()[-1])
    assert ids == labels[1]
    np.testing.assert_allclose(points, labels[0]["landmarks_2d"][0].ravel())


ROWS = pd.DataFrame(
    [
        {"image_id": f"{who}-{name}-{n}", "class": index, "class_name": name, "database": "d",
         "subject": who}
        for who in ("a", "b", "c")
        for index, name in ((-1, "neutral"), (0, "v"), (1, "w"))
        for n in range(1 if index < 0 else 4)
    ]
)  # fmt: skip


def test_people_take_turns_and_the_order_of_the_rows_does_not_matter():
    kept = ROWS[balanced(ROWS, {"v": 4, "w": 0}, seed=0)]
    counts = kept.groupby("class_name").size()
    assert counts.to_dict() == {"neutral": 3, "v": 4}
    assert sorted(kept[kept["class_name"] == "v"].groupby("subject").size()) == [1, 1, 2]
    shuffled = ROWS.sample(frac=1, random_state=1).reset_index(drop=True)
    again = shuffled[balanced(shuffled, {"v": 4, "w": 0}, seed=0)]
    assert set(again["image_id"]) == set(kept["image_id"])
    assert set(ROWS[balanced(ROWS, {"v": 4}, seed=1)]["image_id"]) != set(kept["image_id"])
    assert balanced(ROWS, None, seed=0).all()


def test_fill_publishes_what_the_real_images_lack_to_the_largest_class(tmp_path):
    table = tmp_path / "counts.csv"
    table.write_text("class_name,images\nv,7\nw,10\n")
    both = {"counts": str(table)}
    assert read_wanted(Settings(balance="fill", **both), "vwx") == {"v": 3, "w": 0, "x": 10}
    assert read_wanted(Settings(balance="target", **both), "vwx") == {"v": 7, "w": 10}
    assert read_wanted(Settings(), "vwx") is None
    with pytest.raises(ValueError, match="goes with"):
        Settings(balance="fill")
    table.write_text("class_name,images\nv,many\n")
    with pytest.raises(BadInput, match="whole number"):
        read_wanted(Settings(balance="fill", **both), "vwx")
    table.write_text("class_name,images\nv,1\nw_,1\n")
    with pytest.raises(BadInput, match=r"counts\.csv:3: w_ is no class"):
        read_wanted(Settings(balance="fill", **both), "vwx")


def test_labels_of_an_image_that_has_none_are_not_those_of_another(published, labels):
    folder, known = published[0] / "labels", labels[1][0]
    with pytest.raises(StoreError, match="have none of other"):
        read_labels(folder, [known, "other"])


@pytest.mark.parametrize("name", ["neutralise", "blink", "gaze_yaw", "gaze_pitch"])
def test_what_moves_pixels_and_no_vertices_has_no_exact_labels(published, name):
    chunk = SimpleNamespace(path="000.zarr", attributes={"settings": {name: 0.5}})
    labels = ExactLabels(published[0].parent, load_template(), published[1], intensity=INTENSITY)
    with pytest.raises(BadInput, match=f"synthesis.{name}"):
        labels(pd.DataFrame([{"store": "a"}]), {"a": chunk}, ["landmarks"])
