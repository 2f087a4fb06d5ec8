"""Registration against the embedded gallery's truth: errors in mm, flags, times.

    python benchmarks/registration_gallery.py --results results    # a finished build
    python benchmarks/registration_gallery.py                      # a small gallery of its own

"Inner" is the seen face within 75 mm of the nose tip. The gallery's people have a topology and a
mean shape of their own, so truth is consistency: each template vertex has one place on their mesh,
the consensus over the registered neutral faces of all people. A frame's error is the distance of
its vertices from those places after a rigid motion; the difference's error that of frame minus
neutral, which is what later stages use. `single` registers each frame alone, without its sequence.

Beyond the inner face, where the template shows on its cylinder, foreheads, sides and chins are
measured too: the difference's error from 75 to 105 mm from the nose tip, and how many of 10,000
triangles there face away from where the truth turns them.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cProfile
import pstats
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from native_people import Correspondence, nearest

from affect4d import store
from affect4d.config.gallery import Synthetic
from affect4d.config.registration import Settings
from affect4d.formats.landmarks import read_landmarks
from affect4d.formats.meshes import read_mesh
from affect4d.gallery.synthetic.model import read_model, write_model
from affect4d.gallery.synthetic.scans import scan_chunk
from affect4d.geometry.similarity import fit_similarity
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import Quarantine
from affect4d.registration.quality import FLAGS
from affect4d.registration.reference import fit_cylinder, single_valued
from affect4d.registration.sequences import load_registrar, register_chunk, write_template
from affect4d.template.ibug68 import CHIN, LEFT_BROW, NOSE_TIP, RIGHT_BROW
from affect4d.template.template import load_template

BORDER_MM = 75.0, 105.0  # from the nose tip
ROUNDS = 10  # of closing in on the true face: the motion changes by less than .01 mm after 5
STAGES = {
    "check": "landmarks",
    "_unroll": "unwrap, clean, raster",
    "follow": "follow the skin",
    "_sample": "look up and fill",
    "read_mesh": "read mesh",
    "read_image": "read texture",
    "register": "register, all but reading",
}


def build(results, subjects):
    """A small gallery, registered: the two stages without Snakemake."""
    gallery = results / "gallery"
    settings = Synthetic(spontaneous=1)
    context = RunContext(results, "gallery", Quarantine("gallery"))
    write_model(settings.scan_vertices, context)
    names = [f"s{number:03d}" for number in range(1, subjects + 1)]
    scan_chunk("c0000", names, settings, model=gallery / "model.zarr", context=context)
    context = RunContext(results, "registration", Quarantine("registration"), item="c0000")
    write_template(context, load_template())
    profile = cProfile.Profile()
    registrar = load_registrar(results / "registration/template.zarr", Settings())
    profile.enable()
    register_chunk(context, registrar, gallery / "scans/c0000.csv", files_root=results)
    profile.disable()
    return profile


def print_stages(profile):
    """Milliseconds a call of each stage."""
    print("\nms a call, one thread")
    for (_, _, name), (_, calls, _, spent, _) in pstats.Stats(profile).stats.items():
        if name in STAGES:
            print(f"  {STAGES[name]:28s} {1e3 * spent / calls:7.1f}  ({calls} calls)")


def landed(model, template, found, truth):
    """A registered face (V, 3) on the true one (N, 3), closed in on by rigid motions."""
    marks = template.landmarks_on(found)
    motion = fit_similarity(marks, model.template.landmarks_on(truth), scale=False)
    aligned, inner = motion.apply(found), template.inner
    triangles = model.template.triangles.astype(np.int64)
    for _ in range(ROUNDS):
        corners, weights = nearest(aligned, truth.astype(float), triangles)
        onto = (weights[..., None] * truth[corners]).sum(1)
        aligned = fit_similarity(aligned[inner], onto[inner], scale=False).apply(aligned)
    return aligned


def correspondence(results, template):
    """The Correspondence of a build's people."""
    model, pairs = read_model(results / "gallery/model.zarr"), {}
    for path in sorted((results / "gallery/truth").glob("*.zarr")):
        truth = store.open(path)
        for index, name in enumerate(truth.attributes["sequences"]):
            stored = results / f"registered/{name}.zarr"
            if name.split("_")[0] in pairs or not stored.exists():
                continue
            sequence = store.open(stored)
            row = sequence.attributes["is_neutral"].index(True)
            if sequence["flags"][row] == 0:
                # the first frame is the neutral one
                neutral = truth[f"faces{index}"][0]
                found = landed(model, template, sequence["vertices"][row], neutral)
                pairs[name.split("_")[0]] = found, neutral
    return Correspondence(model, pairs.values())


def rigid_error(found, truth):
    motion = fit_similarity(found, truth, scale=False)
    return np.linalg.norm(motion.apply(found) - truth, axis=1)


def border(registrar):
    """{name: (V,)} of the parts of the skin beyond the inner face."""
    vertices, marks = registrar.template.vertices, registrar.template.landmarks
    from_tip = np.linalg.norm(vertices - marks[NOSE_TIP], axis=1)
    shown = single_valued(
        registrar.template, fit_cylinder(registrar.template, registrar.settings.resolution)
    )
    ring = (from_tip > BORDER_MM[0]) & (from_tip < BORDER_MM[1]) & shown
    forehead = vertices[:, 1] > marks[[*LEFT_BROW, *RIGHT_BROW], 1].max()
    chin = vertices[:, 1] < marks[CHIN, 1]
    return {"forehead": ring & forehead, "sides": ring & ~forehead & ~chin, "chin": ring & chin}


