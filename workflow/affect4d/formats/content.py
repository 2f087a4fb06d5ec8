"""A file's bytes, JSON or YAML, if it is a regular file of a plausible size."""

import codecs
import json
import os
import stat
from pathlib import Path
from typing import Any

import yaml

from affect4d.artifacts.reading import check_content
from affect4d.quarantine import BadInput

_MAX_REASON = 160  # characters of a parser's message
_AGAIN = "write it again"
_MAX_YAML = 1 << 20  # bytes: settings, layouts and mark-ups take some kB
_MAX_NESTING = 32  # levels of YAML: settings have 5
_MAX_VALUES = (
    20_000  # of YAML, those that aliases repeat included: a configuration has some hundred
)
_MARKS = (  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_content(
    path: Path | str,
    limit: int,
    what: str,
    *,
    remedy: str = "decimate it or split it",
    first: int | None = None,
) -> bytes:
    """All bytes of a regular file, or the first ones.

    Parameters
    ----------
    path : the file
    limit : bytes; a larger file is not read
    what : the expected content, for the message
    remedy : for a file that is too large
    first : how many bytes are needed

    Raises
    ------
    BadInput
        The file does not exist, is not a regular file (a pipe would block, a device never ends),
        is larger than `limit`, or cannot be read.
    affect4d.store.StoreError
        The file belongs to a build and is not what was written there; the first bytes of a longer
        one are not compared.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode):
                raise BadInput(path, f"the {what} is no regular file", "give the file itself")
            if state.st_size > limit:
                raise _too_large(path, state.st_size, limit, what=what, remedy=remedy)
            with open(descriptor, "rb", closefd=False) as file:
                # it may grow meanwhile; a buffer of the limit's size would be a waste
                most = min(limit, state.st_size + (1 << 20)) + 1
                content = file.read(most if first is None else first)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        check_content(path, None)
        raise BadInput(path, f"the {what} does not exist", "check its path") from None
    except OSError as error:
        raise BadInput(path, f"cannot be read ({error.strerror})", "check the file") from None
    except BadInput:
        raise
    except ValueError as error:  # a name with a null byte, or one that cannot be encoded
        raise BadInput(path, f"no file has such a name ({error})", "correct the name") from None
    if len(content) > limit:
        raise _too_large(path, len(content), limit, what=what, remedy=remedy)
    if first is None or len(content) < first:  # all of the file
        check_content(path, content)
    return content


def without_mark(content: bytes) -> bytes:
    """A text's bytes without its byte order mark; UTF-16 and UTF-32 with one become UTF-8.

    Raises
    ------
    ValueError
        What follows the mark is not of its encoding.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            text = content[len(mark) :]
            return text if encoding == "utf-8" else text.decode(encoding).encode()
    return content


def read_json(path: Path | str, limit: int, what: str) -> Any:
    """The value of a JSON file (UTF-8, with or without a byte order mark).

    Raises
    ------
    BadInput
        As `read_content`, or the file is not JSON, is nested too deep, or holds an integer of
        thousands of digits.
    """
    content = read_content(path, limit, what)
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadInput(path, f"cannot be read as JSON ({_reason(error)})", _AGAIN) from None


def read_yaml(path: Path | str, what: str) -> Any:
    """The value of a YAML file (or JSON, which is YAML), None where it is empty.

    Raises
    ------
    BadInput
        As `read_content`, or the file is not YAML, has a key twice in one mapping, or is nested or
        expanded by aliases beyond what any file of this project needs.
    """
    content = read_content(path, _MAX_YAML, what, remedy="remove what does not belong in it")
    try:
        _check_extent(path, content)
        return yaml.load(content, _UniqueKeys)
    except BadInput:
        raise
    except Exception as error:  # a wrong !!timestamp, !!bool or !!int raises Python's own errors
        reason = f"{type(error).__name__}: {error}".replace('in "<byte string>", ', "at ")
        raise BadInput(path, f"not YAML ({_reason(reason)})", "fix the YAML") from None


class _UniqueKeys(yaml.CSafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """The safe loader, which would silently keep the last value of a key alone."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                line = key.start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: the key {key.value!r} occurs a second time")
            seen.add(key.value)
        return dict(super().construct_mapping(node, deep))


def _check_extent(path: Path | str, content: bytes) -> None:
    """Refuse YAML that is nested or expanded too far, before any value of it is made."""
    expanded: dict[str, int] = {}  # values that each anchor stands for
    total, open_anchors = 0, []  # of every collection that is not closed: anchor, values before it
    for event in yaml.parse(content, yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in expanded:
                rule = f"the alias *{event.anchor} stands within its own anchor, or has none"
                raise BadInput(path, rule, "write the value itself")
            total += expanded[event.anchor]
        elif isinstance(event, yaml.CollectionStartEvent):
            open_anchors.append((event.anchor, total))
            total += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_anchors.pop()
            if anchor:
                expanded[anchor] = total - before
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            if event.anchor:
                expanded[event.anchor] = 1
        if len(open_anchors) > _MAX_NESTING or total > _MAX_VALUES:
            rule = f"YAML of more than {_MAX_NESTING} levels or {_MAX_VALUES} values"
            raise BadInput(path, rule, "remove what does not belong in it")


def _reason(error: object) -> str:
    return " ".join(str(error).split())[:_MAX_REASON]


def _too_large(path: Path | str, size: int, limit: int, *, what: str, remedy: str) -> BadInput:
    rule = f"{size >> 20} MB are more than the {limit >> 20} MB of a {what}"
    return BadInput(path, rule, remedy)
