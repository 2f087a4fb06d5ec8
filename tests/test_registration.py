"""Registration against surfaces of known correspondence, made here from the template alone."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support.registration_scans import deform, open_mouth, scan_of

from affect4d.config.registration import Settings
from affect4d.formats.landmarks import read_landmarks
from affect4d.formats.meshes import read_mesh
from affect4d.geometry.similarity import fit_similarity
from affect4d.geometry.surface import cotangent
from affect4d.registration import Registrar
from affect4d.registration.fill import Filler
from affect4d.registration.lids import Lids
from affect4d.registration.quality import flag_names
from affect4d.registration.scan import large_pieces
from affect4d.template.ibug68 import (
    COUNT,
    EYES,
    INNER_LIPS,
    LEFT_BROW,
    LEFT_EYE,
    MIRROR,
    RIGHT_BROW,
    RIGHT_EYE,
    UPPER_INNER_LIP,
    UPPER_LIDS,
)
from affect4d.template.menpo3d_data import data_file


@pytest.fixture(scope="module")
def truth(template):
    return deform(template, seed=1, jaw=0.6)


@pytest.fixture(scope="module")
def scan(template, truth):
    return scan_of(template, truth, seed=2)


def error(registered, truth, template):
    """Distance (mm) of the inner face's seen vertices from the truth, rigidly aligned."""
    mask = template.inner & registered.seen
    rigid = fit_similarity(registered.vertices[mask], truth[mask], scale=False)
    return np.linalg.norm(rigid.apply(registered.vertices[mask]) - truth[mask], axis=1)


def assert_same_but_for_rounding(one, other, inner):
    """Every vertex of the face within .05 mm, and 99.8 % of all within .01 mm.

    In the ears' folds a vertex on an edge of the scan may fall to either side.
    """
    both = one.seen & other.seen
    distance = np.abs(one.vertices - other.vertices).max(1)
    assert distance[both & inner].max() < 0.05
    assert np.percentile(distance[both], 99.8) < 0.01
    assert (one.seen != other.seen).mean() < 1e-3


def test_the_forehead_stays_where_brows_frown(template, registrar, truth):
    brows = template.landmarks[[*LEFT_BROW, *RIGHT_BROW]]
    apart = np.linalg.norm(template.vertices[:, None] - brows, axis=2).min(axis=1)
    frown = truth.copy()
    frown[:, 1] -= 6 * np.exp(-((apart / 12) ** 2))
    rest = registrar.register(*scan_of(template, truth, seed=2, noise=0.3))
    frame = registrar.register(*scan_of(template, frown, seed=3, noise=0.3), neutral=rest)
    change = frame.vertices - rest.vertices - (frown - truth)
    above = template.vertices - brows.mean(axis=0)
    forehead = (above[:, 1] > 30) & (np.abs(above[:, 0]) < 40) & (above[:, 2] > -40) & frame.seen
    assert forehead.sum() > 100
    assert np.median(np.linalg.norm(change[forehead], axis=1)) < 3  # half of what the brows move
    lowered = frame.vertices - rest.vertices
    marked = template.landmark_vertices[[*LEFT_BROW, *RIGHT_BROW]]
    assert np.median(lowered[marked, 1]) < -4


def test_recovers_known_correspondence(template, registrar, truth, scan):
    registered = registrar.register(*scan)
    distance = error(registered, truth, template)
    assert distance.mean() < 1.1 and np.percentile(distance, 95) < 2.5
    assert registered.vertices.dtype == np.float32
    assert registered.vertices.shape == template.vertices.shape
    assert registered.quality.seen > 0.9
    assert registered.quality.flags(registrar.settings) == 0


def test_lies_on_the_scan_and_in_the_templates_frame_at_true_scale(template, registrar):
    truth = 1.12 * deform(template, seed=4)
    registered = registrar.register(*scan_of(template, truth, seed=5))
    bridge = template.landmark_vertices[27]
    assert np.linalg.norm(registered.vertices[bridge] - template.vertices[bridge]) < 6
    size = np.linalg.norm(np.ptp(registered.vertices[template.inner], axis=0))
    assert size == pytest.approx(np.linalg.norm(np.ptp(truth[template.inner], axis=0)), rel=0.02)
    assert registered.quality.scale == pytest.approx(1.12, abs=0.04)