def turned(found, expected, triangles):
    """Share of triangles (n, 3) of a face (V, 3) that face away from where they are expected."""
    normals = []
    for face in (found, expected):
        a, b, c = (face[triangles[:, k]] for k in range(3))
        normals.append(np.cross(b - a, c - a))
    return float((np.sum(normals[0] * normals[1], axis=1) < 0).mean())


def border_errors(regions, triangles, *, change, frame, neutral, seen):
    """Errors (n,) mm of a frame (V, 3) minus the neutral, whose true change is given, and share of
    triangles turned over, of each region."""
    expected, row = neutral + change, {}
    for name, region in regions.items():
        mask = region & seen
        row[name] = np.linalg.norm((frame - expected)[mask], axis=1)
        part = triangles[mask[triangles].all(1)]
        if len(part):
            row[f"{name} turned"] = turned(frame, expected, part)
    return row


def evaluate(results, registrar, singles):
    """One row per frame: errors (mm), flags, what was wrong with its landmarks."""
    rows, inner, regions = [], registrar.template.inner, border(registrar)
    places = correspondence(results, registrar.template)
    for path in sorted((results / "gallery/truth").glob("*.zarr")):
        truth = store.open(path)
        gross = dict(zip(truth.attributes["frame_ids"], truth["gross"][...].tolist(), strict=True))
        table = pd.read_csv(results / f"gallery/scans/{path.stem}.csv").set_index("frame_id")
        for index, name in enumerate(truth.attributes["sequences"]):
            sequence = store.open(results / f"registered/{name}.zarr")
            ids = sequence.attributes["frame_ids"]
            order = [i for i, row in enumerate(table.index[table.sequence == name]) if row in ids]
            faces = np.stack([places.on(face) for face in truth[f"faces{index}"][...][order]])
            vertices, seen = sequence["vertices"][...], sequence["seen"][...]
            flags, neutral = sequence["flags"][...], sequence.attributes["is_neutral"].index(True)
            for t, frame in enumerate(ids):
                mask = inner & seen[t] & seen[neutral]
                moved = faces[t] - faces[neutral]
                change = (vertices[t] - vertices[neutral]) - moved
                row = {
                    "frame_id": frame,
                    "task": sequence.attributes["task"],
                    "gross": gross[frame] > 0,
                    "flags": int(flags[t]),
                    "error": rigid_error(vertices[t][mask], faces[t][mask]),
                    "difference": np.linalg.norm(change[mask], axis=1) if t != neutral else [],
                    "motion": np.linalg.norm(moved[mask], axis=1),
                }
                if t != neutral and not flags[t]:
                    row |= border_errors(
                        regions,
                        registrar.template.triangles,
                        change=moved,
                        frame=vertices[t],
                        neutral=vertices[neutral],
                        seen=seen[t] & seen[neutral],
                    )
                if t % singles == 0:
                    mesh = read_mesh(results / table.mesh[frame])
                    marks = read_landmarks(results / table.landmarks[frame], dimension=3)
                    alone = registrar.register(mesh.vertices, mesh.triangles, marks)
                    mask = inner & alone.seen
                    row["single"] = rigid_error(alone.vertices[mask], faces[t][mask])
                rows.append(row)
    return pd.DataFrame(rows)


def print_errors(frames):
    print(f"{len(frames)} frames, {frames.gross.sum()} with gross landmarks")
    for task, part in [("all", frames), *frames.groupby("task")]:
        for name in ("single", "error", "difference", "motion"):
            if name in part:
                values = np.concatenate([v for v in part[name] if np.ndim(v) and len(v)])
                print(
                    f"{task:12s} {name:11s} mean {values.mean():.2f}"
                    f"  p95 {np.percentile(values, 95):.2f} mm"
                )


def print_border(frames, names):
    """Beyond the inner face, in unflagged frames."""
    for name in names:
        values = np.concatenate([v for v in frames[name] if np.ndim(v)])
        over = 1e4 * frames[f"{name} turned"].dropna()
        mean, p95 = values.mean(), np.percentile(values, 95)
        print(
            f"{name:12s} difference  mean {mean:.2f}  p95 {p95:.2f} mm"
            f"; turned over, of 10,000: mean {over.mean():.1f}, worst frame {over.max():.0f}"
        )


def print_flags(frames):
    gross, sound = frames[frames.gross], frames[~frames.gross]
    missed = int((gross["flags"] == 0).sum())
    print(f"gross frames without a flag: {missed} of {len(gross)}")
    false = sound["flags"] > 0
    print(f"sound frames with a flag: {false.sum()} of {len(sound)} ({100 * false.mean():.1f} %)")
    for bit, name in enumerate(FLAGS):
        count = int(((sound["flags"].to_numpy() >> bit) & 1).sum())
        if count:
            print(f"  {name}: {count}")
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, help="a finished build")
    parser.add_argument("--subjects", type=int, default=2, help="people of the small gallery")
    parser.add_argument("--singles", type=int, default=3, help="register every n-th frame alone")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        results = arguments.results or Path(scratch)
        profile = None if arguments.results else build(results, arguments.subjects)
        registrar = load_registrar(results / "registration/template.zarr", Settings())
        frames = evaluate(results, registrar, arguments.singles)
    print_errors(frames)
    print_border(frames, border(registrar))
    missed = print_flags(frames)
    if profile is not None:
        print_stages(profile)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
