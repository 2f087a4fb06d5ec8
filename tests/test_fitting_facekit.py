"""ICT-FaceKit's identities on the template: they move the landmarks as the originals do."""

import numpy as np
import pytest
from pydantic import ValidationError

from affect4d.config.fitting import Settings
from affect4d.fitting.facekit import read_facekit
from affect4d.fitting.learning import learn_model
from affect4d.formats.facekit import LANDMARKS, NEUTRAL, facekit_files, read_positions
from affect4d.quarantine import BadInput

MODES = 4
# The template's nose stops short of the tip; its jaw's ends lie elsewhere than ICT-FaceKit's.
COMPARED = np.delete(np.arange(17, 68), [11, 12, 13])


@pytest.fixture(scope="module")
def read(clone, template):
    return read_facekit(clone, template, MODES)


def test_landmarks_move_as_in_the_original(read, clone, template):
    mean, identity = read
    assert mean.shape == template.vertices.shape
    assert identity.shape == (MODES, *mean.shape)
    assert identity.dtype == mean.dtype == np.float32
    files = facekit_files(clone)
    neutral = read_positions(files[NEUTRAL])
    for number in range(MODES):
        change = read_positions(files[f"identity{number:03d}"]) - neutral
        expected, moved = change[LANDMARKS], identity[number, template.landmark_vertices]
        one, other = expected[COMPARED].ravel(), moved[COMPARED].ravel()
        assert one @ other > 0.95 * np.linalg.norm(one) * np.linalg.norm(other)
        assert np.linalg.norm(other) == pytest.approx(np.linalg.norm(one), rel=0.15)


def test_the_mean_is_a_face_in_the_templates_place(read, template):
    mean, identity = read
    away = np.linalg.norm(mean - template.vertices, axis=1)
    assert away[template.inner].mean() < 10
    assert away[template.inner].mean() > 1
    # nothing runs away where the two faces do not overlap
    inner, outer = (
        np.linalg.norm(identity, axis=2)[:, m] for m in (template.inner, ~template.inner)
    )
    assert outer.max() < 3 * inner.max()


def test_the_identities_replace_the_gallerys(read, clone, template, monkeypatch):
    asked = []

    def once(*given):
        asked.append(given)
        return read

    monkeypatch.setattr("affect4d.fitting.learning.read_facekit", once)
    model = learn_model([], template, Settings(ict_facekit=str(clone), identity_modes=MODES))
    assert asked == [(str(clone), template, MODES)]
    np.testing.assert_array_equal(model.mean, read[0])
    np.testing.assert_array_equal(model.identity, read[1])
    assert model.expression.shape == (0, *read[0].shape)


def test_refuses_what_is_no_clone(tmp_path, template):
    with pytest.raises(BadInput, match="holds no FaceXModel"):
        read_facekit(tmp_path, template, MODES)


def test_there_is_one_identity_model():
    with pytest.raises(ValidationError, match="exclude each other"):
        Settings(ict_facekit="clone", lsfm_model="all.mat")
