"""Synthesized photographs beside true ones of the same people, and what identity is left in them.

    python benchmarks/truth.py --output build/truth

People whom the morphable model has not seen sit before a camera, frontally and turned by 30
degrees, with a neutral face and with six expressions (`truth_heads.py`, `truth_photos.py`;
AFFECT4D_ICT names a clone of ICT-FaceKit). The model is fitted to the neutral photograph by its
landmarks, which are 1 % of the inter-ocular distance off; the expression's known displacement, on
the template as a class's is, is imposed on it by the shipped code (`warp`, `poisson`), and by
pasting the moved mesh, drawn with the photograph's texture, over the photograph (`paste`). The
images are compared with the true photograph of the expression over the face, 3 % of the
inter-ocular distance around included: PSNR, and SSIM with the weights of Wang et al. (2004).
Intervals are of the mean over people, by bootstrap.

The heads have no folds but those of their meshes, and their lips thin by their own geometry:
--without folds,lip_thinning leaves out what synthesis adds for photographs.

Identity: the model is fitted again to the synthesized image and to the true one, with fresh errors
of the landmarks, which in the synthesized one have moved with the map; see `truth_identity.py`.

Exit status 1 where a threshold is missed.
"""

import argparse
import os

os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
)

import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import truth_heads
import truth_identity
from skimage.metrics import structural_similarity
from thresholds import Threshold, check
from tqdm import tqdm
from truth_heads import EXPRESSIONS, SEED
from truth_photos import EYES, Photographer, noisy, sit
from truth_sheet import Sheet

from affect4d.config.synthesis import Settings
from affect4d.fitting import fit
from affect4d.geometry.raster import interpolate, rasterise
from affect4d.random_streams import named_rng
from affect4d.synthesis.crop import window_around
from affect4d.synthesis.editing.editor import WINDOW_MARGIN, Editor
from affect4d.synthesis.editing.lattice import STEP
from affect4d.synthesis.editing.scene import facing, make_scene
from affect4d.template.anatomy import default_anatomy

YAWS = (0, 30)
OURS, OTHERS = ("warp", "poisson"), ("no edit", "paste")
AROUND = 0.03  # of the inter-ocular distance
REGIONS = ("mouth", "eyes", "brows", "outline", "rest")
MOUTH, EYE, EDGE = 0.12, 0.05, 0.08  # how far they reach, of the inter-ocular distance
OTHER_YAW = 25.0  # degrees at most, of a person's other photograph
RESAMPLES = 2000
PICTURED = 6  # people on the sheet


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--subjects", type=int, default=40, help="people (default 40)")
    parser.add_argument("--output", type=Path, help="folder for the sheet and the table of images")
    parser.add_argument(
        "--without",
        default="",
        help="settings of synthesis that are 0, joined by commas, such as folds,lip_thinning",
    )
    arguments = parser.parse_args()
    try:
        heads = truth_heads.load()
    except FileNotFoundError as error:
        sys.exit(str(error))
    model = truth_heads.make_model(heads)
    zero = dict.fromkeys(filter(None, arguments.without.split(",")), 0.0)
    rows, fits, sheet = [], [], Sheet()
    for number in tqdm(range(arguments.subjects), "people", disable=None):
        shown = sheet if number < PICTURED else None
        own, found = study(heads, model, f"person{number:03d}", number, without=zero, sheet=shown)
        rows += own
        fits.append(found)
    table = pd.DataFrame(rows)
    thresholds = compare(table) + truth_identity.report(fits, YAWS, EXPRESSIONS)
    if arguments.output:
        arguments.output.mkdir(parents=True, exist_ok=True)
        table.to_csv(arguments.output / "truth.csv", index=False, float_format="%.4f")
        sheet.write(arguments.output / "truth.png")
    return check(thresholds)


