"""VRML 2.0 (VRML97) text as a tree of nodes; arrays of numbers are parsed when they are needed.

Only the syntax is parsed here, not the meaning of nodes. Prototypes are refused.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect4d.formats.numbers import read_numbers

_MAX_DEPTH = 60  # of nodes: far below Python's recursion limit, and beyond any scan
_MAX_TOKENS = 200_000  # outside arrays of numbers: a scan has some hundred
_BLANK = rb"(?:[\s,]++|#[^\r\n]*+)*+"
_TOKEN = re.compile(_BLANK + rb'(?:("(?:[^"\\]|\\.)*+")|([\[\]{}])|([^\s,#"\[\]{}]++))', re.DOTALL)
_END = re.compile(_BLANK + rb"\Z")
_ARRAY_END = re.compile(rb"(?:[^\]#]++|#[^\r\n]*+)*+\]")
_NUMBER = re.compile(r"[-+]?[.\d]")
_MAX_SHOWN = 40  # characters of a word in a message


@dataclass
class Node:
    """`fields`: name -> Node, list of Nodes or texts, Numbers, list of floats, text, bool, None."""

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)

    def node(self, name: str) -> "Node":
        """The field's node; an empty one where there is none."""
        value = self.fields.get(name)
        return value if isinstance(value, Node) else Node("")

    def nodes(self) -> "Iterator[Node]":
        """The child nodes."""
        for value in self.fields.values():
            for item in value if isinstance(value, list) else (value,):
                if isinstance(item, Node):
                    yield item


@dataclass(frozen=True)
class Numbers:
    """An array in the text, from `start` to `stop`."""

    text: NDArray[np.uint8]
    start: int
    stop: int

    def read(self) -> NDArray[np.float64]:
        """The numbers (N,)."""
        return read_numbers(self.text, self.start, self.stop, vrml=True)


def read_scene(content: bytes) -> list[Node | None]:
    """The top-level nodes of a file's bytes.

    Raises
    ------
    ValueError
        It does not follow the syntax, is truncated, too deeply nested, or uses prototypes.
    """
    if not content.startswith(b"#VRML V2.0"):
        raise ValueError("no VRML 2.0 header")
    return _Parser(content).scene()


class _Parser:
    def __init__(self, content: bytes):
        self.content, self.text = content, np.frombuffer(content, dtype=np.uint8)
        self.at = self.tokens = self.depth = 0
        self.defined: dict[str, Node | None] = {}

    def scene(self) -> list[Node | None]:
        nodes: list[Node | None] = []
        while not _END.match(self.content, self.at):
            word = self.next()
            if word == "ROUTE":
                self.skip_route()
            else:
                nodes.append(self.node(word))
        return nodes

    def next(self) -> str:
        match = _TOKEN.match(self.content, self.at)
        if match is None:
            raise ValueError("truncated: the last node does not end")
        self.tokens += 1
        if self.tokens > _MAX_TOKENS:
            raise ValueError(f"more than {_MAX_TOKENS} words outside of arrays")
        self.at = match.end()
        return match.group(match.lastindex or 0).decode("utf-8", "replace")

    def peek(self) -> str:
        at = self.at
        word = self.next()
        self.at = at
        return word

    def node(self, word: str) -> Node | None:
        """The node that begins with `word`; None for NULL."""
        if word == "NULL":
            return None
        if word == "USE":
            name = self.next()
            if name not in self.defined:
                raise ValueError(f"USE {name[:_MAX_SHOWN]} of a node that is not defined")
            return self.defined[name]
        if word == "DEF":
            name = self.next()
            self.defined[name] = self.node(self.next())
            return self.defined[name]
        if word in ("PROTO", "EXTERNPROTO"):
            raise ValueError("prototypes cannot be read")
        if not word[:1].isalpha() or self.next() != "{":
            raise ValueError(f"{word[:_MAX_SHOWN]!r} where a node was expected")
        node = Node(word)
        self.descend(1)
        while (name := self.next()) != "}":
            if name == "ROUTE":
                self.skip_route()
            elif not name[:1].isalpha():
                raise ValueError(f"{name[:_MAX_SHOWN]!r} where a field was expected")
            else:
                node.fields[name] = self.value()
        self.descend(-1)
        return node

    def descend(self, levels: int) -> None:
        self.depth += levels
        if self.depth > _MAX_DEPTH:
            raise ValueError(f"nodes nested more than {_MAX_DEPTH} deep")

    def skip_route(self) -> None:
        for _ in range(3):  # A.x TO B.y
            self.next()

    def value(self) -> Any:
        word = self.next()
        if word == "[":
            return self.array()
        if word.startswith('"'):
            return word[1:-1]
        if word in ("TRUE", "FALSE"):
            return word == "TRUE"
        if _NUMBER.match(word):
            numbers = [float(word)]
            while _NUMBER.match(self.peek()):
                numbers.append(float(self.next()))
            return numbers
        return self.node(word)

    def array(self) -> Numbers | list[Node | str | None]:
        if _NUMBER.match(self.peek()):
            end = _ARRAY_END.match(self.content, self.at)
            if end is None:
                raise ValueError("truncated: an array does not end")
            start, self.at = self.at, end.end()
            return Numbers(self.text, start, self.at - 1)
        items: list[Node | str | None] = []
        while (word := self.next()) != "]":
            items.append(word[1:-1] if word.startswith('"') else self.node(word))
        return items
