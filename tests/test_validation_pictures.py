"""The pictures of validation: what they state is what was measured."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from affect4d import store
from affect4d.affectspace import Grid
from affect4d.config.validation import Settings
from affect4d.validation import pictures
from affect4d.validation.basis import Key
from affect4d.validation.study import CEILING, MAIN
from affect4d.validation.table import tabulate

KEY = Key("sparse", "all", 2)
TRIANGLES = np.array([[0, 1, 2], [0, 2, 3]])
SQUARE = np.array([[-40.0, -40, 0], [40, -40, 0], [40, 40, 0], [-40, 40, 0]], np.float32)


def predicted(errors=(0.3, 0.1, 0.2)):
    """Three sequences of ten frames, predicted with these errors, and a short one without any."""
    parts = []
    for number, (error, length) in enumerate(zip((*errors, 0), (10, 10, 10, 3), strict=True)):
        valence = np.linspace(-0.6, 0.6, length)
        part = pd.DataFrame({"sequence": f"q{number}", "valence": valence, "arousal": -valence})
        parts.append(part.assign(predicted_valence=valence + error, predicted_arousal=-valence))
    return pd.concat(parts, ignore_index=True)


def test_best_median_and_worst_are_by_error_and_not_of_the_shortest():
    assert pictures.chosen_sequences(predicted()) == {"best": "q1", "median": "q2", "worst": "q0"}
    alone = predicted()[lambda rows: rows["sequence"] == "q0"]
    assert pictures.chosen_sequences(alone) == {"best": "q0"}


def test_errors_by_class_are_those_of_its_frames():
    grid, table = Grid(10), predicted()
    errors = pictures.errors_by_class(table, grid)
    assert errors["count_"].sum() == len(table)
    cell = grid.assign(table["valence"].to_numpy(), table["arousal"].to_numpy())
    for index, row in errors.iterrows():
        frames = table[cell == index]
        error = frames["predicted_valence"] - frames["valence"]
        assert row["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
        assert row["bias_valence"] == pytest.approx(error.mean())
        assert row["bias_arousal"] == 0


def canonical_models():
    """Two sparse components: the first lifts vertex 0, the second moves vertex 2 aside."""
    models = {
        "canonical_mean": np.array([0.5, 0.25]),
        "canonical_loadings": np.array([[0.1, 0.0], [0.0, 0.2]]),
        "canonical_affect": np.array([[0.4, 0.1], [0.2, -0.3]]),
        "canonical_correlations": np.array([0.8, 0.6]),
    }
    models = {f"{KEY}_{name}": values for name, values in models.items()}
    return models, KEY


@pytest.fixture
def basis(tmp_path):
    components = np.zeros((2, 4, 3), np.float32)
    components[0, 0, 2], components[1, 2, 0] = 10, 5
    arrays = {f"{KEY}_components": components.reshape(2, -1), f"{KEY}_mean": np.zeros(12)}
    arrays |= {"vertices": SQUARE, "triangles": TRIANGLES}
    path = tmp_path / "basis.zarr"
    provenance = store.Provenance(tmp_path, "validation", "basis")
    store.write(path, arrays, {"components": [2]}, provenance=provenance)
    return path


def test_canonical_faces_move_by_what_a_variate_stands_for(basis):
    faces, titles = pictures.canonical_faces(store.open(basis), *canonical_models())
    assert faces.shape == (2, 3, 4, 3)
    # the mean face: half of the first component, a quarter of the second
    np.testing.assert_allclose(faces[:, 1, 0, 2], 5)
    np.testing.assert_allclose(faces[:, 1, 2, 0], 1.25)
    # two deviations of the first variate are .2 of the first component, and nothing else
    np.testing.assert_allclose(faces[0, 2] - faces[0, 1], faces[0, 1] - faces[0, 0], atol=1e-6)
    assert faces[0, 2, 0, 2] == pytest.approx(7) and faces[0, 2, 2, 0] == pytest.approx(1.25)
    assert faces[1, 2, 2, 0] == pytest.approx(3.25) and faces[1, 2, 0, 2] == pytest.approx(5)
    assert titles == [
        "variate 1: r = 0.80; valence +0.40, arousal +0.20",
        "variate 2: r = 0.60; valence +0.10, arousal -0.30",
    ]


def drawn(tmp_path, name, draw, *arguments, **named):
    """A picture, drawn twice to the same bytes."""
    paths = [tmp_path / f"{name}{turn}.png" for turn in (1, 2)]
    for path in paths:
        draw(path, *arguments, **named)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with Image.open(paths[0]) as image:
        return np.array(image.convert("RGB")).astype(int)


def test_colour_tells_where_a_face_moves(tmp_path, basis):
    models, key = canonical_models()
    image = drawn(tmp_path, "canonical", pictures.draw_canonical, basis, models=models, key=key)
    red = (image[..., 0] - image[..., 2] > 60).reshape(image.shape[:2])
    rows, columns = np.array_split(red, 2), [2 * image.shape[1] // 3, image.shape[1] // 3]
    for row in rows:  # either end moves, the mean in the middle does not
        assert row[:, : columns[1]].any() and row[:, columns[0] :].any()
        assert row[:, columns[1] : columns[0]].mean() < 0.01


def test_figures_of_courses_errors_and_table_repeat_their_bytes(tmp_path):
    for name, draw in (("courses", pictures.draw_trajectories), ("errors", pictures.draw_errors)):
        assert drawn(tmp_path, name, draw, predicted()).std() > 10
    measured = {f"{m}_{a}": 0.5 for m in ("ccc", "mse", "pearson") for a in ("valence", "arousal")}
    bounds = {f"{name}_{side}": 0.5 for name in measured for side in ("low", "high")}
    what = {"components": 2, "basis": "sparse", "basis_subjects": "all"}
    rows = [
        what | {"model": MAIN, "status": "ok"} | measured | bounds,
        {"model": CEILING, "status": "unknown"},
    ]
    table = tabulate(rows, Settings())
    assert drawn(tmp_path, "table", pictures.draw_table, table, Settings()).std() > 10
