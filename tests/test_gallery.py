"""The embedded gallery: people, action units, scans and their truth."""

import shutil

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree
from support.action_units import moves_as_described
from support.contexts import context

from affect4d import store
from affect4d.artifacts.gallery import SCAN_COLUMNS
from affect4d.config.gallery import Settings, Synthetic
from affect4d.formats.images import read_image
from affect4d.formats.landmarks import read_landmarks
from affect4d.formats.meshes import read_mesh
from affect4d.gallery.jobs import chunks
from affect4d.gallery.synthetic import mpfb, portraits, scans, skin_motion
from affect4d.gallery.synthetic.action_units import NAMES, SMILING_JAW
from affect4d.gallery.synthetic.affect import (
    intensities,
    prototype,
)
from affect4d.gallery.synthetic.model import read_model, write_model
from affect4d.gallery.synthetic.people import make_person
from affect4d.geometry.surface import boundary_loops
from affect4d.quarantine import BadInput
from affect4d.store.protocol import LIST
from affect4d.template.ibug68 import (
    LOWER_INNER_LIP,
    LOWER_LIP,
    MOUTH_CORNERS,
    UPPER_INNER_LIP,
    UPPER_LIP,
)
from affect4d.template.template import load_template

SMALL = Synthetic(subjects=2, spontaneous=1, spontaneous_frames=8, posed_frames=6)


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    root = tmp_path_factory.mktemp("gallery")
    write_model(6000, context(root, "gallery"))
    return root / "gallery/model.zarr"


@pytest.fixture(scope="module")
def model(model_path):
    return read_model(model_path)


def scan(root, model_path, people, name="c0000", settings=SMALL):
    """Scan people into the gallery under `root`; gives the gallery's folder."""
    scans.scan_chunk(name, people, settings, model=model_path, context=context(root, "gallery"))
    return root / "gallery"


@pytest.fixture(scope="module")
def scanned(model_path):
    return scan(model_path.parents[1], model_path, ["s001"])


def test_at_least_thirty_identity_modes_that_no_few_others_span(model):
    flat = model.identity.reshape(len(model.identity), -1)
    assert len(flat) >= 30
    energies = np.linalg.eigvalsh((flat @ flat.T).astype(np.float64))
    assert (energies > 1e-6 * energies[-1]).sum() >= 30


def test_identity_is_mostly_symmetric(model):
    mirror = cKDTree(model.template.vertices).query(model.template.vertices * [-1, 1, 1])[1]
    faces = [
        model.neutral(make_person(f"x{k}", len(model.identity), 0).identity)
        - model.template.vertices
        for k in range(5)
    ]
    for face in faces:
        reflected = face[mirror] * [-1, 1, 1]
        assert np.linalg.norm((face - reflected) / 2) < 0.5 * np.linalg.norm((face + reflected) / 2)


def test_few_people_show_on_average_what_many_do():
    gains = np.array([make_person(f"s{k:03d}", 1, 0).gains for k in range(1, 25)])
    # of 24 independent people the standard deviation of a unit's mean is .08
    assert np.abs(gains.mean(axis=0) - 1).max() < 0.08
    assert (gains.std(axis=0) > 0.2).all()
    assert np.abs(np.corrcoef(gains.T) - np.eye(len(gains.T))).mean() < 0.3


def test_units_do_what_the_facs_manual_says(model):
    moves_as_described(model)
    top = model.template.vertices[:, 1] > model.template.landmarks[19, 1] + 70
    assert top.any() and np.abs(model.units[:, top]).max() < 0.5


