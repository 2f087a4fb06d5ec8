"""Registration against ICT-FaceKit's truth: errors (mm), time a mesh (ms), how far from its limit.

    python benchmarks/registration.py
    python benchmarks/registration.py --people native --models anny

Single scans go through `Registrar.register` in each mode; sequences through files and the package's
own `register_chunk`. One thread; milliseconds are CPU time, which other jobs on the machine hardly
touch, split by a profile's shares. Reading and checking what was read (digests) are left out;
writing the store is not.

Frame minus neutral is measured after each frame's rigid motion to its truth: a face alone does not
say how its skull moved. "As placed" keeps the frames where the store has them; beside it stands
what the true faces show when the same skin places them.

A stage's limit is the least it could take here: what it must read and write once at the speed of a
copy of memory, or its operations at that of sgemm, whichever takes longer. AFFECT4D_ICT names the
clone of ICT-FaceKit. Exit status 1 where a threshold is missed.

With `--people native` the people are those of models with a topology and a mean shape of their own
(`native_people.py` says what their errors are), in kinds of scans from clean to misleading; with
`--others` NICP and MeshMonk register some of them too, where they are installed
(`registration_others.py`).
"""

import argparse
import os

os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
)

import cProfile
import pstats
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import ict_sequences
import ict_truth
import native_people
import numpy as np
import pandas as pd
import registration_native
import registration_others
from errors import aligned, change, mean_p95, rigid
from limits import arithmetic, bandwidth
from native_people import KINDS, MODELS
from nicp import MODES
from thresholds import Threshold, check
from tqdm import tqdm

from affect4d.config.registration import Settings
from affect4d.registration import Registrar, prepare


@dataclass(frozen=True)
class Sizes:
    """Counts that a stage's limit depends on.

    Attributes
    ----------
    points, faces : of the scan, vertices and triangles
    vertices, triangles : of the template
    plane, picture, texture : pixels of the raster, of the tracker's picture, of a texture
    modes, samples, steps : of the refinement
    """

    points: int
    faces: int
    vertices: int
    triangles: int
    plane: int
    picture: int
    texture: int
    modes: int
    samples: int
    steps: int


@dataclass(frozen=True)
class Stage:
    """A part of the work on one mesh: its name, bytes it must move, operations it must do."""

    name: str
    moved: Callable[[Sizes], float] = lambda s: 0.0
    operations: Callable[[Sizes], float] = lambda s: 0.0


# By "module.function"; no stage calls another.
STAGES = {
    "registrar.check": Stage("landmarks", operations=lambda s: 8 * 2 / 3 * 72**3),
    "denoise.denoise_landmarks": Stage("landmarks over time"),
    "spline.evaluate": Stage(
        "spline", lambda s: 4 * s.vertices * (68 + 3), lambda s: 2 * s.vertices * 72 * 3
    ),
    "registrar._unroll": Stage(
        "unwrap, clean, raster", lambda s: 12 * s.points + 12 * s.faces + 8 * s.plane
    ),
    "refine.refine": Stage(
        "refine",
        lambda s: 4 * s.vertices * s.modes + 8 * s.steps * s.samples * 3 * s.modes,
        lambda s: (
            6 * s.vertices * s.modes
            + s.steps * (s.samples * (3 * s.modes) ** 2 + (3 * s.modes) ** 3 / 3)
        ),
    ),
    "registrar._across": Stage(
        "onto the surface", lambda s: 12 * s.triangles + 12 * (3 * s.vertices) + 12 * s.points
    ),
    "track.follow": Stage(
        "follow the skin", lambda s: 3 * s.texture + 8 * s.points + (4 + 4 + 8 + 8) * s.picture
    ),
    "registrar._sample": Stage(
        "look up, smooth, fill",
        lambda s: 12 * s.points + (8 + 12 + 12 + 4 + 12) * s.vertices + 12 * 7 * s.vertices,
    ),
    "blind.draw": Stage("underside of the nose"),
    "registrar.place": Stage("place", lambda s: 24 * s.vertices),
    "groups.write": Stage("write the store", lambda s: 2 * 12 * s.vertices),
}
SEQUENCE_ERRORS = (
    "frame",
    "frame minus neutral",
    "jitter",
    "frame minus neutral, as placed",
    "jitter, as placed",
    "true faces, placed alike",
)
READING = (
    "meshes.read_mesh",
    "images.read_image",
    "landmarks.read_landmarks",
    "commit.is_current",
)


@dataclass(frozen=True)
class Timing:
    """Milliseconds a mesh: `whole` without reading, `stages` by name, what it was spent on."""

    whole: float
    stages: dict[str, float]
    sizes: Sizes


