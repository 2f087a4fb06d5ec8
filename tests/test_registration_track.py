"""Skin is followed from a sequence's neutral frame to the others."""

from copy import copy
from dataclasses import replace

import cv2
import numpy as np
from skimage.measure import points_in_poly
from support.registration_scans import deform, scan_of

from affect4d.registration.registrar import Registered
from affect4d.registration.track import Texture, Tracker
from affect4d.template.ibug68 import LEFT_BROW, LEFT_EYE, RIGHT_BROW, RIGHT_EYE, UPPER_LIDS


def freckled(template, rng):
    """A Texture with a pattern, seen from the front."""
    low, high = template.vertices.min(0), template.vertices.max(0)
    uv = ((template.vertices - low) / (high - low))[:, :2].astype(np.float32)
    coarse = rng.normal(size=(90, 90)).astype(np.float32)
    skin = 140 + 25 * cv2.resize(coarse, (720, 720), interpolation=cv2.INTER_CUBIC)
    return Texture(np.clip(np.repeat(skin[..., None], 3, 2), 0, 255).astype(np.uint8), uv)


def raised_brows(template, registrar, end_mm):
    """A forehead as registered at rest and with brows 9 mm higher, and as it is then: two (V, 3),
    the true change (V, 3), its seen triangles.

    The skin moves with the brows and stays from `end_mm` above them on.
    """
    brows = template.landmarks[[*LEFT_BROW, *RIGHT_BROW]]
    above = template.vertices - brows.mean(axis=0)
    share = np.clip(np.minimum((end_mm - above[:, 1]) / 12, 1 + above[:, 1] / 12), 0, 1)
    front = above[:, 2] > -40
    rest = deform(template, seed=8)
    raised = rest.copy()
    raised[:, 1] += 9 * share**2 * (3 - 2 * share) * front
    tracker, texture = Tracker(registrar.raster), freckled(template, np.random.default_rng(3))
    frames: list[Registered] = []
    for face in (rest, raised):
        marks = scan_of(template, face, seed=0, noise=0.0)[2]
        neutral = frames[0] if frames else None
        frames.append(
            registrar.register(
                face, template.triangles, marks, neutral=neutral, tracker=tracker, texture=texture
            )
        )
    forehead = (above[:, 1] > 8) & (np.abs(above[:, 0]) < 45) & front
    shown = forehead & frames[0].seen & frames[1].seen
    part = template.triangles[shown[template.triangles].all(1)]
    return frames[0].vertices, frames[1].vertices, raised - rest, part


def test_a_forehead_is_followed_to_the_hairline(template, registrar):
    rest, raised, change, part = raised_brows(template, registrar, end_mm=45.0)
    away = np.linalg.norm(raised - rest - change, axis=1)[np.unique(part)]
    assert np.percentile(away, 95) < 1


def test_skin_that_brows_compress_is_not_turned_over(template, registrar):
    rest, raised, _, part = raised_brows(template, registrar, end_mm=16.0)
    before, after = (
        np.cross(face[part[:, 1]] - face[part[:, 0]], face[part[:, 2]] - face[part[:, 0]])
        for face in (rest, raised)
    )
    assert len(part) > 1000
    assert (np.sum(before * after, axis=1) > 0).all()


def test_following_the_skin_makes_frames_agree(template, registrar):
    rng = np.random.default_rng(3)
    truth = deform(template, seed=8)
    texture = freckled(template, rng)
    clean = scan_of(template, truth, seed=0, noise=0.0)[2]
    first, second = (clean + rng.normal(size=clean.shape) for _ in range(2))
    apart, together = [], []
    for tracker, kept in ((None, apart), (Tracker(registrar.raster), together)):
        for landmarks in (first, second):
            kept.append(
                registrar.register(
                    truth, template.triangles, landmarks, tracker=tracker, texture=texture
                ).vertices
            )
    gaps = [
        np.linalg.norm(frames[1] - frames[0], axis=1)[template.inner].mean()
        for frames in (apart, together)
    ]
    assert gaps[1] < 0.5 * gaps[0]


def test_an_eye_does_not_hold_its_lids_back(template, registrar):
    """Upper lids rise by 3 mm, of which landmarks say a third: the rest is known by the skin alone,
    beside an eye of more contrast that stays."""
    outlines = template.landmarks[[RIGHT_EYE, LEFT_EYE]]
    x, y, z = template.vertices.T
    front = z > outlines[..., 2].min() - 8
    inside = [points_in_poly(template.vertices[:, :2], eye[:, :2]) for eye in outlines]
    eyes = np.any(inside, axis=0) & front
    middle = template.landmarks[np.concatenate(UPPER_LIDS)]
    above, aside = y - middle[:, 1].mean(), np.abs(np.abs(x) - np.abs(middle[:, 0]).mean())
    share = np.clip((16 - above) / 12, 0, 1) * np.clip((22 - aside) / 14, 0, 1) * (above > -3)
    change = np.zeros_like(template.vertices)
    change[:, 1] = 3 * share * ~eyes * front
    rest = deform(template, seed=8)
    marks = scan_of(template, rest, seed=0, noise=0.0)[2]
    texture = _with_irises(template, outlines.mean(axis=1))
    lids = (above > 0) & (above < 5) & (aside < 6) & ~eyes
    everywhere = copy(registrar.raster)
    everywhere.skin = np.ones_like(everywhere.skin)
    lost = []
    for raster in (everywhere, registrar.raster):
        tracker = Tracker(raster)
        frames: list[Registered] = []
        for apex in (0, 1):
            frames.append(
                registrar.register(
                    rest + apex * change,
                    template.triangles,
                    marks + apex / 3 * change[template.landmark_vertices],
                    neutral=frames[0] if frames else None,
                    tracker=tracker,
                    texture=texture,
                )
            )
        seen = lids & frames[0].seen & frames[1].seen
        assert seen.sum() > 100
        moved, true = (frames[1].vertices - frames[0].vertices)[seen], change[seen]
        lost.append(abs(1 - (moved * true).sum() / np.square(true).sum()))
    assert lost[1] < 0.5 * lost[0]


def _with_irises(template, eyes):
    """The freckled Texture with white eyes around dark irises, at eyes' centres (2, 3) mm."""
    texture = freckled(template, np.random.default_rng(3))
    low, high = template.vertices.min(0), template.vertices.max(0)
    image = texture.image.copy()
    rows, columns = (np.indices(image.shape[:2]).T + 0.5).T / image.shape[0]
    x, y = columns * (high - low)[0] + low[0], (1 - rows) * (high - low)[1] + low[1]
    for eye in eyes:
        away = np.hypot(x - eye[0], y - eye[1])
        image[away < 5.5] = np.where(away < 4, 30, 230)[away < 5.5][:, None]
    return replace(texture, image=image)
