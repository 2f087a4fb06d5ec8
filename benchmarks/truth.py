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

Identity: the model is fitted again to the synthesized image, with fresh errors of the landmarks,
which have moved with the map. What is compared are the fits' identity coefficients, by the angle
between them: they are in standard deviations, so the angle is Mahalanobis', and unlike the
distance it does not take how much of a face the fit dares to show, which depends on the view, for
the face.

Exit status 1 where a bar is missed.
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
from bars import Bar, judge
from skimage.metrics import structural_similarity
from sklearn.metrics import roc_auc_score
from tqdm import tqdm
from truth_heads import EXPRESSIONS, SEED
from truth_photos import EYES, Photographer, noisy, sit
from truth_sheet import Sheet

from affect4d.config.synthesis import Settings
from affect4d.fitting import fit
from affect4d.gallery.streams import stream
from affect4d.geometry.raster import interpolate, rasterise
from affect4d.synthesis.anatomy import default_anatomy
from affect4d.synthesis.crop import window_around
from affect4d.synthesis.flow import STEP
from affect4d.synthesis.scene import facing, make_scene
from affect4d.synthesis.synthesize import WINDOW_MARGIN, Editor

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
    arguments = parser.parse_args()
    try:
        heads = truth_heads.load()
    except FileNotFoundError as error:
        sys.exit(str(error))
    model = truth_heads.make_model(heads)
    rows, fits, sheet = [], [], Sheet()
    for number in tqdm(range(arguments.subjects), "people", disable=None):
        shown = sheet if number < PICTURED else None
        own, found = study(heads, model, f"person{number:03d}", number, shown)
        rows += own
        fits.append(found)
    table = pd.DataFrame(rows)
    bars = compare(table) + identities(fits)
    if arguments.output:
        arguments.output.mkdir(parents=True, exist_ok=True)
        table.to_csv(arguments.output / "truth.csv", index=False, float_format="%.4f")
        sheet.write(arguments.output / "truth.png")
    return judge(bars)


def study(heads, model, name, number, sheet=None):
    """Everything about one person.

    Returns
    -------
    rows : list of dict, one for each image
    found : dict of identity coefficients: (yaw, "neutral"), (yaw, expression, blend), "other"
    """
    photographer, head = Photographer(heads, name), heads.person(name)
    moves = {expression: heads.expressed(name, expression) for expression in EXPRESSIONS}
    rows, found = [], {}
    for yaw in YAWS:
        sitting = sit(f"{name} {yaw}", yaw * (-1) ** number)
        neutral = photographer.take(head, sitting)
        fitted = fit(neutral.image, noisy(neutral.landmarks, name, yaw), model)
        found[yaw, "neutral"] = fitted.identity
        studio = Studio(fitted, neutral)
        for expression, move in moves.items():
            truth = photographer.take(head + move, sitting)
            images = studio.images(heads.on_template(move))
            key = {"person": name, "yaw": yaw, "expression": expression}
            rows += [
                {**key, "way": way, **scores(image, truth, neutral)}
                for way, image in images.items()
            ]
            for blend in OURS:
                marks = noisy(studio.landmarks[blend], name, yaw, expression, blend)
                found[yaw, expression, blend] = fit(images[blend], marks, model).identity
            if sheet is not None and expression == EXPRESSIONS[number % len(EXPRESSIONS)]:
                sheet.add(f"{expression}, {yaw} degrees", neutral, truth, images)
    angle = stream(SEED, "other photograph", name).uniform(-OTHER_YAW, OTHER_YAW)
    other = photographer.take(head, sit(f"{name} other", angle))
    found["other"] = fit(other.image, noisy(other.landmarks, name, "other"), model).identity
    return rows, found


