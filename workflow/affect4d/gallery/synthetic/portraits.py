"""Photographs of synthetic people, laid out as AFEW-VA is, in place of a database of faces.

The people are none of the gallery's; of each, one frame is neutral (valence = arousal = 0) and two
are not.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from affect4d import store
from affect4d.artifacts.gallery import MODEL, PORTRAITS
from affect4d.formats.images import write_image
from affect4d.gallery.synthetic.affect import intensities, lean_of
from affect4d.gallery.synthetic.model import Model, read_model
from affect4d.gallery.synthetic.people import make_person
from affect4d.gallery.synthetic.texture import hair_colour, paint, texture_uv
from affect4d.geometry.raster import interpolate, rasterise
from affect4d.geometry.surface import vertex_normals
from affect4d.pipeline.context import RunContext
from affect4d.random_streams import named_rng
from affect4d.template.ibug68 import NOSE_RIDGE, OUTER_LIPS
from affect4d.template.nose_ridge import photograph_vertices
from affect4d.template.template import Template

SIZE = 400  # pixels, side of a photograph
SUPERSAMPLE = 2  # pixels rendered per pixel and axis
# Everything below is chosen by eye, so that a portrait reads as a plain photograph of a head.
# Geometry in mm, in the template's axes: camera, hair and clothes.
HALF_HEIGHT_MM = 145.0  # half of what a photograph shows
CENTRE_MM = np.array([0.0, -8.0, 40.0])  # in the middle of the photograph
HAIR_CENTRE_MM, HAIR_RADII_MM = np.array([0.0, 26.0, 10.0]), (92.0, 90.0)
HAIR_END_MM, HAIR_FADE_MM = (
    8.0,
    14.0,
)  # below the centre: where the hair ends, and over which length
COLLAR_MM, SHOULDERS_MM = np.array([0.0, -99.0, 40.0]), (185.0, 92.0)
YAW_SD, PITCH_SD, ROLL_SD = 8.0, 3.0, 2.0  # degrees, of the head's pose
AFFECT = (0.3, 0.9)  # |valence| and |arousal| of the frames that are not neutral, from and to
# Light: direction x, y from and to (z is 1), and shares of full brightness.
LIGHT_X, LIGHT_Y = (-0.6, 0.6), (0.2, 0.6)
AMBIENT = (0.42, 0.55)  # from and to
FULL_LIGHT = 1.02  # ambient and diffuse light together
WRAP = 0.25  # cosine beyond the terminator that diffuse light still reaches, as skin scatters it
GLOSS, GLOSS_EXPONENT = 0.06, 24  # strength and sharpness of the gloss (Blinn-Phong)
# Colours, 0..255.
GREY, SHADE_SD, TINT_SD = (60, 200), 22, 10  # background: mean from and to, deviations of its spots
BACKGROUND_SPOTS = 4  # spots along each side
BACKGROUND_RANGE = (20, 235)
CLOTHES_GREY, CLOTHES_TINT = (25, 150), 25  # mean from and to, largest deviation of a channel
MOUTH_COLOUR = (58.0, 26.0, 26.0)
# Shading of what is no mesh: brightness at the dark end, and what is added at the bright one.
HAIR_DARK, HAIR_GAIN = 0.75, 0.35
CLOTHES_FALL, CLOTHES_SHIFT = 0.35, 0.4  # fall to the sides; shift towards the light, of the width
HAIR_BLUR, CLOTHES_BLUR = 3.0, 1.5  # supersampled pixels, standard deviation of soft edges
_SCALE = SIZE * SUPERSAMPLE / 2 / HALF_HEIGHT_MM  # supersampled pixels per mm


@dataclass(frozen=True)
class Setting:
    """Camera, light, background, hair and clothes of one person's photographs."""

    rotation: NDArray[np.float64]
    light: NDArray[np.float64]
    ambient: float
    background: NDArray[np.float32]
    hair: NDArray[np.float64]
    clothes: NDArray[np.float64]

    def project(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Points (N, 3) mm -> (N, 3): x right, y down in supersampled pixels, depth in mm."""
        turned = (np.asarray(points) - CENTRE_MM) @ self.rotation.T
        middle = (SIZE * SUPERSAMPLE - 1) / 2
        return np.stack(
            [turned[:, 0] * _SCALE + middle, middle - turned[:, 1] * _SCALE, turned[:, 2]], axis=1
        )


def write_portraits(count: int, context: RunContext) -> None:
    """Render `gallery/portraits` (rule `gallery_portraits`).

    Parameters
    ----------
    count : number of people
    context : of the run
    """
    portraits, manifest = context.root / PORTRAITS.name(), PORTRAITS.manifest(context.root)
    model = read_model(MODEL.path(context.root))
    # the manifest lists the complete folder, so no person of an earlier build may stay in it
    with store.replace_folder(portraits, manifest) as folder:
        for number in range(1, count + 1):
            video = f"{number:03d}"
            (folder / video).mkdir()
            frames = _film(model, f"p{video}", folder / video, seed=context.seed)
            content = {"actor": f"Portrait {video}", "video_id": video, "frames": frames}
            text = json.dumps(content, indent=1, sort_keys=True)
            (folder / video / f"{video}.json").write_text(text + "\n", encoding="utf-8")
    store.record(manifest, [portraits], context.provenance())


def _film(model: Model, name: str, folder: Path, *, seed: int) -> dict[str, Any]:
    """Render one person's frames; returns AFEW-VA's description of them."""
    rng = named_rng(seed, "portrait", name)
    person = make_person(name, len(model.identity), seed)
    texture = paint(model.template, name, seed)
    setting = _setting(rng, hair_colour(name, seed))
    shown = [np.zeros(2), *(rng.uniform(*AFFECT, (2, 2)) * rng.choice([-1, 1], (2, 2)))]
    frames = {}
    for index, affect in enumerate(shown):
        units = intensities(affect, lean_of(name, seed)) * person.gains
        face = model.neutral(person.identity) + model.expressions(units, person.asymmetry)[0]
        image = render_photograph(model, face, texture, setting=setting)
        write_image(folder / f"{index:05d}.png", image)
        landmarks = photograph_landmarks(model.template, face, setting)
        frames[f"{index:05d}"] = {
            "valence": round(10 * affect[0]),
            "arousal": round(10 * affect[1]),
            "landmarks": landmarks.round(3).tolist(),
        }
    return frames


def photograph_landmarks(
    template: Template, face: NDArray[np.floating], setting: Setting
) -> NDArray[np.float64]:
    """The landmarks (68, 2), pixels, as photographs are annotated: the nose's on its ridge."""
    landmarks = template.landmarks_on(face)
    on_ridge = photograph_vertices(template.vertices, template.landmark_vertices)[NOSE_RIDGE]
    landmarks[NOSE_RIDGE] = face[on_ridge]
    # from centres of supersampled pixels to centres of pixels
    pixels: NDArray[np.float64] = (setting.project(landmarks)[:, :2] + 0.5) / SUPERSAMPLE - 0.5
    return pixels


def _setting(rng: np.random.Generator, hair: NDArray[np.float64]) -> Setting:
    angles = rng.normal(size=3) * [PITCH_SD, YAW_SD, ROLL_SD]
    light = np.array([rng.uniform(*LIGHT_X), rng.uniform(*LIGHT_Y), 1.0])
    side, spots = SIZE * SUPERSAMPLE, (BACKGROUND_SPOTS, BACKGROUND_SPOTS)
    coarse = rng.uniform(*GREY) + rng.normal(0, SHADE_SD, (*spots, 1))
    coarse = coarse + rng.normal(0, TINT_SD, (*spots, 3))
    background = cv2.resize(coarse.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    return Setting(
        rotation=Rotation.from_euler("xyz", angles, degrees=True).as_matrix(),
        light=light / np.linalg.norm(light),
        ambient=rng.uniform(*AMBIENT),
        background=np.clip(background, *BACKGROUND_RANGE),
        hair=hair,
        clothes=rng.uniform(*CLOTHES_GREY) + rng.uniform(-CLOTHES_TINT, CLOTHES_TINT, 3),
    )


def render_photograph(
    model: Model, face: NDArray[np.float32], texture: NDArray[np.uint8], *, setting: Setting
) -> NDArray[np.uint8]:
    """The face (V, 3), mm, in its texture and setting: (SIZE, SIZE, 3)."""
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
    _mouth(picture, setting.project(template.landmarks_on(face)[OUTER_LIPS])[:, :2])
    cover = ids >= 0
    picture[cover] = (skin * shade)[cover]
    picture = _clothes(picture, setting)
    small = cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return np.clip(np.rint(small), 0, 255).astype(np.uint8)


def _shade(normals: NDArray[np.floating], setting: Setting) -> NDArray[np.float64]:
    """Brightness (H, W, 1) of normals (H, W, 3): soft diffuse light and a faint gloss."""
    length = np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-6)
    facing = (normals / length) @ setting.light
    diffuse = np.clip((facing + WRAP) / (1 + WRAP), 0, 1)[..., None]
    half = setting.light + np.array([0.0, 0.0, 1.0])
    specular = np.clip((normals / length) @ (half / np.linalg.norm(half)), 0, 1)[..., None]
    brightness: NDArray[np.float64] = (
        setting.ambient
        + (FULL_LIGHT - setting.ambient) * diffuse
        + GLOSS * specular**GLOSS_EXPONENT
    )
    return brightness


def _hair(picture: NDArray[np.float32], setting: Setting) -> NDArray[np.float64]:
    """A head of hair behind the face."""
    centre = setting.project(HAIR_CENTRE_MM[None])[0, :2]
    mask = np.zeros(picture.shape[:2], dtype=np.uint8)
    axes = [round(radius * _SCALE) for radius in HAIR_RADII_MM]
    cv2.ellipse(mask, tuple(np.rint(centre).astype(int).tolist()), axes, 0, 0, 360, 255, -1)
    # the hair ends above the ears
    end = centre[1] + HAIR_END_MM * _SCALE
    fade = np.clip((end - np.arange(len(mask))) / (HAIR_FADE_MM * _SCALE), 0, 1)
    soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), HAIR_BLUR) * fade[:, None]
    y = np.arange(len(mask), dtype=np.float32)[:, None]
    light = HAIR_DARK + HAIR_GAIN * np.clip((centre[1] - y) / axes[1], 0, 1)
    covered: NDArray[np.float64] = soft[..., None] * (setting.hair * light[..., None] - picture)
    return picture + covered


