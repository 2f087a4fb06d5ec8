"""Read every file of a folder within 2 GB of data; run as a script, in a process of its own.

Prints one JSON line: {"files": {name: [outcome, seconds]}, "peak_mb": int}. The outcome is "ok",
"bad" (BadInput, one line, with a remedy), or what else was raised or returned.
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

from affect4d.formats.landmarks import read_landmarks
from affect4d.formats.meshes import read_mesh
from affect4d.quarantine import BadInput

LIMIT = 2 << 30  # bytes
CPU_S = 600  # of the processor, for all files together
MESHES = (".obj", ".ply", ".wrl", ".bnt")


def is_valid_mesh(mesh):
    count = len(mesh.vertices)
    shapes = mesh.vertices.shape == (count, 3) and mesh.triangles.ndim == 2
    shapes &= mesh.uv is None or mesh.uv.shape == (count, 2)
    finite = np.isfinite(mesh.vertices).all() and (mesh.uv is None or np.isfinite(mesh.uv).all())
    inside = len(mesh.triangles) and 0 <= mesh.triangles.min() <= mesh.triangles.max() < count
    return bool(shapes and finite and inside)


def is_valid_face(points):
    rows = np.isfinite(points).all(axis=1)
    parts = all(rows[part].any() for part in (slice(36, 42), slice(42, 48), slice(48, 68)))
    return points.shape == (68, 3) and parts and np.isnan(points[~rows]).all()


def outcome(path):
    try:
        if path.suffix in MESHES:
            return "ok" if is_valid_mesh(read_mesh(path)) else "an invalid mesh"
        return "ok" if is_valid_face(read_landmarks(path, 3)) else "invalid landmarks"
    except BadInput as problem:
        fine = "\n" not in str(problem) and problem.rule and problem.remedy
        return "bad" if fine else f"a poor message: {problem}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


def main(folder):
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    files = {}
    for path in sorted(Path(folder).iterdir()):
        start = time.process_time()  # other processes may take the machine's time
        result = outcome(path)
        files[path.name] = [result, time.process_time() - start]
    # `ru_maxrss` would count what the process that started this one held at that moment
    status = Path("/proc/self/status").read_text().split()
    peak = int(status[status.index("VmHWM:") + 1]) >> 10
    print(json.dumps({"files": files, "peak_mb": peak}))


if __name__ == "__main__":
    main(sys.argv[1])