def study(heads, model, name, number, *, without, sheet=None):
    """Everything about one person; `without` has the settings of synthesis that are not usual.

    Returns
    -------
    rows : list of dict, one for each image
    found : dict of identity coefficients (K,), see `truth_identity.report`
    """
    photographer, head = Photographer(heads, name), heads.person(name)
    moves = {expression: heads.expressed(name, expression) for expression in EXPRESSIONS}
    rows, found = [], {}
    for yaw in YAWS:
        sitting = sit(f"{name} {yaw}", yaw * (-1) ** number)
        neutral = photographer.take(head, sitting)
        fitted = fit(neutral.image, noisy(neutral.landmarks, name, yaw), model)
        found[yaw, "neutral"] = fitted.identity
        studio = Studio(fitted, neutral, without)
        for expression, move in moves.items():
            truth = photographer.take(head + move, sitting)
            images = studio.images(heads.on_template(move))
            key = {"person": name, "yaw": yaw, "expression": expression}
            rows += [
                {**key, "way": way, **scores(image, truth, neutral)}
                for way, image in images.items()
            ]
            for what, marks in (("true", truth.landmarks), ("synthesized", studio.landmarks)):
                image = truth.image if what == "true" else images[OURS[0]]
                marks = noisy(marks, name, yaw, expression)
                found[yaw, expression, what] = fit(image, marks, model).identity
            if sheet is not None and expression == EXPRESSIONS[number % len(EXPRESSIONS)]:
                sheet.add(f"{expression}, {yaw} degrees", neutral, truth, images)
    angle = named_rng(SEED, "other photograph", name).uniform(-OTHER_YAW, OTHER_YAW)
    other = photographer.take(head, sit(f"{name} other", angle))
    found["other"] = fit(other.image, noisy(other.landmarks, name, "other"), model).identity
    return rows, found


