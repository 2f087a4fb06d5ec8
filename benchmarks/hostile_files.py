"""Fuzzed meshes, landmarks, materials and tables: what their readers do, in what time and memory.

    python benchmarks/hostile_files.py                  # 2,000 of each kind
    python benchmarks/hostile_files.py obj --count 100

Files are damaged as bytes and word by word; each is read, or refused in one line. What is read must
be valid: indices that exist, numbers that are finite, a texture in the scan's folder, the same that
`gallery draft` finds. Every kind runs in a process of its own, whose peak memory is printed less
that of the interpreter and its libraries. Exit status 1 where a threshold is missed.
"""

import argparse
import json
import logging
import multiprocessing
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from hostile_photographs import MAX_MB, MAX_SECONDS, SIDE_FILE_BYTES, tried
from limits import peak_memory
from thresholds import Threshold, check

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from support.hostile_images import random_damage
from support.malformed_files import random_words
from support.mesh_files import (
    PLY_FORMATS,
    bnd_text,
    bnt_bytes,
    grid_mesh,
    ljson_text,
    lm3_text,
    obj_text,
    ply_bytes,
    pts_text,
    wrl_text,
)
from support.read_under_limits import is_valid_face, is_valid_mesh

from affect4d.formats.content import read_json
from affect4d.formats.landmarks import read_landmarks
from affect4d.formats.markup import load_markup
from affect4d.formats.meshes import find_texture, read_mesh
from affect4d.formats.tables import read_rows
from affect4d.template.template import load_template

MATERIAL = (
    "newmtl hair\nmap_Kd hair.png\nnewmtl skin\nKd 1 1 1\n"
    "map_Kd -s 1 1 1 -clamp off skin of face.png\n"
)


def samples():
    """{name: [bytes of valid files]} of every kind; the name's suffix is the format."""
    vertices, triangles, uv = grid_mesh()
    quads = [[0, 1, 10, 9], [1, 2, 11, 10], [2, 3, 4, 13, 11]]
    face = load_template().landmarks
    bosphorus = load_markup("bosphorus").ibug
    plain = ply_bytes(vertices, triangles, uv, texture="skin.png", extra="quality")
    value = {"actor": "Béla", "frames": {"00000": {"valence": 0, "landmarks": [[1.5, 2]] * 68}}}
    table = "image,subject\r\n" + "".join(f'{n}.jpg,"Béla {n}"\r\n' for n in range(20))
    texts = {
        "a.pts": [pts_text(face), "\n".join(f"{x} {y} {z}" for x, y, z in face)],
        "a.ljson": [ljson_text(face)],
        "a.lm3": [lm3_text(list(bosphorus.values()), face[list(bosphorus)])],
        "a.bnd": [bnd_text(np.concatenate([face, face])[:83])],
        "a.mtl": [MATERIAL],
        "a.obj": [
            obj_text(vertices, triangles, uv, material="a.mtl"),
            obj_text(vertices, quads, uv, material="a.mtl b.mtl"),
        ],
        "a.wrl": [wrl_text(vertices, triangles, uv, triangles)],
        "a.json": [json.dumps(value, ensure_ascii=False)],
        "a.csv": [table],
    }
    contents = {name: [text.encode() for text in each] for name, each in texts.items()}
    contents["a.bnt"] = [bnt_bytes(vertices, uv, 7, 9)]
    contents["a.ply"] = [
        plain,
        *(
            ply_bytes(vertices, triangles, corner_uv=uv[triangles], form=form)
            for form in PLY_FORMATS
        ),
    ]
    return contents


def read(path):
    """Read a file by its suffix; ArithmeticError where what was read is invalid."""
    if path.suffix == ".json":
        read_json(path, SIDE_FILE_BYTES, "annotation")
    elif path.suffix == ".csv":
        list(read_rows(path, ("image", "subject")))
    elif path.suffix in (".pts", ".ljson", ".lm3", ".bnd"):
        if not is_valid_face(read_landmarks(path, 3)):
            raise ArithmeticError("invalid landmarks")
    else:
        mesh_file = path.with_suffix(".obj") if path.suffix == ".mtl" else path
        mesh = read_mesh(mesh_file)
        inside = mesh.texture is None or mesh.texture.resolve().is_relative_to(
            path.parent.resolve()
        )
        if not (is_valid_mesh(mesh) and inside and find_texture(mesh_file) == mesh.texture):
            raise ArithmeticError("an invalid mesh")


def damaged(rng, content):
    """A file's content with a few words or bytes changed; mostly of its header, if it is a PLY."""
    change = random_words if rng.random() < 0.6 else random_damage
    header, end, body = content.partition(b"end_header\n")
    if end and rng.random() < 0.7:
        return change(rng, header + end) + body
    return change(rng, content)


def run(name, count, seed, results):
    """Put (outcomes, worst seconds, MB before, MB of peak) of a kind into the queue."""
    logging.disable()
    contents, rng = samples(), np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        for each in contents:
            Path(folder, each).write_bytes(contents[each][0])
        path = Path(folder, name)
        read(path)
        before = peak_memory() / 2**20
        outcomes, worst = Counter(), 0.0
        for number in range(count):
            path.write_bytes(damaged(rng, contents[name][number % len(contents[name])]))
            outcome, seconds, _ = tried(read, path)
            outcomes[outcome] += 1
            worst = max(worst, seconds)
    results.put((outcomes, worst, before, peak_memory() / 2**20))


def main():
    """Run every kind."""
    kinds = sorted(name.removeprefix("a.") for name in samples())
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kinds", nargs="*", default=kinds, metavar="KIND", help=", ".join(kinds))
    parser.add_argument("--count", type=int, default=2_000, help="files of each kind")
    parser.add_argument("--seed", type=int, default=16)
    options = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    rows, thresholds = [], []
    for kind in options.kinds:
        results = spawn.Queue()
        process = spawn.Process(
            target=run, args=(f"a.{kind}", options.count, options.seed, results)
        )
        process.start()
        outcomes, worst, before, peak = results.get(timeout=3600)
        process.join()
        rows.append((kind, dict(outcomes), f"{worst:.3f}", f"{before:.0f}", f"{peak - before:.0f}"))
        thresholds += [
            Threshold(
                f"{kind}: neither read nor refused",
                outcomes.total() - outcomes["read"] - outcomes["refused"],
                0,
            ),
            Threshold(f"{kind}: worst time, s", worst, MAX_SECONDS),
            Threshold(f"{kind}: peak memory, MB", peak, MAX_MB),
        ]
    columns = ["kind", "outcomes", "worst s", "MB before", "MB more"]
    print(pd.DataFrame(rows, columns=columns).to_string(index=False))
    return check(thresholds)


if __name__ == "__main__":
    sys.exit(main())
