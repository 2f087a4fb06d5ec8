"""Malformed files of each format: read or refused in one line, within 30 s and 2 GB, never a crash.

Files are spoiled by rules that know their format and by rules that do not, and are read in a
process whose memory is limited.
"""

import json
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mesh_files import (
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

from affect4d.formats.markup import load_markup
from affect4d.formats.template import load_template

LABELS = load_markup("bosphorus").ibug
SECONDS = 30


def samples():
    """{"kind.suffix": bytes} of one whole file of each format."""
    vertices, triangles, uv = grid_mesh()
    face = load_template().landmarks
    contents = {
        "obj.obj": obj_text(vertices, triangles, uv, material="none.mtl").encode(),
        "wrl.wrl": wrl_text(vertices, triangles, uv, triangles).encode(),
        "bnt.bnt": bnt_bytes(vertices, uv, 7, 9),
        "pts.pts": pts_text(face).encode(),
        "ljson.ljson": ljson_text(face).encode(),
        "lm3.lm3": lm3_text(list(LABELS.values()), face[list(LABELS)]).encode(),
        "bnd.bnd": bnd_text(np.concatenate([face, face])[:83]).encode(),
    }
    for form in PLY_FORMATS:
        contents[f"{form}.ply"] = ply_bytes(
            vertices, triangles, corner_uv=uv[triangles], form=form, extra="quality"
        )
    contents["obj.obj"] = contents["obj.obj"].replace(b"mtllib none.mtl\n", b"")
    return contents


SAMPLES = samples()


def cut(content):
    """Ends at many places, holes and repetitions."""
    places = np.linspace(0, len(content) - 1, 14).astype(int)
    yield from ((f"cut_{place}", content[:place]) for place in (*places, len(content) - 2))
    third = len(content) // 3
    yield "hole", content[:third] + content[third + 57 :]
    yield "twice", content + content
    yield "repeated", content[: 2 * third] + content[third:]
    yield "tail", content + b"\0\xff tail " * 100


def flip(content):
    """Single bytes and runs of bytes that are something else."""
    rng = np.random.default_rng(len(content))
    for count in (1, 1, 1, 1, 2, 8, 40, 200):
        flipped = np.frombuffer(content, np.uint8).copy()
        places = rng.integers(0, len(flipped), count)
        flipped[places] = rng.integers(0, 256, count)
        yield f"flip_{count}_{places[0]}", flipped.tobytes()
    for place in (0, len(content) // 2, len(content) - 1):
        yield f"bit_{place}", content[:place] + bytes([content[place] ^ 64]) + content[place + 1 :]


def spoil_numbers(content):
    """Numbers that are none, that no file can mean, and of which there are far too many."""
    found = list(re.finditer(rb"(?<=[\s\[,])-?\d+(?:\.\d+)?(?:e-?\d+)?(?=[\s/,\]])", content))
    words = (
        b"abc",
        b"nan",
        b"inf",
        b"-1",
        b"0",
        b"1e999",
        b"--1",
        b"1.2.3",
        b"99999999999999999999",
    )
    for word in words if found else ():
        for part in (0.02, 0.3, 0.97):
            number = found[int(part * len(found))]
            yield (
                f"number_{part}_{words.index(word)}",
                content[: number.start()] + word + content[number.end() :],
            )
    if found:
        at = found[len(found) // 2].start()
        yield "long_line", content[:at] + b"1 " * 1_000_000 + content[at:]
        yield "long_number", content[:at] + b"1" * 1_000_000 + content[at:]
        yield "nul", content[:at] + b"\0" * 10_000 + content[at:]


def strange(content):
    """What is no such file at all."""
    yield "empty", b""
    yield "blank", b"\n" * 5000
    yield "zeros", bytes(5000)
    yield "garbage", np.random.default_rng(1).bytes(5000)
    yield "utf16", b"\xff\xfe" + content[:2000].decode("latin-1").encode("utf-16-le")
    yield "brackets", b"[" * 200_000
    yield "braces", content[:40] + b"{ [ " * 50_000


def spoil_ply(content):
    """Headers that lie."""
    lies = ((b"vertex 63", b"vertex %d"), (b"face 96", b"face %d"))
    for which, (old, new) in enumerate(lies):
        for count in (0, 1, 62, 97, 4_999_999, 10**9, 10**18, 2**64 + 63):
            yield f"count_{which}_{count}", content.replace(old, new % count, 1)
    yield "kind", content.replace(b"list uchar int", b"list uint uint", 1)
    yield "double", content.replace(b"float x", b"double x", 1)
    yield "scalar", content.replace(b"list uchar int vertex", b"int vertex", 1)
    yield "list", content.replace(b"property float z", b"property list uchar float z", 1)
    many = b"".join(b"property list uchar int p%d\n" % i for i in range(2000))
    yield "many", content.replace(b"end_header", many + b"end_header", 1)
    yield "no_rows", content.replace(b"end_header", b"element nothing 4999999\nend_header", 1)
    end = content.index(b"end_header\n") + len(b"end_header\n")
    yield "body_of_ones", content[:end] + b"\xff" * 100_000
    yield "body_of_zeros", content[:end] + b"\0" * 100_000


def spoil_obj(content):
    """Indices and statements out of order."""
    for index in (b"0", b"-1", b"-64", b"64", b"1000000000", b"-9" * 20, b"1/2/3/4", b"1//", b"/"):
        yield f"index_{index.hex()[:12]}", content.replace(b"f 1/1", b"f " + index, 1)
    yield "backslash", content.replace(b"f 1/1", b"f \\ 1/1 \\", 1)
    yield "backslashes", content + b"f " + b"\\" * 100_000 + b"\n"
    yield "polygon", content + b"f" + b" 1/1" * 1_000_000 + b"\n"
    yield (
        "one_vertex",
        content + b"".join(b"vt %d 0\nf 1/%d 2/1 3/1\n" % (i, i) for i in range(9999)),
    )
    yield "materials", content + b"usemtl a\n" * 200_000
    yield "library", b"mtllib " + b"x" * 100_000 + b"\n" + content
    yield "libraries", b"mtllib ../../x\n" + content
    yield "statements", content + b"v\nvt\nf\n" * 1000


def spoil_wrl(content):
    """Syntax and scenes that no scan has."""
    group = b"DEF g0 Group { }\n" + b"".join(
        b"DEF g%d Group { children [ USE g%d USE g%d ] }\n" % (i, i - 1, i - 1)
        for i in range(1, 60)
    )
    yield "doubling", content + group
    yield "deep", content + b"Group { children [ " * 5000
    yield "deeper", content + b"Group { children " * 200_000
    yield "closed", content + b"}" * 1000
    yield "string", content + b'WorldInfo { title "' + b"x" * 1_000_000
    yield "escapes", content + b'WorldInfo { title "' + b"\\" * 1_000_001 + b'" }'
    yield "comment", content + b"# " + b"x" * 1_000_000
    yield "words", content + b"WorldInfo { " + b"a TRUE " * 500_000
    yield "array", content + b"WorldInfo { info [ 1 " + b"2 # ]\n" * 100_000
    yield "itself", content.replace(b"DEF Face Shape {", b"DEF Face Shape { geometry USE Face", 1)
    for field in (b"point", b"coordIndex", b"texCoordIndex", b"geometry", b"coord"):
        yield f"string_{field.decode()}", content.replace(field, field + b' "x" ', 1)
        yield f"number_{field.decode()}", content.replace(field + b" ", field + b" 5 color ", 1)
        yield f"empty_{field.decode()}", content.replace(field + b" ", field + b" [] color ", 1)


def spoil_bnt(content):
    """Headers that lie and values that are none."""
    for rows, columns in ((0, 9), (9, 0), (1, 63), (63, 1), (65535, 65535), (7, 65535), (9, 7)):
        yield f"grid_{rows}_{columns}", struct.pack("<HH", rows, columns) + content[4:]
        at = 14 + struct.unpack_from("<H", content, 12)[0]
        announced = struct.pack("<I", 5 * rows * columns & 0xFFFFFFFF)
        lying = content[4:at] + announced + content[at + 4 :]
        yield f"announced_{rows}_{columns}", struct.pack("<HH", rows, columns) + lying
    for length in (0, 1, 65535):
        yield f"name_{length}", content[:12] + struct.pack("<H", length) + content[14:]
    for name, value in {"nan": np.nan, "inf": np.inf, "far": 1e300, "background": -1e9}.items():
        values = np.frombuffer(content[-8 * 315 :], "<f8").copy()
        for part, where in {
            "all": slice(None),
            "few": slice(40, 70),
            "uv": slice(250, 255),
        }.items():
            spoiled = values.copy()
            spoiled[where] = value
            yield f"{name}_{part}", content[: -8 * 315] + spoiled.tobytes()


def spoil_json(content):
    """JSON that is something else than landmarks."""
    for text in ("null", "3", "[[]]", '{"groups": null}', '{"groups": {"a": null}}', '"points"'):
        yield f"json_{len(text)}_{text.strip('{[')[:3].encode().hex()}", text.encode()
    for points in ("3", "{}", "[]", "[[]]", "[null]", "[[null,null,null]]", '[["1","2","3"]]'):
        text = '{"landmarks": {"points": %s}}' % points  # noqa: UP031
        yield f"points_{points.encode().hex()[:20]}", text.encode()
    yield "deep", b'{"landmarks": {"points": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
    yield "great", content.replace(b"[[", b"[[1" + b"0" * 400 + b", 1, 1], [", 1)
    yield "greater", content.replace(b"[[", b"[[1" + b"0" * 10_000 + b", 1, 1], [", 1)


OWN = {
    ".ply": spoil_ply,
    ".obj": spoil_obj,
    ".wrl": spoil_wrl,
    ".bnt": spoil_bnt,
    ".ljson": spoil_json,
}


def variants(kind):
    """{file name: bytes} of a kind's malformed files, and a whole one beside them."""
    content, suffix = SAMPLES[kind], Path(kind).suffix
    spoilers = [cut, flip, strange, *([OWN[suffix]] if suffix in OWN else [])]
    if b"\0" not in content:
        spoilers.append(spoil_numbers)
    found = {f"whole{suffix}": content}
    for spoiler in spoilers:
        for name, spoiled in spoiler(content):
            found[f"{spoiler.__name__}_{name}{suffix}"] = spoiled
    return found


def read_folder(folder):
    """What `read_under_limits.py` says of a folder's files."""
    script = Path(__file__).with_name("read_under_limits.py")
    done = subprocess.run(
        [sys.executable, str(script), str(folder)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", SAMPLES)
def test_malformed_files_are_read_or_refused(tmp_path, kind):
    files = variants(kind)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    report = read_folder(tmp_path)
    assert set(report["files"]) == set(files) and len(files) > 40
    wrong = {n: o for n, (o, seconds) in report["files"].items() if o not in ("ok", "bad")}
    assert not wrong
    assert max(seconds for _, seconds in report["files"].values()) < SECONDS
    assert report["peak_mb"] < 2048
    outcomes = {name: outcome for name, (outcome, _) in report["files"].items()}
    assert outcomes[f"whole{Path(kind).suffix}"] == "ok"
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


def test_great_files_stay_within_the_limits(tmp_path):
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
