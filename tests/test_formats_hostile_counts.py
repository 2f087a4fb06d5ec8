"""Files whose headers promise more than they hold: refused with a reason, within 1 GB of memory."""

import json
import struct
import subprocess
import sys

import numpy as np
import pytest
from support.mesh_files import bnt_bytes, grid_mesh, pts_text
from support.videos import numbered_pictures, write_video

MANY = 10**6
LIMIT = 1 << 30  # bytes of data that the reading process may take
READ = """
import json, resource, sys
from pathlib import Path
from affect4d.formats.landmarks import read_landmarks
from affect4d.formats.meshes import read_mesh
from affect4d.formats.video import count_frames, read_frame
from affect4d.quarantine import BadInput
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
path = Path(sys.argv[1])
try:
    if path.suffix == ".bnt":
        read_mesh(path)
    elif path.suffix == ".pts":
        read_landmarks(path, dimension=2)
    else:
        read_frame(path, 0)
        read_frame(path, count_frames(path) + 1000)
    print(json.dumps("read"))
except BadInput as problem:
    print(json.dumps([problem.rule, problem.remedy]))
"""


def read(path):
    """What a process of its own says of a file."""
    command = [sys.executable, "-c", READ, str(path), str(LIMIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_pts_of_a_thousand_million_points_is_truncated(tmp_path):
    path = tmp_path / "a.pts"
    text = pts_text(np.stack([np.arange(68.0), np.arange(68.0)], axis=1))
    path.write_text(text.replace("n_points: 68", "n_points: 1000000000").rstrip("}\n"))
    rule, remedy = read(path)
    assert "truncated" in rule and remedy


@pytest.mark.parametrize(("rows", "columns"), [(65535, 65535), (7, 65535), (0, 9)])
def test_a_bnt_whose_header_promises_other_rows(tmp_path, rows, columns):
    vertices, uv = (grid_mesh()[k] for k in (0, 2))
    content = bytearray(bnt_bytes(vertices, uv, 7, 9))
    struct.pack_into("<HH", content, 0, rows, columns)
    (tmp_path / "a.bnt").write_bytes(content)
    rule, remedy = read(tmp_path / "a.bnt")
    assert rule and remedy


def promise_avi(content):
    """The frames that the main header and the stream's header of an AVI state."""
    struct.pack_into("<I", content, content.index(b"avih") + 8 + 16, MANY)
    struct.pack_into("<I", content, content.index(b"strh") + 8 + 32, MANY)


def promise_mp4(content):
    """A table of equal sample sizes, and one of durations, for so many frames."""
    struct.pack_into(">II", content, content.index(b"stsz") + 8, 1, MANY)
    struct.pack_into(">I", content, content.index(b"stts") + 12, MANY)


@pytest.mark.parametrize(("suffix", "promise"), [(".avi", promise_avi), (".mp4", promise_mp4)])
def test_a_video_of_a_million_frames(tmp_path, suffix, promise):
    codec = "mpeg4" if suffix == ".avi" else "libx264"
    path = write_video(tmp_path / f"a{suffix}", numbered_pictures(5), codec=codec)
    content = bytearray(path.read_bytes())
    promise(content)
    path.write_bytes(content)
    rule, remedy = read(path)
    assert rule and remedy
