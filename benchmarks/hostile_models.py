"""Fuzzed identity models: what the reader does with them, how long it takes, how much memory.

    python benchmarks/hostile_models.py                # 300 of each kind
    python benchmarks/hostile_models.py --count 20

mat, mat compressed, npz, npz compressed: files of a small model with bytes flipped, cut out, cut
off or put in, each read or refused in one line. bombs: files of some MB that expand to some GB, and
arrays whose headers claim more. Reading happens in a process of its own (`formats.named_arrays`,
here a fork), whose peak memory is printed. Exit status 1 where a threshold is missed.
"""

import argparse
import io
import os
import resource
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from hostile_photographs import random_damage, tried
from scipy.io import savemat
from thresholds import Threshold, check

from affect4d.fitting.lsfm import read_lsfm
from affect4d.formats import named_arrays

MAX_MB, MAX_SECONDS = 1024, 30
SUBPROCESS = {"DEVNULL": subprocess.DEVNULL, "PIPE": subprocess.PIPE}
VERTICES, TRIANGLES, MODES = 600, 1000, 3
HEADERS = 320  # bytes: those of the file and of its first array
BOMB_COLUMNS = 150_000  # 3 x 600 x 150,000 x 8 bytes: 2.2 GB


def template(rng):
    """Some vertices and triangles."""
    return SimpleNamespace(
        vertices=rng.normal(size=(VERTICES, 3)) * 50,
        triangles=rng.integers(0, VERTICES, (TRIANGLES, 3)).astype(np.int32),
    )


def fields_of(shape, rng):
    """An LSFM model of that shape."""
    modes = rng.normal(size=(3 * VERTICES, MODES))
    return {
        "mean": shape.vertices.ravel(),
        "components": np.linalg.qr(modes)[0],
        "eigenvalues": np.array([9.0, 4.0, 1.0]),
        "trilist": shape.triangles,
    }


def mat(fields, compressed):
    """The bytes of a .mat file."""
    out = io.BytesIO()
    savemat(out, fields, do_compression=compressed)
    return out.getvalue()


def npz(fields, compressed):
    """The bytes of an .npz file."""
    out = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(out, **fields)
    return out.getvalue()


def damage(rng, content):
    """The content, damaged anywhere or in some bytes of its headers alone."""
    if rng.random() < 0.5:
        return random_damage(rng, content)
    changed = bytearray(content)
    for at in rng.integers(HEADERS, size=rng.integers(1, 4)):
        changed[at] = rng.integers(256)
    return bytes(changed)


def bombs(fields):
    """Files that claim, or expand to, more memory than they should."""
    shape = (3 * VERTICES, BOMB_COLUMNS)
    header, out = io.BytesIO(), io.BytesIO()
    layout = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, layout)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("mean", "eigenvalues", "trilist"):
            array = io.BytesIO()
            np.save(array, fields[name])
            archive.writestr(f"{name}.npy", array.getvalue())
        with archive.open("components.npy", "w", force_zip64=True) as file:
            file.write(header.getvalue())
            for _ in range(shape[0]):
                file.write(bytes(8 * shape[1]))
    yield ".npz", out.getvalue()
    plain = npz(fields, compressed=False)
    yield ".npz", plain.replace(b"(1800, 3), }        ", b"(10000000000, 300),}")
    others = {name: field for name, field in fields.items() if name != "components"}
    yield ".mat", mat(others, compressed=False) + compressed_zeros(*shape)


def compressed_zeros(rows, columns):
    """A variable `components` of a .mat file: doubles, stored as bytes, all zero, compressed."""
    count = rows * columns
    parts = [  # MATLAB's MAT-file format, version 7: flags of a double array, sides, name
        struct.pack("<IIII", 6, 8, 6, 0),
        struct.pack("<IIii", 5, 8, rows, columns),
        struct.pack("<II16s", 1, 10, b"components"),
        struct.pack("<II", 1, count),
    ]
    zipper = zlib.compressobj()
    head = struct.pack("<II", 14, sum(map(len, parts)) + count)
    content = zipper.compress(head + b"".join(parts))
    content += b"".join(zipper.compress(bytes(columns)) for _ in range(rows)) + zipper.flush()
    return struct.pack("<II", 15, len(content)) + content


def fork_reader(command, *, stdout, **_):
    """As `subprocess.run` of the command, by a fork: without the start of an interpreter."""
    with tempfile.TemporaryFile() as errors:
        reader = os.fork()
        if not reader:
            code = 1
            os.dup2(stdout.fileno(), 1)
            os.dup2(errors.fileno(), 2)
            try:
                path, max_mb, max_seconds, *names = command[4:]
                named_arrays._answer(path, int(max_mb), int(max_seconds), names=names)
                sys.stdout.flush()
                code = 0
            except SystemExit as end:
                os.write(2, str(end.code).encode())
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(reader, 0)[1])
        errors.seek(0)
        return subprocess.CompletedProcess(command, code, stderr=errors.read())


def main():
    """Read damaged models."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=300, help="files of each kind")
    parser.add_argument("--seed", type=int, default=23)
    options = parser.parse_args()
    named_arrays.subprocess = SimpleNamespace(run=fork_reader, **SUBPROCESS)
    rng = np.random.default_rng(options.seed)
    shape = template(rng)
    fields = fields_of(shape, rng)
    kinds = {
        f"{make.__name__}{' compressed' * compressed}": (
            f".{make.__name__}",
            make(fields, compressed),
        )
        for make in (mat, npz)
        for compressed in (False, True)
    }
    rows, thresholds = [], []
    with tempfile.TemporaryDirectory() as folder:

        def outcomes(files):
            count, worst = Counter(), 0.0
            for suffix, content in files:
                path = Path(folder, f"a{suffix}")
                path.write_bytes(content)
                outcome, seconds, _ = tried(lambda p: read_lsfm(p, shape, MODES), path)
                count[outcome] += 1
                worst = max(worst, seconds)
            return count, worst

        damaged = {
            kind: ((suffix, damage(rng, content)) for _ in range(options.count))
            for kind, (suffix, content) in kinds.items()
        }
        for kind, files in (damaged | {"bombs": bombs(fields)}).items():
            count, worst = outcomes(files)
            rows.append((kind, dict(count), f"{worst:.2f}"))
            fine = count["read"] + count["refused"]
            thresholds += [
                Threshold(f"{kind}: neither read nor refused", count.total() - fine, 0),
                Threshold(f"{kind}: worst time, s", worst, MAX_SECONDS),
            ]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    thresholds.append(Threshold("peak memory of a reader, MB", peak, MAX_MB))
    print(pd.DataFrame(rows, columns=["kind", "outcomes", "worst s"]).to_string(index=False))
    return check(thresholds)


if __name__ == "__main__":
    sys.exit(main())
