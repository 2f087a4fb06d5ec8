"""Components as faces: within what the class's frames show, named by the region that they move."""

import numpy as np
import pytest
from support.faces import TEMPLATE, bump, write_components

from affect4d import store
from affect4d.blendshapes.components import component_names, component_target
from affect4d.blendshapes.model import model_arrays, read_class
from affect4d.quarantine import BadInput
from affect4d.synthesis.request_options import limit_intensity
from affect4d.template.regions import name_region, name_regions, regions_of

REGIONS = regions_of(TEMPLATE.vertices, TEMPLATE.landmarks)
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
    assert name_region(field, REGIONS) == name


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ([-45, -4, 80], "right cheek"),
        ([45, -4, 80], "left cheek"),
        ([0, 85, 100], "middle forehead"),
        ([40, 90, 92], "left forehead side"),
        ([0, 20, 122], "nose"),
        ([-12, -5, 112], "right nose wing"),
    ],
)
def test_places_without_landmarks_have_names_too(place, name):
    vertex = np.argmin(np.linalg.norm(TEMPLATE.vertices - place, axis=1))
    assert name_region(at(vertex), REGIONS) == name


def at(vertex):
    field = np.zeros_like(TEMPLATE.vertices)
    field[vertex] = UP
    return field


def test_both_sides_are_named_where_both_move_and_the_mirror_image_has_the_other_side():
    left, right = bump(54, 8, UP), bump(48, 8, UP)
    assert name_region(left + 0.6 * right, REGIONS) == "mouth corners"
    assert name_region(left + 0.4 * right, REGIONS) == "left mouth corner"
    assert name_region(0.4 * left + right, REGIONS) == "right mouth corner"


def test_components_of_one_region_are_told_apart_by_where_they_go():
    up, down = bump(8, 12, UP), bump(8, 12, [0, -4, 1])
    assert name_regions([up, bump(48, 8, UP)], REGIONS) == ["chin", "right mouth corner"]
    assert name_regions([up, down, up], REGIONS) == ["chin up", "chin down", "chin up 2"]
    assert name_regions([bump(8, 12, [4, 0, 0]), bump(8, 12, [0, 0, -4])], REGIONS) == [
        "chin left",
        "chin back",
    ]


def test_a_component_is_the_mean_with_one_weight_at_the_end_of_its_range(tmp_path):
    write_components(tmp_path / "fear.zarr")
    model = read_class(tmp_path / "fear.zarr")
    for number, name in ((1, "right mouth corner"), (2, "left mouth corner")):
        by_name = component_target(tmp_path, "fear", name, regions=REGIONS)
        by_number = component_target(tmp_path, "fear", str(number), regions=REGIONS)
        assert np.array_equal(by_name.deformation, by_number.deformation)
        assert by_name.name == f"fear:{name}" and np.isnan(by_name.valence)
        weights = model.distribution.mean.copy()
        weights[number - 1] = np.quantile(model.weights[:, number - 1], 0.95)
        assert np.array_equal(by_name.deformation, model.deformation(weights))


def test_of_weights_of_both_signs_the_larger_end_counts(tmp_path):
    fields = np.stack([bump(48, 15, UP)])
    arrays = model_arrays(
        fields[0], fields, np.array([[-3.0], [0.0], [1.0]]), subjects=np.arange(3)
    )
    store.write(tmp_path / "fear.zarr", arrays, {"constraint": "signed"}, provenance=None)
    model = read_class(tmp_path / "fear.zarr")
    target = component_target(tmp_path, "fear", "1", regions=REGIONS)
    assert np.array_equal(target.deformation, model.deformation(np.array([-2.7])))  # of 5 %
    twice = np.concatenate([fields, fields])
    arrays = model_arrays(
        fields[0], twice, np.array([[-3.0, 1], [0, 2], [1, 3]]), subjects=np.arange(3)
    )
    store.write(tmp_path / "fear.zarr", arrays, {"constraint": "signed"}, provenance=None)
    names = component_names(tmp_path, "fear", regions=REGIONS)
    assert names == ["right mouth corner down", "right mouth corner up"]


def test_one_frame_unlike_all_others_is_not_what_a_component_shows(tmp_path):
    fields, weights = bump(48, 15, UP)[None], np.linspace(0, 0.5, 100)
    faces = []
    for last in (0.5, 1.0):
        weights[-1] = last
        arrays = model_arrays(fields[0], fields, weights[:, None], subjects=np.arange(100))
        store.write(tmp_path / "fear.zarr", arrays, {"constraint": "nonnegative"}, provenance=None)
        faces.append(component_target(tmp_path, "fear", "1", regions=REGIONS).deformation)
    apart = np.abs(faces[1] - faces[0]).max() / np.abs(fields).max()
    assert apart < 0.01  # of the component: the mean weight moved, the end did not
    assert np.abs(faces[0] - fields[0]).max() > 0.2 * np.abs(fields).max()


def test_a_component_that_few_frames_show_is_shown(tmp_path):
    fields, weights = bump(48, 15, UP)[None], np.zeros((100, 1))
    weights[:3] = 1.0
    arrays = model_arrays(fields[0], fields, weights, subjects=np.arange(100))
    store.write(tmp_path / "fear.zarr", arrays, {"constraint": "nonnegative"}, provenance=None)
    model = read_class(tmp_path / "fear.zarr")
    target = component_target(tmp_path, "fear", "1", regions=REGIONS)
    assert np.array_equal(target.deformation, model.deformation(np.array([1.0])))


def test_what_is_no_component_lists_those_that_are(tmp_path):
    write_components(tmp_path / "fear.zarr")
    for name in ("3", "0", "ear", ""):
        with pytest.raises(BadInput, match=r"right mouth corner \(1\), left mouth corner \(2\)"):
            component_target(tmp_path, "fear", name, regions=REGIONS)
    for name in ("joy", "../atlas", ""):
        with pytest.raises(BadInput, match=f"there is no model {name}; models are fear"):
            component_target(tmp_path, name, "1", regions=REGIONS)
    assert component_names(tmp_path, "joy", regions=REGIONS) == []


def test_a_component_goes_no_further_than_the_frames():
    said = []
    assert limit_intensity(2, said.append) == 1 and "no further" in said[0]
    assert [limit_intensity(i, said.append) for i in (None, 0, 0.5, 1)] == [1, 0, 0.5, 1]
    assert len(said) == 1
