"""Photographs of synthetic people, laid out as AFEW-VA is: they stand in for a database of faces.

The people are none of the gallery's; of each, one frame is neutral (valence = arousal = 0) and two
are not.
"""

import json
import shutil
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from affect4d import store
from affect4d.formats.images import write_image
from affect4d.gallery.synthetic.affect import intensities
from affect4d.gallery.synthetic.model import read_model
from affect4d.gallery.synthetic.people import person
from affect4d.gallery.synthetic.scans import landmarks_on
from affect4d.gallery.synthetic.texture import hair_colour, paint, texture_uv
from affect4d.geometry.raster import interpolate, rasterise
from affect4d.geometry.surface import vertex_normals
from affect4d.random_streams import named_rng
from affect4d.template.ibug68 import NOSE_RIDGE, OUTER_LIPS
from affect4d.template.nose_ridge import photograph_vertices

SIZE = 400
SUPERSAMPLE = 2
HALF_HEIGHT_MM = 145.0
CENTRE_MM = np.array([0.0, -8.0, 40.0])
YAW_SD, PITCH_SD, ROLL_SD = 8.0, 3.0, 2.0  # degrees
HAIR_CENTRE_MM, HAIR_RADII_MM = np.array([0.0, 26.0, 10.0]), (92.0, 90.0)
COLLAR_MM, SHOULDERS_MM = np.array([0.0, -99.0, 40.0]), (185.0, 92.0)


@dataclass(frozen=True)
class Setting:
    """Camera, light, background, hair and clothes of one person's photographs."""

    rotation: np.ndarray
    light: np.ndarray
    ambient: float
    background: np.ndarray
    hair: np.ndarray
    clothes: np.ndarray

    def project(self, points):
        """Points (N, 3) mm -> (N, 3): x right, y down in supersampled pixels, depth in mm."""
        factor = SIZE * SUPERSAMPLE / 2 / HALF_HEIGHT_MM
        turned = (np.asarray(points) - CENTRE_MM) @ self.rotation.T
        middle = (SIZE * SUPERSAMPLE - 1) / 2
        return np.stack(
            [turned[:, 0] * factor + middle, middle - turned[:, 1] * factor, turned[:, 2]], axis=1
        )


def write_portraits(folder, model_path, count, seed, provenance):
    """Render the portraits (rule `gallery_portraits`).

    Parameters
    ----------
    folder : Path of `gallery/portraits`
    model_path : path of the generator's store
    count : int, people
    seed : int
    provenance : store.Provenance
    """
    # the manifest takes in the whole folder: nobody of an earlier build may stay in it
    shutil.rmtree(folder, ignore_errors=True)
    model = read_model(model_path)
    for number in range(1, count + 1):
        video = f"{number:03d}"
        (folder / video).mkdir(parents=True, exist_ok=True)
        frames = _film(model, f"p{video}", folder / video, seed)
        content = {"actor": f"Portrait {video}", "video_id": video, "frames": frames}
        text = json.dumps(content, indent=1, sort_keys=True)
        (folder / video / f"{video}.json").write_text(text + "\n", encoding="utf-8")
    store.record(folder.with_suffix(".manifest.json"), [folder], provenance)


def _film(model, name, folder, seed):
    """Render one person's frames; returns AFEW-VA's description of them."""
    rng = named_rng(seed, "portrait", name)
    who = person(name, len(model.identity), seed)
    texture = paint(model.template, name, seed)
    setting = _setting(rng, hair_colour(name, seed))
    places = [np.zeros(2), *(rng.uniform(0.3, 0.9, (2, 2)) * rng.choice([-1, 1], (2, 2)))]
    frames = {}
    for index, place in enumerate(places):
        units = intensities(place) * who.gains
        face = model.neutral(who.identity) + model.expressions(units, who.asymmetry)[0]
        write_image(folder / f"{index:05d}.png", _photograph(model, face, texture, setting))
        marks = setting.project(_marks(model.template, face))[:, :2]
        # from centres of supersampled pixels to centres of pixels
        marks = (marks + 0.5) / SUPERSAMPLE - 0.5
        frames[f"{index:05d}"] = {
            "valence": round(10 * place[0]),
            "arousal": round(10 * place[1]),
            "landmarks": marks.round(3).tolist(),
        }
    return frames


def _marks(template, face):
    """The landmarks as annotators of photographs place them: the nose's along its ridge."""
    marks = landmarks_on(template, face)
    on_ridge = photograph_vertices(template.vertices, template.landmark_vertices)[NOSE_RIDGE]
    marks[NOSE_RIDGE] = face[on_ridge]
    return marks