def test_flesh_goes_with_the_unit_that_moves_it_and_brows_and_upper_lids_stay(model):
    """Figures: .8 of ICT-FaceKit's, whose shapes come of scans (benchmarks/unit_motion.py)."""
    landmarks = model.template.landmarks
    size = np.linalg.norm(np.diff(landmarks[[36, 45]], axis=0)) / 90
    for unit, points in skin_motion.MOTION.items():
        field = model.units[NAMES.index(unit)]
        for point, goal in points.items():
            left, *right = skin_motion.point_vertices(model.template, point)
            given = ~np.isnan(goal)
            moved = field[left][given] / size
            np.testing.assert_allclose(moved, np.array(goal)[given], atol=0.15, err_msg=point)
            for vertex in right:
                np.testing.assert_allclose(field[vertex], field[left] * [-1, 1, 1], atol=0.5)
    chin = skin_motion.point_vertices(model.template, "chin")
    lip = model.template.landmark_vertices[57]
    assert (model.units[NAMES.index("AU17")][[chin[0], lip], 1] > 5).all()
    mouth = model.template.landmark_vertices[[48, 51, 54]]
    assert (model.units[NAMES.index("AU12")][mouth, 2] < -2).all()  # around the teeth
    kept = model.template.landmark_vertices[skin_motion.KEPT]
    for unit in ("AU16", "AU17", "AU20", "AU25"):  # of the mouth, which the cheeks join to the eyes
        field = model.units[NAMES.index(unit)]
        assert np.abs(field[kept]).max() < 0.05, unit


def test_a_smile_leaves_the_lower_lip_its_red(model):
    """Least height: the lower quartile of 40 people's smiles (benchmarks/mouths.py)."""
    landmarks = model.template.landmarks
    size = np.linalg.norm(np.diff(landmarks[[36, 45]], axis=0)) / 90
    fields = dict(zip(NAMES, model.units[:, model.template.landmark_vertices], strict=True))

    def red(moved):
        apart = (landmarks + moved)[LOWER_LIP] - (landmarks + moved)[LOWER_INNER_LIP]
        return np.linalg.norm(apart[:, :2], axis=1).mean()

    for smile in ("happiness", "excited", "relaxed"):
        units = np.array([prototype(smile)])
        moved = model.expressions(units, np.zeros(len(NAMES)))[0]
        assert red(moved[model.template.landmark_vertices]) > 0.90 * red(0), smile
    for unit, pairs in skin_motion.LOWER_RED.items():
        for (inner, outer), goal in pairs.items():
            stretched = (fields[unit][inner] - fields[unit][outer])[1:] / size
            np.testing.assert_allclose(stretched, goal, atol=0.05, err_msg=unit)
    opened = landmarks + fields["AU12"]
    assert (opened[UPPER_INNER_LIP, 1] > opened[LOWER_INNER_LIP, 1]).all()


def test_a_brow_moves_as_one_and_the_lid_stays(model):
    vertices, landmarks = model.template.vertices, model.template.landmarks
    for name, lid_share in (("AU1", 0.2), ("AU2", 0.2), ("AU4", 0.35)):
        field = model.units[NAMES.index(name)]
        for brow, lid in ((19, 37), (24, 44)):
            beside = np.abs(vertices[:, 0] - landmarks[brow, 0]) < 1.0
            front = vertices[:, 2] > landmarks[brow, 2] - 20
            below = landmarks[brow, 1] - vertices[:, 1]
            hair = field[beside & front & (below > -2.0) & (below < 3.5), 1]
            own, lids = field[model.template.landmark_vertices[[brow, lid]], 1]
            assert len(hair) > 3 and np.abs(hair - own).max() < 0.12 * abs(own)
            assert abs(lids) < lid_share * abs(own)


@pytest.mark.parametrize(("smile", "jaw"), [(1.0, 0.9), (0.5, 0.9), (0.9, 0.3), (0.0, 0.7)])
def test_a_smile_holds_the_corners_of_the_lips_while_the_jaw_drops(model, smile, jaw):
    def shown(**units):
        row = np.array([[units.get(name, 0.0) for name in NAMES]])
        field = model.expressions(row, np.zeros(len(NAMES)))[0]
        return field[model.template.landmark_vertices]

    both, alone, dropped = shown(AU12=smile, AU26=jaw), shown(AU12=smile), shown(AU26=jaw)
    held = min(smile, jaw) / jaw
    expected = alone + (1 - held) * dropped
    np.testing.assert_allclose(both[MOUTH_CORNERS], expected[MOUTH_CORNERS], atol=1e-3)
    # teeth part, and the chin falls, as far as without the smile
    for landmark in (8, 62, 66):
        np.testing.assert_allclose(both[landmark], alone[landmark] + dropped[landmark], atol=0.4)


