"""The texture of an OBJ's polygons: `mtllib` and `usemtl` statements, .mtl files."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from affect4d.formats.content import read_content, without_mark
from affect4d.formats.paths import beside
from affect4d.quarantine import BadInput

_MAX_BYTES = 4 << 20  # of a material file: a material takes some hundred bytes
_MAX_STATEMENTS = 100_000  # exporters may repeat one per group of faces
_MAX_NAME = 4096  # bytes: Linux' longest path
_MAX_WORDS = 16  # of file names with blanks on one line; beyond, no name has one
_INDENT = 64  # bytes before a statement
_LINE_START = re.compile(rb"(?:\A|[\r\n])[ \t]*\Z")
_CONTINUED = re.compile(rb"\\\r*\n")
_FACE = re.compile(rb"[\r\n][ \t]*f[ \t]")
_WORD = re.compile(r"\S+")
_COMMENT = re.compile(r"\s#.*")
# Options of a texture map and how many values they take; a vector may have fewer.
_OPTIONS = dict.fromkeys(
    ("-blendu", "-blendv", "-bm", "-boost", "-cc", "-clamp", "-imfchan", "-texres", "-type"), 1
)
_IDENTITY = {"-s": 1.0, "-o": 0.0, "-t": 0.0}  # scale, offset, turbulence of a map that is as it is
_OPTIONS |= {"-mm": 2, **dict.fromkeys(_IDENTITY, 3)}


@dataclass(frozen=True)
class _Map:
    """A texture map: the file's name, and its options."""

    name: str
    folder: str
    options: dict[str, list[str]] = field(default_factory=dict)


def find_texture(path: Path, content: bytes) -> tuple[Path | None, bool]:
    """The one texture of the materials that polygons use, and whether it repeats.

    Where no polygon's material is known, the first texture of the libraries.

    Parameters
    ----------
    path : an OBJ file
    content : its text, without a byte order mark

    Raises
    ------
    ValueError
        There are too many statements.
    BadInput
        A material file cannot be read, a file out of the scan's folder is named, or polygons use
        several textures, or one that is scaled or moved.
    """
    maps: dict[str, _Map | None] = {}
    for _, _, line in _statements(content, b"mtllib"):
        for library in _libraries(path, line):
            maps = _read_materials(library, path) | maps  # the first library has priority
    used = dict.fromkeys(
        name
        for start, end, name in _statements(content, b"usemtl")
        if _FACE.search(content, start, end)
    )
    known = [maps[name] for name in used if name in maps]
    chosen = [each for each in (known or list(maps.values())) if each is not None]
    textures: dict[Path, bool] = {}
    for each in chosen if known else chosen[:1]:
        texture = _texture(path, each)
        repeats = each.options.get("-clamp", ["off"])[0].lower() != "on"
        if textures.setdefault(texture, repeats) != repeats:
            raise BadInput(path, f"{texture.name} repeats and does not", "use one material")
    if len(textures) > 1:
        raise BadInput(path, f"the mesh has {len(textures)} textures", "bake them into one")
    return next(iter(textures.items()), (None, True))


def _statements(content: bytes, keyword: bytes) -> Iterator[tuple[int, int, str]]:
    """Begin, begin of the next (or the end of the text), and value of each statement."""
    starts = []
    at = content.find(keyword)
    while at >= 0:
        end = at + len(keyword)
        if content[end : end + 1] in (b" ", b"\t") and _LINE_START.search(
            content[max(at - _INDENT, 0) : at]
        ):
            starts.append(at)
        if len(starts) > _MAX_STATEMENTS:
            raise ValueError(f"more than {_MAX_STATEMENTS} material statements")
        at = content.find(keyword, end)
    for start, end in pairwise([*starts, len(content)]):
        line = _CONTINUED.sub(b" ", content[start + len(keyword) : start + _MAX_NAME])
        yield start, end, _decode(re.split(rb"[\r\n]", line, maxsplit=1)[0]).strip()


def _decode(text: bytes) -> str:
    """UTF-8, or else Latin-1, which old exporters write."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _libraries(path: Path, line: str) -> Iterator[Path]:
    """The material files of one `mtllib` line that exist; names may have blanks.

    Scans are often passed on without them.
    """
    words = list(_WORD.finditer(line))
    first = 0
    while first < len(words):
        lasts = range(len(words), first, -1) if len(words) <= _MAX_WORDS else [first + 1]
        for last in lasts:
            name = line[words[first].start() : words[last - 1].end()]
            try:
                library = beside(path, name.strip('"'))
            except BadInput:
                if last == first + 1:
                    raise
                continue
            if _is_file(library):
                yield library
                break
        first = last


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long
        return False


def _read_materials(library: Path, mesh: Path) -> dict[str, _Map | None]:
    """{material: its colour texture, or None} of an .mtl file."""
    try:
        content = without_mark(read_content(library, _MAX_BYTES, "material file"))
    except BadInput as problem:
        raise BadInput(library, problem.rule, f"put it by {mesh}") from None
    folder = library.parent.relative_to(mesh.parent).as_posix()
    maps: dict[str, _Map | None] = {}
    material = ""
    for line in re.split(r"[\r\n]+", _decode(_CONTINUED.sub(b" ", content))):
        keyword, value = [*line.split(None, 1), "", ""][:2]
        if keyword.lower() == "newmtl":
            material = value.strip()
            maps[material] = None
        elif keyword.lower() == "map_kd":
            name, options = _split_options(value.strip())
            maps[material] = _Map(name, folder, options) if name else None
    return maps


def _split_options(value: str) -> tuple[str, dict[str, list[str]]]:
    """The file's name, which may hold blanks, and the options before it."""
    options: dict[str, list[str]] = {}
    while (word := _WORD.match(value)) and word[0].lower() in _OPTIONS:
        option = word[0].lower()
        values: list[str] = []
        value = value[word.end() :].lstrip()
        while len(values) < _OPTIONS[option] and (word := _WORD.match(value)):
            if option in _IDENTITY and not _is_number(word[0]):
                break
            values.append(word[0])
            value = value[word.end() :].lstrip()
        options[option] = values
    return value, options


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _texture(path: Path, texture: _Map) -> Path:
    """The file of a map: relative to its library, or else to the scan, as some exporters write."""
    for option, identity in _IDENTITY.items():
        if any(float(value) != identity for value in texture.options.get(option, [])):
            rule = f"its material scales or moves the texture ({option})"
            raise BadInput(path, rule, "bake that into the texture coordinates")
    name = texture.name.strip('"')
    named = beside(path, name, folder=texture.folder)
    for each in (name, _COMMENT.sub("", name)):
        for folder in (texture.folder, "."):
            with suppress(BadInput):  # of a guess
                found = beside(path, each, folder=folder)
                if _is_file(found):
                    return found
    return named