def measured(profile, whole, cpu, count, sizes):
    """The Timing over `count` meshes, all of whose work is in the function `whole`.

    A clock of CPU time costs the profile a tenth of what it measures: it uses the wall's, and its
    times are scaled so that `whole` takes the `cpu` seconds that were measured around it.
    """
    spent: dict[str, float] = {}
    for (file, _, function), (_, _, _, total, _) in pstats.Stats(profile).stats.items():
        key = f"{Path(file).stem}.{function}"
        spent[key] = spent.get(key, 0.0) + total
    scale = 1e3 * cpu / count / spent[whole]
    stages = {key: scale * spent[key] for key in STAGES if key in spent}
    reading = sum(spent.get(key, 0.0) for key in READING)
    return Timing(scale * (spent[whole] - reading), stages, sizes)


def sizes_of(registrar, scan):
    """The Sizes of one scan and a registrar's inner parts."""
    height, width = registrar._cylinder.shape
    refiner = registrar._refiner
    return Sizes(
        points=len(scan.vertices),
        faces=len(scan.triangles),
        vertices=len(registrar.template.vertices),
        triangles=len(registrar.template.triangles),
        plane=height * width,
        picture=registrar.raster.shown.size,
        texture=ict_sequences.TEXTURE_PX**2,
        modes=refiner._at_samples.shape[1],
        samples=len(refiner._at_samples),
        steps=registrar.settings.refinements,
    )


def run_singles(registrar, truth, count, *, mode, seed):
    """Errors (list of (n,) arrays) and Timing of single scans."""
    profile, cpu, found, scan = cProfile.Profile(), 0.0, [], None
    for number, (_, scan) in enumerate(
        tqdm(ict_truth.singles(truth, count, seed), f"singles, {mode}", count)
    ):
        if number == 0:  # what the first call compiles is not part of the work
            registrar.register(scan.vertices, scan.triangles, scan.landmarks)
        start = time.process_time()
        profile.enable()
        result = registrar.register(scan.vertices, scan.triangles, scan.landmarks)
        profile.disable()
        cpu += time.process_time() - start
        found.append(rigid(result.vertices, scan.truth, registrar.template.inner & result.seen))
    return found, measured(profile, "registrar.register", cpu, count, sizes_of(registrar, scan))


def run_sequences(registrar, truth, count, *, frames, seed):
    """Errors by name (lists of arrays), Timing, number of frames lost."""
    errors: dict[str, list] = {name: [] for name in SEQUENCE_ERRORS}
    profile, cpu, lost = cProfile.Profile(), 0.0, 0
    for number in tqdm(range(count), "sequences"):
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch)
            scans, texture = ict_truth.sequence(truth, number, frames, seed)
            ict_sequences.write_table(
                root, ict_sequences.write_sequence(root, "take", scans, texture)
            )
            if number == 0:
                _compile(registrar, root, scans, texture)
            start = time.process_time()
            profile.enable()
            ict_sequences.register(registrar, root)
            profile.disable()
            cpu += time.process_time() - start
            vertices, seen, _, numbers = ict_sequences.read(root, "take")
        lost += frames - len(numbers)
        faces = np.array([scans[t].face for t in numbers])
        masks = registrar.template.inner & seen
        errors["frame"] += list(map(rigid, vertices, faces, masks))
        alone = aligned(vertices, faces, masks)
        ideal = np.array(
            [registrar.place(face, one, faces[0]) for face, one in zip(faces, seen, strict=True)]
        )
        inner = registrar.template.inner
        for name, values in (("", alone), (", as placed", vertices)):
            error, jitter = change(values, faces, seen, inner)
            errors[f"frame minus neutral{name}"].append(error)
            errors[f"jitter{name}"].append(jitter)
        errors["true faces, placed alike"].append(change(ideal, faces, seen, inner)[0])
    timing = measured(
        profile, "sequences.register_chunk", cpu, count * frames, sizes_of(registrar, scans[0])
    )
    return errors, timing, lost


def _compile(registrar, root, scans, texture):
    """Register two frames apart, so that nothing is compiled within the measured time."""
    with tempfile.TemporaryDirectory(dir=root) as scratch:
        other = Path(scratch)
        ict_sequences.write_table(
            other, ict_sequences.write_sequence(other, "warm", scans[:2], texture)
        )
        ict_sequences.register(registrar, other)


