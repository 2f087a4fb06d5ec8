"""Milliseconds a synthesized image at 256 x 256, step by step, on one core.

    OMP_NUM_THREADS=1 python benchmarks/synthesis.py [IMAGES]

The face is the template itself, in front of noise; deformations are smooth random fields, half of
which open the mouth. What a photograph needs once (fit excluded) is listed apart.
"""

import sys
import time

import cv2
import numpy as np

from affect4d.config.synthesis import Settings
from affect4d.fitting import Camera, Fit
from affect4d.formats.template import load_template
from affect4d.synthesis.anatomy import anatomy_of
from affect4d.synthesis.blending import poisson, warp
from affect4d.synthesis.crop import square_around
from affect4d.synthesis.motion import move
from affect4d.synthesis.mouth import draw_interior
from affect4d.synthesis.quality import measure
from affect4d.synthesis.scene import make_scene
from affect4d.synthesis.synthesize import edit


def main(images):
    cv2.setNumThreads(1)
    template = load_template()
    settings = {blend: Settings(blend=blend) for blend in ("warp", "poisson")}
    rng = np.random.default_rng(0)
    fields = [_field(template, rng, opened=i % 2) for i in range(images)]
    photo = rng.integers(0, 256, (500, 500, 3), dtype=np.uint8)
    camera = Camera(2.0, np.eye(3), np.array([250.0, 250.0]))
    fit = Fit(
        camera,
        np.zeros(1),
        np.zeros(1),
        template.vertices,
        np.zeros((len(template.vertices), 2), np.float32),
        camera.project(template.landmarks)[:, :2],
    )
    anatomy = anatomy_of(template)
    for attempt in range(2):  # the first compiles
        start = time.perf_counter()
        crop = square_around(fit.landmarks, settings["warp"].margin, settings["warp"].size)
        scene = make_scene(fit, crop.cut(photo), anatomy, crop)
        edit(scene, fields[1], settings["poisson"])
        once = 1e3 * (time.perf_counter() - start)
        if attempt == 0:
            measure(scene, edit(scene, fields[0], settings["warp"]), settings["warp"])
    motions = [move(scene, field) for field in fields]
    pictures = [warp(scene, motion) for motion in motions]
    triples = list(zip(pictures, motions, fields, strict=True))
    edits = [edit(scene, field, settings["warp"]) for field in fields]
    print(f"{once:8.1f}  first image of a photograph (visibility included)")
    _time("map", lambda field: move(scene, field), fields)
    _time("blend: warp", lambda motion: warp(scene, motion), motions)
    _time("blend: poisson", lambda motion: poisson(scene, motion), motions)
    _time("mouth", lambda x: draw_interior(x[0], scene, x[1], x[2]), triples[1::2])
    _time("quality", lambda made: measure(scene, made, settings["warp"]), edits)
    for blend, chosen in settings.items():
        _time(f"image, {blend}", lambda field, chosen=chosen: edit(scene, field, chosen), fields)


def _time(name, function, items):
    start = time.perf_counter()
    for item in items:
        function(item)
    print(f"{1e3 * (time.perf_counter() - start) / len(items):8.1f}  {name}")


def _field(template, rng, opened):
    """A few random bumps of some mm; `opened` lets the lower face go down."""
    vertices, landmarks = template.vertices, template.landmarks
    field = np.zeros_like(vertices)
    for centre in landmarks[rng.integers(17, 60, 4)]:
        share = np.exp(-0.5 * (np.linalg.norm(vertices - centre, axis=1) / 18) ** 2)
        field += share[:, None] * rng.normal(0, 2, 3).astype(np.float32)
    if opened:
        line = landmarks[60:68, 1].mean()
        field[:, 1] -= 10 * np.clip((line - vertices[:, 1]) / 4, 0, 1)
    return field.astype(np.float32)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