def test_pose_does_not_matter(registrar, scan):
    vertices, triangles, landmarks = scan
    plain = registrar.register(vertices, triangles, landmarks)
    rotation = Rotation.from_euler("yxz", [160, -35, 50], degrees=True).as_matrix()
    move = np.array([300.0, -120.0, 900.0])
    posed = registrar.register(
        vertices @ rotation.T + move, triangles, landmarks @ rotation.T + move
    )
    distance = np.linalg.norm(posed.vertices - plain.vertices, axis=1)
    assert np.percentile(distance[plain.seen & posed.seen], 99) < 0.01


def test_same_input_same_bytes(registrar, scan):
    first, second = registrar.register(*scan), registrar.register(*scan)
    assert first.vertices.tobytes() == second.vertices.tobytes()
    assert first.seen.tobytes() == second.seen.tobytes()


def test_five_gross_landmarks_are_dropped_and_flagged(template, registrar, truth, scan):
    vertices, triangles, landmarks = scan
    for seed in range(30):
        rng = np.random.default_rng(seed)
        off = rng.normal(size=(5, 3))
        changed = landmarks.copy()
        changed[rng.choice(68, 5, replace=False)] += 30 * off / np.linalg.norm(off, axis=1)[:, None]
        assert registrar.check(changed).keep.sum() <= 64
    registered = registrar.register(vertices, triangles, changed)
    assert "landmarks" in flag_names(registered.quality.flags(registrar.settings))
    assert error(registered, truth, template).mean() < 1.5


def test_points_that_a_markup_lacks_are_not_missed(template, registrar, truth, scan):
    vertices, triangles, landmarks = scan
    fewer = landmarks.copy()
    fewer[[*range(17), 60, 64]] = np.nan
    registered = registrar.register(vertices, triangles, fewer)
    assert registered.quality.flags(registrar.settings) == 0
    assert error(registered, truth, template).mean() < 1.1


def test_a_displaced_eye_is_flagged(registrar, scan):
    landmarks = scan[2].copy()
    landmarks[36:42] += [18.0, 18.0, 0.0]
    assert not registrar.check(landmarks).keep[36:42].all()


@pytest.mark.parametrize("order", [MIRROR[36:48], [*range(42, 48), *range(36, 42)]])
def test_swapped_eyes_are_relabelled_and_flagged(template, registrar, truth, scan, order):
    vertices, triangles, landmarks = scan
    swapped = landmarks.copy()
    swapped[36:48] = landmarks[order]
    registered = registrar.register(vertices, triangles, swapped)
    assert "landmarks" in flag_names(registered.quality.flags(registrar.settings))
    assert error(registered, truth, template).mean() < 1.5


def test_mirrored_scan_and_other_units_are_flagged(registrar, scan):
    vertices, triangles, landmarks = scan
    mirror = np.array([-1.0, 1.0, 1.0])
    mirrored = registrar.register(vertices * mirror, triangles[:, ::-1], landmarks * mirror)
    assert "mirrored" in flag_names(mirrored.quality.flags(registrar.settings))
    plain = registrar.register(*scan)
    for unit in (10.0, 1000.0):
        other = registrar.register(vertices / unit, triangles, landmarks / unit)
        assert flag_names(other.quality.flags(registrar.settings)) == ["unit"]
        assert other.quality.unit == unit
        assert_same_but_for_rounding(other, plain, registrar.template.inner)


def test_clean_frames_raise_no_flag(template, registrar):
    rng = np.random.default_rng(0)
    flagged = 0
    for seed in range(12):
        truth = deform(template, seed=100 + seed, jaw=rng.uniform())
        landmarks = scan_of(template, truth, seed, noise=1.0, share=0.05)[2]
        flagged += not registrar.check(landmarks).keep.all()
    assert flagged == 0


def test_fragments_and_seams_are_left_out(template, registrar, truth, scan):
    vertices, triangles, landmarks = scan
    count = len(vertices)
    fragment = np.array([[-15, 0, 190], [15, 0, 190], [0, 25, 190]], dtype=np.float32)
    behind = [int(np.argmin(vertices[:, 0])), int(np.argmax(vertices[:, 0])), 0]
    changed = np.concatenate([triangles, [[count, count + 1, count + 2], behind]])
    registered = registrar.register(np.concatenate([vertices, fragment]), changed, landmarks)
    plain = registrar.register(*scan)
    assert_same_but_for_rounding(registered, plain, template.inner)