def _clothes(picture: NDArray[np.float64], setting: Setting) -> NDArray[np.float64]:
    """Shoulders up to the collar, in front of where the neck ends."""
    collar = setting.project(COLLAR_MM[None])[0, :2]
    axes = [round(radius * _SCALE) for radius in SHOULDERS_MM]
    centre = (round(collar[0]), round(collar[1]) + axes[1])
    mask = np.zeros(picture.shape[:2], dtype=np.uint8)
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 255, -1, cv2.LINE_AA)
    soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), CLOTHES_BLUR)[..., None]
    x = np.arange(picture.shape[1], dtype=np.float32)
    shift = CLOTHES_SHIFT * axes[0] * setting.light[0]
    light = 1.0 - CLOTHES_FALL * np.abs(x - centre[0] - shift) / axes[0]
    covered: NDArray[np.float64] = soft * (setting.clothes * light[None, :, None] - picture)
    return picture + covered


def _mouth(picture: NDArray[np.float64], outline: NDArray[np.float64]) -> None:
    """Draw what is seen between open lips into the picture; `outline` (N, 2), pixels."""
    hull = cv2.convexHull(np.rint(outline).astype(np.int32))
    cv2.fillConvexPoly(picture, hull, MOUTH_COLOUR, cv2.LINE_AA)