def test_a_crooked_smile_stays_so_while_the_jaw_drops():
    smile, both = (NAMES.index(name) for name in ("AU12", SMILING_JAW))
    people = [make_person(f"s{n:03d}", 3, 0).asymmetry for n in range(1, 9)]
    assert all(person[smile] == person[both] for person in people)


def test_lips_that_press_and_tighten_lose_half_of_their_red(model):
    at = model.template.landmark_vertices
    tight = model.units[[NAMES.index("AU23"), NAMES.index("AU24")]].sum(axis=0)[at]
    before, after = (
        np.abs(points[UPPER_LIP, 1] - points[UPPER_INNER_LIP, 1]).mean()
        + np.abs(points[LOWER_LIP, 1] - points[LOWER_INNER_LIP, 1]).mean()
        for points in (model.template.landmarks, model.template.landmarks + tight)
    )
    assert 0.4 < after / before < 0.6


def test_units_move_both_sides_alike(model):
    mirror = cKDTree(model.template.vertices).query(model.template.vertices * [-1, 1, 1])[1]
    for field in model.units:
        reflected = field[mirror] * [-1, 1, 1]
        assert np.linalg.norm(field - reflected) < 0.15 * np.linalg.norm(field + reflected)


def test_the_scanned_face_is_one_surface_with_an_opening_between_the_lips(model):
    outline, lips = boundary_loops(model.template.triangles)
    assert set(lips) == set(model.template.lips)
    assert np.ptp(model.template.vertices[outline, 1]) > 200
    assert model.template.vertices[:, 2].max() < model.template.landmarks[30, 2] + 5
    corners = model.template.landmarks[[36, 45]]
    # outer canthal distance of adults: 80 to 98 mm (Farkas 1994)
    assert 80 < np.linalg.norm(corners[0] - corners[1]) < 98


def test_without_the_package_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(mpfb, "DISTRIBUTION", "no-such-package")
    with pytest.raises(BadInput, match=r"not installed.*pip install --no-deps"):
        mpfb.data_folder()
    monkeypatch.setattr(mpfb, "DISTRIBUTION", "numpy")
    with pytest.raises(BadInput, match="its version is"):
        mpfb.data_folder()


def test_people_smile_openly_where_they_are_delighted_and_drop_no_jaw(model):
    # Russell 1980: delighted (.9, .3), happy (.85, .15); from there to excitement smiles are open
    places = np.array([[0.7, 0.5], [0.9, 0.1], [0.9, 0.3], [0.85, 0.15], [0.81, 0.51]])
    units = intensities(places)
    smile = NAMES.index("AU12")  # at least as strong as a posed one
    assert (units[:, smile] >= prototype("happiness")[smile]).all()
    assert (units[:, NAMES.index("AU26")] < 0.2).all()
    # with as much surprise as a class mixes in, the corners of the lips are still up
    mixed = 0.75 * units[0] + 0.25 * prototype("surprise")
    moved = model.expressions(np.array([units[0], mixed]), np.zeros(len(NAMES)))
    up = moved[:, model.template.landmark_vertices[MOUTH_CORNERS], 1].mean(axis=1)
    assert up[0] > 5 and up[1] > 0.6 * up[0]


def test_a_scan_is_the_true_face_in_another_topology_pose_and_noise(scanned):
    truth = store.open(scanned / "truth" / "c0000.zarr")
    table = pd.read_csv(scanned / "scans" / "c0000.csv")
    ids, sequences = truth.attributes["frame_ids"], truth.attributes["sequences"]
    assert list(table.columns) == list(SCAN_COLUMNS) and list(table["frame_id"]) == ids
    faces = np.concatenate([truth[f"faces{k}"][...] for k in range(len(sequences))])
    sizes = set()
    for index in (0, 3, 11):
        mesh = read_mesh(scanned.parent / table["mesh"][index])
        sizes.add(len(mesh.vertices))
        back = (mesh.vertices - truth["translation"][index]) @ truth["rotation"][index]
        distance = cKDTree(faces[index]).query(back)[0]
        # scanner noise and half an edge of the template; fragments are a few vertices far away
        assert np.median(distance) < 0.8 and 0 < (distance > 4).sum() < 60
        assert read_image(mesh.texture).shape == (256, 256, 3)
    assert faces.shape[1] not in sizes and len(sizes) > 1