def test_pieces_split_at_texture_seams_stay_connected():
    vertices = np.array(
        [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], dtype=np.float32
    )
    vertices = np.concatenate([vertices, vertices[:3] + 50])
    triangles = np.array([[0, 1, 2], [3, 5, 4], [6, 7, 8]], dtype=np.int32)
    centre = np.zeros(3)
    assert large_pieces(vertices, triangles, centre).all()  # one of three is no fragment by size
    many = np.concatenate([np.repeat(triangles[:2], 10, axis=0), triangles[2:]])
    assert large_pieces(vertices, many, centre).tolist() == [True] * 20 + [False]
    vertices[6:] += 200
    assert large_pieces(vertices, triangles, centre).tolist() == [True, True, False]  # elsewhere


def test_mouths_inside_does_not_show(template, reference, registrar):
    truth = open_mouth(template, reference)
    vertices, triangles, landmarks = scan_of(template, truth, seed=6, noise=0.0)
    plain = registrar.register(vertices, triangles, landmarks)
    assert error(plain, truth, template).mean() < 1.1
    tongue = landmarks[60:68].mean(0) + np.array([[-4, -2, 9], [4, -2, 9], [0, 3, 9]])
    count = len(vertices)
    joined = [[count, count + 1, count + 2], [int(np.argmax(vertices[:, 2])), count, count + 1]]
    registered = registrar.register(
        np.concatenate([vertices, tongue]).astype(np.float32),
        np.concatenate([triangles, joined]),
        landmarks,
    )
    assert np.abs(registered.vertices - plain.vertices)[template.inner].max() < 4
    assert error(registered, truth, template).mean() < 1.1


def test_the_noses_underside_lies_on_the_scan(template, reference, registrar):
    truth = deform(template, seed=21)
    scan = scan_of(template, truth, seed=22)
    refined = registrar.register(*scan)
    only_landmarks = Registrar(reference, Settings(refinements=0)).register(*scan)
    base = np.linalg.norm(template.vertices - template.landmarks[33], axis=1) < 20
    unseen = base & ~refined.seen & ~only_landmarks.seen
    assert unseen.sum() > 50
    off = []
    for registered in (only_landmarks, refined):
        seen = template.inner & registered.seen
        rigid = fit_similarity(registered.vertices[seen], truth[seen], scale=False)
        distance = np.linalg.norm(rigid.apply(registered.vertices[unseen]) - truth[unseen], axis=1)
        off.append(distance.mean())
    assert off[1] < 0.9 and off[1] < 0.8 * off[0]


def test_holes_are_filled_near_the_truth(template, registrar, truth, scan):
    vertices, triangles, landmarks = scan
    cheek = truth[template.landmark_vertices[2]] * [0.7, 1, 1] + [0, 0, 30]
    near = np.linalg.norm(vertices - vertices[np.argmin(((vertices - cheek) ** 2).sum(1))], axis=1)
    registered = registrar.register(vertices, triangles[~(near < 12)[triangles].any(1)], landmarks)
    complete = registrar.register(*scan)
    filled = complete.seen & ~registered.seen
    assert filled.sum() > 100
    gap = np.linalg.norm(registered.vertices - complete.vertices, axis=1)[filled]
    assert gap.mean() < 1.0 and gap.max() < 4.0


def test_harmonic_filling_reproduces_linear_fields():
    n = 12
    grid = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), -1).reshape(-1, 2)
    vertices = np.c_[grid, np.zeros(n * n)].astype(float)
    corner = np.array([i * n + j for i in range(n - 1) for j in range(n - 1)])
    triangles = np.concatenate(
        [np.c_[corner, corner + n, corner + 1], np.c_[corner + 1, corner + n, corner + n + 1]]
    )
    laplacian, area = cotangent(vertices, triangles)
    field = np.c_[grid @ [0.3, -0.2], grid @ [0.1, 0.4], grid @ [1, 1]].astype(np.float32)
    seen = np.ones(n * n, dtype=bool)
    seen[((grid > 3) & (grid < 8)).all(1)] = False
    changed = np.where(seen[:, None], field, 99)
    filled = Filler(laplacian, area, fade_mm=1e6).fill(changed, seen, tolerance=1e-7)
    np.testing.assert_allclose(filled, field, atol=1e-3)