class Studio:
    """Imposes deformations on one fitted photograph in every way.

    Parameters
    ----------
    fitted : affect4d.fitting.Fit
    photograph : truth_photos.Photograph, neutral

    Attributes
    ----------
    landmarks : blend -> (68, 2) pixels, the photograph's after the last deformation
    """

    def __init__(self, fitted, photograph):
        self.photograph, self.landmarks, self.anatomy = photograph, {}, default_anatomy()
        self._window = window_around(fitted.landmarks, WINDOW_MARGIN, photograph.image.shape)
        cut = self._window.cut(photograph.image)
        self._scene = make_scene(fitted, cut, self.anatomy, self._window)
        self._editors = {blend: Editor(self._scene, Settings(blend=blend)) for blend in OURS}

    def images(self, deformation):
        """The images (H, W, 3) uint8 under a deformation (V, 3) mm: way -> image."""
        settled = self.anatomy.settle(deformation)
        images = {"no edit": self.photograph.image}
        images["paste"] = self._whole(paste(self._scene, settled))
        for blend, editor in self._editors.items():
            made = editor.edit(settled)
            images[blend] = self._whole(made.image)
            self.landmarks[blend] = self._moved(made.motion.flow)
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
    change = deformation @ scene.motion.T
    xy, depth = scene.xy + change[:, :2], scene.depth + change[:, 2]
    triangles = scene.anatomy.triangles
    front = scene.drawn & (facing(xy, triangles) > 0)
    ids, weights = rasterise(xy, depth, triangles, *scene.shape, front)
    place = interpolate(ids, weights, triangles, scene.xy)
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
    """Print the tables of images; the bars of point 3."""
    bars = []
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
                    bars.append(Bar(what, low, 0.0, True))
    for measure in ("psnr", "ssim"):
        split = table.pivot_table(index=["yaw", "expression"], columns="way", values=measure)
        print(f"\n{measure.upper()} by expression\n{split[[*OTHERS, *OURS]].round(3).to_string()}")
    parts = table.groupby(["yaw", "way"])[[f"mse {name}" for name in REGIONS]].mean()
    print(f"\nSquared error by region\n{parts.round(2).to_string()}")
    return bars


def identities(fits):
    """Print the angles between identities; the bars of point 6."""
    count = len(fits)
    pairs = [(i, j) for i in range(count) for j in range(count) if i != j]
    found = {
        "two photographs of one": [
            angle(own[yaw, "neutral"], own["other"]) for own in fits for yaw in YAWS
        ],
        "photographs of two": [
            angle(fits[i][yaw, "neutral"], fits[j]["other"]) for i, j in pairs for yaw in YAWS
        ],
        "two views alike of two": [
            angle(fits[i][yaw, "neutral"], fits[j][yaw, "neutral"]) for i, j in pairs for yaw in YAWS
        ],
    }
    keys = [(yaw, expression) for yaw in YAWS for expression in EXPRESSIONS]
    for blend in OURS:
        found[f"synthesized ({blend}), own neutral"] = [
            angle(own[*key, blend], own[key[0], "neutral"]) for own in fits for key in keys
        ]
        found[f"synthesized ({blend}), another's neutral"] = [
            angle(fits[i][*key, blend], fits[j][key[0], "neutral"]) for i, j in pairs for key in keys
        ]
    rows = [(name, len(own), *np.quantile(own, [0.5, 0.05, 0.95])) for name, own in found.items()]
    frame = pd.DataFrame(rows, columns=["identity coefficients of", "pairs", "median", "p5", "p95"])
    print(f"\nAngles in degrees\n{frame.to_string(index=False, float_format='%.1f')}")
    between = auc(found["two photographs of one"], found["photographs of two"])
    print(f"\nAUC of same against different people, two photographs: {between:.3f}")
    bars = []
    for blend in OURS:
        own = found[f"synthesized ({blend}), own neutral"]
        area = auc(own, found[f"synthesized ({blend}), another's neutral"])
        against = auc(own, found["photographs of two"])
        print(f"with synthesized ({blend}) as same: {against:.3f}; within a view: {area:.3f}")
        bars.append(Bar(f"identity, {blend}: AUC within a view", area, between, True))
        limit = float(np.median(found["two photographs of one"]))
        bars.append(Bar(f"identity, {blend}: median angle, degrees", np.median(own), limit))
    return bars


def angle(one, other):
    """Degrees between two vectors of identity coefficients."""
    cosine = one @ other / max(np.linalg.norm(one) * np.linalg.norm(other), 1e-12)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def auc(same, different):
    """How well an angle tells the same person from different ones."""
    labels = np.r_[np.ones(len(same)), np.zeros(len(different))]
    return float(roc_auc_score(labels, -np.r_[same, different]))


def interval(values):
    """95 % percentile bootstrap interval of the mean of people's values."""
    rng, count = stream(SEED, "bootstrap"), len(values)
    means = values[rng.integers(count, size=(RESAMPLES, count))].mean(1)
    return np.quantile(means, [0.025, 0.975])


def with_interval(values):
    """The mean of people's values with its interval, as text."""
    low, high = interval(values.to_numpy())
    return f"{values.mean():.3f} ({low:.3f} .. {high:.3f})"


if __name__ == "__main__":
    sys.exit(main())
