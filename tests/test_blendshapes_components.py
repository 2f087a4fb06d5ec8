"""Components as faces: within what the class's frames show, named by the region that they move."""

import numpy as np
import pytest
from support.faces import TEMPLATE, bump, write_components

from affect4d import store
from affect4d.blendshapes.components import component_names, component_target
from affect4d.blendshapes.model import model_arrays, read_class
from affect4d.quarantine import BadInput
from affect4d.synthesis.request import limit_intensity
from affect4d.template.regions import ELSEWHERE, name_region, name_regions

MARKS = TEMPLATE.landmark_vertices
UP = [0, 4, 0]


@pytest.mark.parametrize(
    ("field", "name"),
    [
        (bump(8, 12, UP), "chin"),
        (bump(48, 8, UP), "right mouth corner"),
        (bump(54, 8, UP), "left mouth corner"),
        (bump(48, 8, UP) + bump(54, 8, UP), "mouth corners"),
        (bump(21, 8, UP) + bump(22, 8, UP), "inner brows"),
        (bump(33, 8, UP), "nose"),
        (bump(57, 5, UP), "lower lip"),
    ],
)
def test_a_region_is_named_by_what_moves_in_it(field, name):
    assert name_region(field, MARKS) == name


def test_motion_without_landmarks_is_elsewhere_and_names_are_distinct():
    highest = np.argmax(TEMPLATE.vertices[:, 1])
    field = np.zeros_like(TEMPLATE.vertices)
    field[highest] = UP
    assert name_region(field, MARKS) == ELSEWHERE
    assert name_region(np.zeros_like(field), MARKS) == ELSEWHERE
    chin = bump(8, 12, UP)
    assert name_regions([chin, field, chin], MARKS) == ["chin", ELSEWHERE, "chin 2"]


def test_a_component_is_the_mean_with_one_weight_at_the_end_of_its_range(tmp_path):
    write_components(tmp_path / "fear.zarr")
    model = read_class(tmp_path / "fear.zarr")
    for number, name in ((1, "right mouth corner"), (2, "left mouth corner")):
        by_name = component_target(tmp_path, "fear", name, landmark_vertices=MARKS)
        by_number = component_target(tmp_path, "fear", str(number), landmark_vertices=MARKS)
        assert np.array_equal(by_name.deformation, by_number.deformation)
        assert by_name.name == f"fear:{name}" and np.isnan(by_name.valence)
        weights = model.distribution.mean.copy()
        weights[number - 1] = model.weights[:, number - 1].max()
        assert np.array_equal(by_name.deformation, model.deformation(weights))


def test_of_weights_of_both_signs_the_larger_end_counts(tmp_path):
    fields = np.stack([bump(48, 15, UP)])
    arrays = model_arrays(
        fields[0], fields, np.array([[-3.0], [0.0], [1.0]]), subjects=np.arange(3)
    )
    store.write(tmp_path / "fear.zarr", arrays, {"constraint": "signed"}, provenance=None)
    model = read_class(tmp_path / "fear.zarr")
    target = component_target(tmp_path, "fear", "1", landmark_vertices=MARKS)
    assert np.array_equal(target.deformation, model.deformation(np.array([-3.0])))


def test_what_is_no_component_lists_those_that_are(tmp_path):
    write_components(tmp_path / "fear.zarr")
    for name in ("3", "0", "ear", ""):
        with pytest.raises(BadInput, match=r"right mouth corner \(1\), left mouth corner \(2\)"):
            component_target(tmp_path, "fear", name, landmark_vertices=MARKS)
    for name in ("joy", "../atlas", ""):
        with pytest.raises(BadInput, match=f"there is no model {name}; models are fear"):
            component_target(tmp_path, name, "1", landmark_vertices=MARKS)
    assert component_names(tmp_path, "joy", landmark_vertices=MARKS) == []


def test_a_component_goes_no_further_than_the_frames():
    said = []
    assert limit_intensity(2, said.append) == 1 and "no further" in said[0]
    assert [limit_intensity(i, said.append) for i in (None, 0.5, 1)] == [1, 0.5, 1]
    assert len(said) == 1
