"""Malformed variants of a file, by rules that know its format and by rules that do not."""

import re
import struct

import numpy as np


def cut(content):
    """Ends at many positions, holes and repetitions."""
    positions = np.linspace(0, len(content) - 1, 14).astype(int)
    yield from (
        (f"cut_{position}", content[:position]) for position in (*positions, len(content) - 2)
    )
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
        positions = rng.integers(0, len(flipped), count)
        flipped[positions] = rng.integers(0, 256, count)
        yield f"flip_{count}_{positions[0]}", flipped.tobytes()
    for position in (0, len(content) // 2, len(content) - 1):
        yield (
            f"bit_{position}",
            content[:position] + bytes([content[position] ^ 64]) + content[position + 1 :],
        )


def malform_numbers(content):
    """Numbers that cannot be parsed, that are out of range, and far too many numbers."""
    numbers = list(re.finditer(rb"(?<=[\s\[,])-?\d+(?:\.\d+)?(?:e-?\d+)?(?=[\s/,\]])", content))
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
    for word in words if numbers else ():
        for part in (0.02, 0.3, 0.97):
            number = numbers[int(part * len(numbers))]
            yield (
                f"number_{part}_{words.index(word)}",
                content[: number.start()] + word + content[number.end() :],
            )
    if numbers:
        at = numbers[len(numbers) // 2].start()
        yield "long_line", content[:at] + b"1 " * 1_000_000 + content[at:]
        yield "long_number", content[:at] + b"1" * 1_000_000 + content[at:]
        yield "nul", content[:at] + b"\0" * 10_000 + content[at:]


def strange(content):
    """Content of no format at all."""
    yield "empty", b""
    yield "blank", b"\n" * 5000
    yield "zeros", bytes(5000)
    yield "garbage", np.random.default_rng(1).bytes(5000)
    yield "utf16", b"\xff\xfe" + content[:2000].decode("latin-1").encode("utf-16-le")
    yield "brackets", b"[" * 200_000
    yield "braces", content[:40] + b"{ [ " * 50_000


def malform_ply(content):
    """Headers that contradict the content."""
    for element in (b"vertex", b"face"):
        told = re.search(rb"element %s (\d+)" % element, content)
        true = int(told[1])
        for count in (0, 1, true - 1, true + 1, 4_999_999, 10**9, 10**18, 2**64 + true):
            lie = b"element %s %d" % (element, count)
            yield f"count_{element.decode()}_{count}", content.replace(told[0], lie, 1)
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


def malform_obj(content):
    """Indices and statements out of order."""
    corner = re.search(rb"(?m)^f \S+", content)[0]
    for index in (b"0", b"-1", b"-64", b"64", b"1000000000", b"-9" * 20, b"1/2/3/4", b"1//", b"/"):
        yield f"index_{index.hex()[:12]}", content.replace(corner, b"f " + index, 1)
    yield "backslash", content.replace(corner, corner[:2] + b"\\ " + corner[2:] + b" \\", 1)
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


def malform_wrl(content):
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


def malform_bnt(content):
    """Headers that contradict the content and values that are not finite."""
    height, width = struct.unpack("<HH", content[:4])
    pixels = height * width
    for rows, columns in (
        (0, width),
        (height, 0),
        (1, pixels),
        (pixels, 1),
        (65535, 65535),
        (height, 65535),
        (width, height),
    ):
        yield f"grid_{rows}_{columns}", struct.pack("<HH", rows, columns) + content[4:]
        at = 14 + struct.unpack_from("<H", content, 12)[0]
        announced = struct.pack("<I", 5 * rows * columns & 0xFFFFFFFF)
        lying = content[4:at] + announced + content[at + 4 :]
        yield f"announced_{rows}_{columns}", struct.pack("<HH", rows, columns) + lying
    for length in (0, 1, 65535):
        yield f"name_{length}", content[:12] + struct.pack("<H", length) + content[14:]
    for name, value in {"nan": np.nan, "inf": np.inf, "far": 1e300, "background": -1e9}.items():
        values = np.frombuffer(content[-8 * 5 * pixels :], "<f8")
        for part, where in {
            "all": slice(None),
            "few": slice(2 * pixels // 3, pixels),
            "uv": slice(4 * pixels, 4 * pixels + 5),
        }.items():
            changed = values.copy()
            changed[where] = value
            yield f"{name}_{part}", content[: -8 * 5 * pixels] + changed.tobytes()


def malform_json(content):
    """JSON that is something else than landmarks."""
    for text in ("null", "3", "[[]]", '{"groups": null}', '{"groups": {"a": null}}', '"points"'):
        yield f"json_{len(text)}_{text.strip('{[')[:3].encode().hex()}", text.encode()
    for points in ("3", "{}", "[]", "[[]]", "[null]", "[[null,null,null]]", '[["1","2","3"]]'):
        text = '{"landmarks": {"points": %s}}' % points  # noqa: UP031
        yield f"points_{points.encode().hex()[:20]}", text.encode()
    yield "deep", b'{"landmarks": {"points": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
    yield "great", content.replace(b"[[", b"[[1" + b"0" * 400 + b", 1, 1], [", 1)
    yield "greater", content.replace(b"[[", b"[[1" + b"0" * 10_000 + b", 1, 1], [", 1)


RULES = {
    ".ply": malform_ply,
    ".obj": malform_obj,
    ".wrl": malform_wrl,
    ".bnt": malform_bnt,
    ".ljson": malform_json,
}


def malformed(content, suffix):
    """{file name: bytes}: malformed variants of a valid file, and the valid file itself.

    Parameters
    ----------
    content : bytes of the valid file
    suffix : of its format, with the dot
    """
    rules = [cut, flip, strange, *([RULES[suffix]] if suffix in RULES else [])]
    if b"\0" not in content:
        rules.append(malform_numbers)
    files = {f"valid{suffix}": content}
    for rule in rules:
        for name, changed in rule(content):
            files[f"{rule.__name__}_{name}{suffix}"] = changed
    return files


WORDS = (
    b"", b"0", b"-1", b"1e999", b"nan", b"-inf", b"9" * 40, b"1.2.3", b"..", b"../../x", b"/etc",
    b"\\", b"\\\n", b"#", b"{", b"}", b"[", b'"', b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"\xe9",
    b" " * 70_000, b"1 " * 100_000, b"x" * 5_000, b"f 1 2 3", b"usemtl", b"mtllib a.mtl",
    b"map_Kd -s", b"end_header", b"element face 4000000000", b"property list uchar int x",
    b"n_points: 68", b"\r", b"\n",
)  # fmt: skip


def random_words(rng, content):
    """A text of which one or two words are replaced, removed or repeated, or others inserted."""
    for _ in range(rng.integers(1, 3)):
        words = list(re.finditer(rb"\S+", content))
        if not words:
            break
        word = words[rng.integers(len(words))]
        new = WORDS[rng.integers(len(WORDS))]
        if rng.random() < 0.3:  # another word of the file
            other = words[rng.integers(len(words))]
            new = content[other.start() : other.end()]
        end = word.start() if rng.random() < 0.3 else word.end()
        content = content[: word.start()] + new + content[end:]
    line_ends = (b"\n", b"\n", b"\n", b"\r\n", b"\r")
    return content.replace(b"\n", line_ends[rng.integers(len(line_ends))])