def test_landmarks_beside_the_face_are_flagged(registrar, scan):
    vertices, triangles, landmarks = scan
    moved = registrar.register(vertices, triangles, landmarks + np.array([0, 12, 0]))
    assert "disagreement" in flag_names(moved.quality.flags(registrar.settings))


def test_wrong_landmarks_are_refused(registrar, scan):
    vertices, triangles, landmarks = scan
    with pytest.raises(ValueError, match="68"):
        registrar.register(vertices, triangles, landmarks[:67])
    unmarked = landmarks.copy()
    unmarked[5:] = np.nan
    with pytest.raises(ValueError, match="finite"):
        registrar.register(vertices, triangles, unmarked)
    with pytest.raises(ValueError, match="plane"):
        registrar.register(vertices, triangles, np.ones((68, 3)))


def test_registers_a_real_scan(template, registrar):
    mesh = read_mesh(data_file("james.obj"))
    groups = json.loads(data_file("james.ljson").read_text())["groups"]["LJSON"]["labels"]
    mask = {group["label"]: group["mask"] for group in groups}
    order = ("chin", "leyebrow", "reyebrow", "nose", "leye", "reye", "mouth")
    points = read_landmarks(data_file("james.ljson"), dimension=3)
    landmarks = points[np.concatenate([mask[name] for name in order])]
    registered = registrar.register(mesh.vertices, mesh.triangles, landmarks)
    offset = template.landmarks - template.vertices[template.landmark_vertices]
    found = registered.vertices[template.landmark_vertices] + offset
    rigid = fit_similarity(landmarks, found, scale=False)
    assert np.linalg.norm(rigid.apply(landmarks) - found, axis=1).mean() < 0.7
    assert registered.quality.flags(registrar.settings) == 0


def test_lids_come_to_lie_at_the_landmarks_of_a_sequence_not_of_a_frame(template, registrar):
    displacement = np.zeros((COUNT, 3))
    displacement[UPPER_LIDS] = [0, 1, 0]  # as no smooth prior has them
    alone = replace(registrar.check(template.landmarks), displacement=displacement)
    lids = Lids(template, registrar._spline)
    assert not lids.correction(alone, template.vertices).any()
    of_sequence = replace(alone, of_sequence=True, stiffness=0.1)
    moved = lids.corrected(template.vertices, lids.correction(of_sequence, template.vertices))
    at = template.landmark_vertices
    assert np.abs(moved - template.vertices)[at[UPPER_LIDS], 1].min() > 0.7
    far = np.linalg.norm(template.vertices[:, None] - template.landmarks[EYES], axis=2).min(1) > 15
    assert not (moved != template.vertices)[far].any()
    right, left = at[UPPER_LIDS]
    for unmarked, other in ((RIGHT_EYE, left), (LEFT_EYE, right)):  # brows say nothing of lids
        keep = ~np.isin(np.arange(COUNT), unmarked)
        half = replace(of_sequence, displacement=displacement + np.array([0, 2, 0]), keep=keep)
        moved = lids.corrected(template.vertices, lids.correction(half, template.vertices))
        rise = moved[:, 1] - template.vertices[:, 1]
        assert not rise[at[unmarked]].any() and rise[other].min() > 2.7


def test_a_lip_is_not_taken_from_the_lip_that_covers_it(template, registrar):
    vertices, lips = template.vertices.astype(float), template.landmarks[INNER_LIPS]
    away = np.linalg.norm(vertices - lips.mean(0), axis=1) / 12
    lower = vertices[:, 1] < np.interp(vertices[:, 0], *np.sort(lips[[0, 6, 4], :2], axis=0).T)
    rise = lower * np.exp(-0.5 * away**2)
    covering = (vertices + rise[:, None] * [0, 4, 5]).astype(np.float32)
    found = registrar.register(covering, template.triangles, template.landmarks_on(covering))
    upper = template.landmark_vertices[UPPER_INNER_LIP]
    assert np.linalg.norm(found.vertices[upper] - covering[upper], axis=1).max() < 2