def _setting(rng, hair):
    angles = rng.normal(size=3) * [PITCH_SD, YAW_SD, ROLL_SD]
    light = np.array([rng.uniform(-0.6, 0.6), rng.uniform(0.2, 0.6), 1.0])
    side = SIZE * SUPERSAMPLE
    coarse = rng.uniform(60, 200) + rng.normal(0, 22, (4, 4, 1)) + rng.normal(0, 10, (4, 4, 3))
    background = cv2.resize(coarse.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    return Setting(
        Rotation.from_euler("xyz", angles, degrees=True).as_matrix(),
        light / np.linalg.norm(light),
        rng.uniform(0.42, 0.55),
        np.clip(background, 20, 235),
        hair,
        rng.uniform(25, 150) + rng.uniform(-25, 25, 3),
    )


def _photograph(model, face, texture, setting):
    """(SIZE, SIZE, 3) uint8."""
    template = model.template
    side = SIZE * SUPERSAMPLE
    seen = setting.project(face)
    ids, weights = rasterise(seen[:, :2], seen[:, 2], template.triangles, shape=(side, side))
    uv = interpolate(texture_uv(template), template.triangles, (ids, weights))
    height, width = texture.shape[:2]
    skin = cv2.remap(
        texture, uv[..., 0] * width - 0.5, (1 - uv[..., 1]) * height - 0.5, cv2.INTER_LINEAR
    )
    normals = vertex_normals(face, template.triangles) @ setting.rotation.T
    shade = _shade(interpolate(normals, template.triangles, (ids, weights)), setting)
    picture = _hair(setting.background.copy(), setting)
    _mouth(picture, setting.project(landmarks_on(template, face)[OUTER_LIPS])[:, :2])
    cover = ids >= 0
    picture[cover] = (skin * shade)[cover]
    picture = _clothes(picture, setting)
    small = cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return np.clip(np.rint(small), 0, 255).astype(np.uint8)


def _shade(normals, setting):
    """Diffuse light from one side, softened as skin softens it, with a faint gloss."""
    length = np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-6)
    facing = (normals / length) @ setting.light
    diffuse = np.clip((facing + 0.25) / 1.25, 0, 1)[..., None]
    half = setting.light + np.array([0.0, 0.0, 1.0])
    gloss = np.clip((normals / length) @ (half / np.linalg.norm(half)), 0, 1)[..., None] ** 24
    return setting.ambient + (1.02 - setting.ambient) * diffuse + 0.06 * gloss


def _hair(picture, setting):
    """A head of hair behind the face."""
    centre = setting.project(HAIR_CENTRE_MM[None])[0, :2]
    factor = SIZE * SUPERSAMPLE / 2 / HALF_HEIGHT_MM
    mask = np.zeros(picture.shape[:2], dtype=np.uint8)
    axes = tuple(round(radius * factor) for radius in HAIR_RADII_MM)
    cv2.ellipse(mask, tuple(np.rint(centre).astype(int).tolist()), axes, 0, 0, 360, 255, -1)
    # the hair ends above the ears
    fade = np.clip((centre[1] + 8 * factor - np.arange(len(mask))) / (14 * factor), 0, 1)
    soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), 3) * fade[:, None]
    y = np.arange(len(mask), dtype=np.float32)[:, None]
    light = 0.75 + 0.35 * np.clip((centre[1] - y) / axes[1], 0, 1)
    return picture + soft[..., None] * (setting.hair * light[..., None] - picture)


def _clothes(picture, setting):
    """Shoulders up to the collar, in front of where the neck ends."""
    factor = SIZE * SUPERSAMPLE / 2 / HALF_HEIGHT_MM
    collar = setting.project(COLLAR_MM[None])[0, :2]
    axes = tuple(round(radius * factor) for radius in SHOULDERS_MM)
    centre = (round(collar[0]), round(collar[1]) + axes[1])
    mask = np.zeros(picture.shape[:2], dtype=np.uint8)
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 255, -1, cv2.LINE_AA)
    soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), 1.5)[..., None]
    x = np.arange(picture.shape[1], dtype=np.float32)
    light = 1.0 - 0.35 * np.abs(x - centre[0] - 0.4 * axes[0] * setting.light[0]) / axes[0]
    return picture + soft * (setting.clothes * light[None, :, None] - picture)


def _mouth(picture, outline):
    """What is seen between open lips."""
    hull = cv2.convexHull(np.rint(outline).astype(np.int32))
    cv2.fillConvexPoly(picture, hull, (58.0, 26.0, 26.0), cv2.LINE_AA)