def test_landmarks_are_near_the_truth_except_where_they_are_grossly_wrong(model_path, tmp_path):
    often = SMALL.model_copy(update={"gross_share": 0.3})
    folder = scan(tmp_path, model_path, ["s001"], "c", often)
    truth, template = store.open(folder / "truth" / "c.zarr"), read_model(model_path).template
    table, gross = pd.read_csv(folder / "scans" / "c.csv"), truth["gross"][...]
    faces = np.concatenate(
        [truth[f"faces{k}"][...] for k in range(len(truth.attributes["sequences"]))]
    )
    assert set(gross) == {0, 1, 2}
    for index, kind in enumerate(gross):
        marks = read_landmarks(tmp_path / table["landmarks"][index], 3)
        back = (marks - truth["translation"][index]) @ truth["rotation"][index]
        error = np.linalg.norm(back - template.landmarks_on(faces[index]), axis=1)
        # 68 norms of three Gaussian coordinates stay below 6 standard deviations
        assert np.median(error) < 2.5 * SMALL.landmark_noise
        assert (error > 20).sum() >= 5 if kind else error.max() < 6 * SMALL.landmark_noise


def test_spoiled_landmarks_are_gross():
    marks = load_template().landmarks
    for kind in scans.GROSS_KINDS[1:]:
        wrong = scans._spoil(marks, kind, np.random.default_rng(0))
        moved = np.linalg.norm(wrong - marks, axis=1)
        assert (moved > 20).sum() >= 5


def test_scans_do_not_depend_on_who_is_scanned_with_whom(model_path, scanned, tmp_path):
    first = {p.name: p.read_bytes() for p in scanned.glob("scans/c0000/s001_1_fear/*")}
    scan(model_path.parents[1], model_path, ["s002", "s001"], "other")
    second = {p.name: p.read_bytes() for p in scanned.glob("scans/other/s001_1_fear/*")}
    assert first and first == second


def test_nothing_of_an_earlier_build_stays(model_path, tmp_path):
    folder = tmp_path / "gallery"
    for length in (10, 8):
        fewer = SMALL.model_copy(update={"spontaneous_frames": length})
        scan(tmp_path, model_path, ["s001"], "c", fewer)
    named = set(pd.read_csv(folder / "scans" / "c.csv")["mesh"])
    found = {p.relative_to(tmp_path).as_posix() for p in folder.glob("scans/c/*/*.ply")}
    assert found == named
    shutil.copytree(model_path, folder / "model.zarr")
    shutil.copy(model_path.with_name("model.manifest.json"), folder)
    for people in (2, 1):
        portraits.write_portraits(people, context(tmp_path, "gallery"))
    assert {p.name for p in (folder / "portraits").iterdir()} == {LIST, "001"}


def test_chunks_keep_their_people_when_more_come():
    few = chunks(Settings(synthetic=Synthetic(subjects=8)))
    many = chunks(Settings(synthetic=Synthetic(subjects=10)))
    assert all(many[name] == people for name, people in few.items())


def test_portraits_have_landmarks_on_the_face_and_one_neutral_frame(model_path):
    folder = model_path.parent / "portraits"
    portraits.write_portraits(1, context(model_path.parents[1], "gallery"))
    content = pd.read_json(folder / "001" / "001.json")["frames"]
    places = [(f["valence"], f["arousal"]) for f in content]
    assert places.count((0, 0)) == 1 and len(places) == 3
    image = read_image(folder / "001" / "00000.png")
    marks = np.array(content.iloc[0]["landmarks"])
    assert (marks > 0).all() and (marks < portraits.SIZE).all()
    lips, cheek = marks[[51, 57]].mean(0).round().astype(int), marks[[31, 2]].mean(0)
    x, y = cheek.round().astype(int)
    redness = image[..., 0].astype(int) - image[..., 1]
    assert redness[lips[1], lips[0]] > redness[y, x]
