"""Malformed files of each format: read or refused in one line, within 30 s and 2 GB, never a crash.

Files are malformed by rules that know their format and by rules that do not, and are read in a
process whose memory is limited.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.malformed_files import malformed
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
    tem_text,
    wrl_text,
)

from affect4d.formats.markup import load_markup
from affect4d.template.template import load_template

LABELS = load_markup("bosphorus").ibug
SECONDS = 30


def samples():
    """{"kind.suffix": bytes} of one valid file of each format."""
    vertices, triangles, uv = grid_mesh()
    face = load_template().landmarks
    contents = {
        "obj.obj": obj_text(vertices, triangles, uv, material="none.mtl").encode(),
        "wrl.wrl": wrl_text(vertices, triangles, uv, triangles).encode(),
        "bnt.bnt": bnt_bytes(vertices, uv, 7, 9),
        "pts.pts": pts_text(face).encode(),
        "ljson.ljson": ljson_text(face).encode(),
        "lm3.lm3": lm3_text(list(LABELS.values()), face[list(LABELS)]).encode(),
        "tem.tem": tem_text(np.concatenate([face, face, face])[:189]).encode(),
        "bnd.bnd": bnd_text(np.concatenate([face, face])[:83]).encode(),
    }
    for form in PLY_FORMATS:
        contents[f"{form}.ply"] = ply_bytes(
            vertices, triangles, corner_uv=uv[triangles], form=form, extra="quality"
        )
    contents["obj.obj"] = contents["obj.obj"].replace(b"mtllib none.mtl\n", b"")
    return contents


SAMPLES = samples()


def read_folder(folder):
    """The report of `read_under_limits.py` on a folder."""
    script = Path(__file__).parent / "support/read_under_limits.py"
    done = subprocess.run(
        [sys.executable, str(script), str(folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", SAMPLES)
def test_malformed_files_are_read_or_refused(tmp_path, kind):
    files = malformed(SAMPLES[kind], Path(kind).suffix)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    report = read_folder(tmp_path)
    assert set(report["files"]) == set(files) and len(files) > 40
    wrong = {n: o for n, (o, seconds) in report["files"].items() if o not in ("ok", "bad")}
    assert not wrong
    assert max(seconds for _, seconds in report["files"].values()) < SECONDS
    assert report["peak_mb"] < 2048
    outcomes = {name: outcome for name, (outcome, _) in report["files"].items()}
    assert outcomes[f"valid{Path(kind).suffix}"] == "ok"
    assert sum(outcome == "bad" for outcome in outcomes.values()) > 30


HUGE = {
    "faces.obj": (b"v 0 0 0\nv 1 0 0\nv 0 1 0\n", b"f 1 2 3\n"),
    "corners.obj": (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf", b" 1"),
    "points.obj": (b"", b"v 0 0 1\n"),
    "numbers.ply": (ply_bytes(*grid_mesh()), b"1 "),
    "index.wrl": (SAMPLES["wrl.wrl"].split(b"coordIndex [")[0] + b"coordIndex [", b"0 "),
    "words.wrl": (b"#VRML V2.0 utf8\nWorldInfo { ", b"a TRUE "),
    "points.pts": (b"{\n", b"1 2 3\n"),
    "numbers.ljson": (b'{"landmarks": {"points": [', b"[1,2,3],"),
}
END = {"index.wrl": b"] } } ] }", "numbers.ljson": b"[1,2,3]]}}"}


def test_huge_files_stay_within_the_limits(tmp_path):
    for name, (start, part) in HUGE.items():
        size = (16 if name.startswith(("points.pts", "numbers.ljson")) else 200) << 20
        (tmp_path / name).write_bytes(
            start + part * ((size - len(start) - 9) // len(part)) + END.get(name, b"\n")
        )
    report = read_folder(tmp_path)
    for path in tmp_path.iterdir():  # pytest keeps what is left
        path.unlink()
    for name, (outcome, seconds) in report["files"].items():
        assert outcome in ("ok", "bad") and seconds < SECONDS, name
    assert report["peak_mb"] < 2048