class Studio:
    """Imposes deformations on one fitted photograph in every way.

    Parameters
    ----------
    fitted : affect4d.fitting.Fit
    photograph : truth_photos.Photograph, neutral
    without : settings of synthesis that are not usual

    Attributes
    ----------
    landmarks : (68, 2) pixels, the photograph's after the last deformation
    """

    def __init__(self, fitted, photograph, without):
        self.photograph, self.landmarks = photograph, photograph.landmarks
        self.anatomy = default_anatomy()
        self._window = window_around(fitted.landmarks, WINDOW_MARGIN, photograph.image.shape)
        cut = self._window.cut(photograph.image)
        self._scene = make_scene(fitted, cut, self.anatomy, crop=self._window)
        self._editors = {
            blend: Editor(self._scene, Settings(blend=blend, **without)) for blend in OURS
        }

    def images(self, deformation):
        """The images (H, W, 3) uint8 under a deformation (V, 3) mm: way -> image."""
        smoothed = self.anatomy.smooth_and_taper(deformation)
        images = {"no edit": self.photograph.image}
        images["paste"] = self._whole(paste(self._scene, smoothed))
        for blend, editor in self._editors.items():
            made = editor.edit(smoothed)
            images[blend] = self._whole(made.image)
            self.landmarks = self._moved(made.motion.flow)
        return images

    def _whole(self, part):
        image = self.photograph.image.copy()
        self._window.view(image)[...] = part
        return image

    def _moved(self, flow):
        """The photograph's true landmarks where the flow (h, w, 2) takes them."""
        places = (self._window.apply(self.photograph.landmarks) / STEP).astype(np.float32)
        way = cv2.remap(flow, places[None], None, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
        return self.photograph.landmarks + way[0]


def paste(scene, deformation):
    """The moved mesh, drawn with the photograph's texture, over the photograph."""
    change = scene.nearness[:, None] * (deformation @ scene.motion.T)
    xy, depth = scene.xy + change[:, :2], scene.depth + change[:, 2]
    triangles = scene.anatomy.triangles
    front = scene.drawn & (facing(xy, triangles) > 0)
    ids, weights = rasterise(xy, depth, triangles, shape=scene.shape, keep=front)
    place = interpolate(scene.xy, triangles, (ids, weights))
    render = cv2.remap(scene.image, place, None, cv2.INTER_CUBIC, None, cv2.BORDER_REPLICATE)
    return np.where(ids[..., None] >= 0, render, scene.image)


def scores(image, truth, neutral):
    """PSNR and SSIM over the true photograph's face, and each region's share of the squared error.

    The shares are in grey levels squared, of the whole face: they add up to its mean squared error.
    """
    size = np.linalg.norm(np.subtract(*truth.landmarks[list(EYES)]))
    face = grown(truth.face, AROUND * size)
    squared = ((image.astype(np.float64) - truth.image) ** 2).mean(2)
    similar = structural_similarity(
        image, truth.image, channel_axis=2, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, data_range=255, full=True,
    )[1].mean(2)  # fmt: skip
    parts = regions(face, truth.landmarks, neutral.landmarks, size)
    return {
        "psnr": 10 * np.log10(255.0**2 / squared[face].mean()),
        "ssim": similar[face].mean(),
        **{f"mse {name}": squared[own].sum() / face.sum() for name, own in parts.items()},
    }


def grown(mask, pixels):
    """A mask and what lies around it."""
    distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return distance <= pixels


def regions(face, after, before, size):
    """The face in REGIONS, name -> (H, W) bool; `after` and `before` are landmarks (68, 2)."""
    left, found = face.copy(), {}

    def hull(points, reach):
        mask = np.zeros(face.shape, np.uint8)
        for marks in (after, before):
            cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(marks[points]).astype(np.int32)), 1)
        return grown(mask > 0, reach * size)

    inside = cv2.distanceTransform(face.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    rows = np.arange(len(face))[:, None]
    shapes = {
        "mouth": hull(slice(48, 68), MOUTH),
        "eyes": hull(slice(36, 42), EYE) | hull(slice(42, 48), EYE),
        "brows": rows < np.minimum(after[27, 1], before[27, 1]),
        "outline": inside <= EDGE * size,
        "rest": np.ones_like(face),
    }
    for name in REGIONS:
        found[name] = shapes[name] & left
        left &= ~shapes[name]
    return found


def compare(table):
    """Print the tables of images; the thresholds of point 3."""
    thresholds = []
    for measure in ("psnr", "ssim"):
        for yaw in YAWS:
            own = table[table.yaw == yaw]
            people = own.pivot_table(index="person", columns="way", values=measure)
            shown = {way: with_interval(people[way]) for way in (*OTHERS, *OURS)}
            print(f"\n{measure.upper()} over the face, {yaw} degrees: " + ", ".join(
                f"{way} {text}" for way, text in shown.items()
            ))  # fmt: skip
            for blend in OURS:
                for other in OTHERS:
                    low, _ = interval((people[blend] - people[other]).to_numpy())
                    what = f"{measure.upper()} at {yaw} degrees, {blend} less {other}: lower end"
                    thresholds.append(Threshold(what, low, 0.0, True))
    for measure in ("psnr", "ssim"):
        split = table.pivot_table(index=["yaw", "expression"], columns="way", values=measure)
        print(f"\n{measure.upper()} by expression\n{split[[*OTHERS, *OURS]].round(3).to_string()}")
    parts = table.groupby(["yaw", "way"])[[f"mse {name}" for name in REGIONS]].mean()
    print(f"\nSquared error by region\n{parts.round(2).to_string()}")
    return thresholds


def interval(values):
    """95 % percentile bootstrap interval of the mean of people's values."""
    rng, count = named_rng(SEED, "bootstrap"), len(values)
    means = values[rng.integers(count, size=(RESAMPLES, count))].mean(1)
    return np.quantile(means, [0.025, 0.975])


def with_interval(values):
    """The mean of people's values with its interval, as text."""
    low, high = interval(values.to_numpy())
    return f"{values.mean():.3f} ({low:.3f} .. {high:.3f})"


if __name__ == "__main__":
    sys.exit(main())