def print_stages(name, timing, speed):
    """The split of a Timing; `speed` is (bytes, operations) a second."""
    rows = []
    for key, spent in timing.stages.items():
        moved, work = (part(timing.sizes) for part in (STAGES[key].moved, STAGES[key].operations))
        limit = 1e3 * max(moved / speed[0], work / speed[1])
        rows.append(
            (STAGES[key].name, f"{spent:.2f}", f"{100 * spent / timing.whole:.0f}")
            + ((f"{moved / 1e6:.1f}", f"{work / 1e6:.0f}", f"{limit:.2f}") if limit else ("",) * 3)
            + (f"{spent / limit:.1f}" if limit else "",)
        )
    rest = timing.whole - sum(timing.stages.values())
    rows.append(("all else", f"{rest:.2f}", f"{100 * rest / timing.whole:.0f}", "", "", "", ""))
    rows.append(("whole", f"{timing.whole:.2f}", "100", "", "", "", ""))
    columns = ["stage", "ms", "%", "MB", "Mflop", "limit ms", "times limit"]
    print(f"\n{name}: CPU a mesh, one thread, reading excluded")
    print(pd.DataFrame(rows, columns=columns).to_string(index=False))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", choices=("template", "native"), default="template")
    parser.add_argument(
        "--models", nargs="+", default=MODELS, help="native people: ict, anny or an .npz file"
    )
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND")
    parser.add_argument(
        "--cases", type=int, default=16, help="native people a kind (default 16; 0: only --others)"
    )
    parser.add_argument(
        "--adapt-people", type=int, default=16, help="that the template is adapted to (default 16)"
    )
    parser.add_argument(
        "--others",
        type=int,
        default=0,
        help="native people whom NICP and MeshMonk register too",
    )
    parser.add_argument("--singles", type=int, default=40, help="single scans (default 40)")
    parser.add_argument("--sequences", type=int, default=6, help="sequences (default 6)")
    parser.add_argument("--frames", type=int, default=20, help="frames per sequence (default 20)")
    parser.add_argument(
        "--seed", type=int, help=f"people (default {ict_truth.SEED}; native {native_people.SEED})"
    )
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    if arguments.people == "native":
        return run_native(arguments)
    seed = ict_truth.SEED if arguments.seed is None else arguments.seed
    truth = ict_truth.load()
    speed = bandwidth(), arithmetic()
    reference = prepare(truth.template)
    registrars = {mode: Registrar(reference, Settings(**MODES[mode])) for mode in MODES}
    singles = {
        mode: run_singles(registrar, truth, arguments.singles, mode=mode, seed=seed)
        for mode, registrar in registrars.items()
    }
    sequences = run_sequences(
        registrars["refined"], truth, arguments.sequences, frames=arguments.frames, seed=seed
    )
    print_errors(singles, sequences[0])
    # once more: other jobs may have slowed the first
    speed = max(speed[0], bandwidth()), max(speed[1], arithmetic())
    print(f"\nmemory {speed[0] / 1e9:.1f} GB/s, sgemm {speed[1] / 1e9:.0f} Gflop/s")
    for mode, (_, timing) in singles.items():
        print_stages(f"single, {mode}", timing, speed)
    print_stages("sequence", sequences[1], speed)
    return check(thresholds(singles, sequences))


def run_native(arguments):
    if arguments.cases:
        registration_native.run(
            arguments.models,
            kinds=arguments.kinds,
            count=arguments.cases,
            sequences=arguments.sequences,
            frames=arguments.frames,
            adapt_people=arguments.adapt_people,
            seed=native_people.SEED if arguments.seed is None else arguments.seed,
        )
    if arguments.others:
        for model in arguments.models:
            registration_others.compare(model, arguments.others)
    return 0


def print_errors(singles, sequences):
    rows = [(f"single, {mode}", found) for mode, (found, _) in singles.items()]
    rows += [(f"sequence, {name}", found) for name, found in sequences.items()]
    table = [(name, *(f"{figure:.3f}" for figure in mean_p95(found))) for name, found in rows]
    print(pd.DataFrame(table, columns=["inner error, mm", "mean", "p95"]).to_string(index=False))


def thresholds(singles, sequences):
    errors, timing, lost = sequences
    mean, p95 = mean_p95(singles["refined"][0])
    return [
        Threshold("single mean, mm", mean, 0.9),
        Threshold("single p95, mm", p95, 2.0),
        Threshold("frame minus neutral, mm", mean_p95(errors["frame minus neutral"])[0], 0.40),
        Threshold("jitter, mm", mean_p95(errors["jitter"])[0], 0.35),
        Threshold("frames lost", lost, 0),
        Threshold("fast mode, ms", singles["fast"][1].whole, 40.0),
        Threshold("refined and tracked, ms", timing.whole, 150.0),
    ]


if __name__ == "__main__":
    sys.exit(main())
