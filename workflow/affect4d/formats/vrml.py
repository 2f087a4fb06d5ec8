"""VRML 2.0 (VRML97) text as a tree of nodes; arrays of numbers stay where they are in the text.

Only the syntax is known here, not what nodes mean. Prototypes are refused.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from affect4d.formats.numbers import read_numbers

_DEEPEST = 60
_MOST_TOKENS = 200_000  # outside arrays of numbers
_BLANK = rb"(?:[\s,]++|#[^\r\n]*+)*+"
_TOKEN = re.compile(_BLANK + rb'(?:("(?:[^"\\]|\\.)*+")|([\[\]{}])|([^\s,#"\[\]{}]++))', re.DOTALL)
_END = re.compile(_BLANK + rb"\Z")
_ARRAY_END = re.compile(rb"(?:[^\]#]++|#[^\r\n]*+)*+\]")
_NUMBER = re.compile(r"[-+]?[.\d]")


@dataclass
class Node:
    """`fields`: name -> Node, list of Nodes or texts, Numbers, list of floats, text, bool, None."""

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)

    def node(self, name):
        """The field's node; an empty one where there is none."""
        value = self.fields.get(name)
        return value if isinstance(value, Node) else Node("")

    def nodes(self):
        """Every node right below this one."""
        for value in self.fields.values():
            for item in value if isinstance(value, list) else (value,):
                if isinstance(item, Node):
                    yield item


@dataclass(frozen=True)
class Numbers:
    """An array in the text, from `start` to `stop`."""

    text: np.ndarray
    start: int
    stop: int

    def read(self):
        """(N,) float64."""
        return read_numbers(self.text, self.start, self.stop, vrml=True)


def read_scene(content):
    """The nodes on the topmost level of a file's bytes.

    Raises
    ------
    ValueError
        It does not follow the syntax, is truncated, too deeply nested, or uses prototypes.
    """
    if not content.startswith(b"#VRML V2.0"):
        raise ValueError("no VRML 2.0 header")
    return _Parser(content).scene()


class _Parser:
    def __init__(self, content):
        self.content, self.text = content, np.frombuffer(content, dtype=np.uint8)
        self.at = self.tokens = self.depth = 0
        self.defined = {}

    def scene(self):
        nodes = []
        while not _END.match(self.content, self.at):
            word = self.next()
            if word == "ROUTE":
                self.skip_route()
            else:
                nodes.append(self.node(word))
        return nodes

    def next(self):
        found = _TOKEN.match(self.content, self.at)
        if found is None:
            raise ValueError("truncated: the last node does not end")
        self.tokens += 1
        if self.tokens > _MOST_TOKENS:
            raise ValueError(f"more than {_MOST_TOKENS} words outside of arrays")
        self.at = found.end()
        return found.group(found.lastindex or 0).decode("utf-8", "replace")

    def peek(self):
        at = self.at
        word = self.next()
        self.at = at
        return word

    def node(self, word):
        """The node that begins with `word`; None for NULL."""
        if word == "NULL":
            return None
        if word == "USE":
            name = self.next()
            if name not in self.defined:
                raise ValueError(f"USE {name[:40]} of what is not defined")
            return self.defined[name]
        if word == "DEF":
            name = self.next()
            self.defined[name] = self.node(self.next())
            return self.defined[name]
        if word in ("PROTO", "EXTERNPROTO"):
            raise ValueError("prototypes cannot be read")
        if not word[:1].isalpha() or self.next() != "{":
            raise ValueError(f"{word[:40]!r} where a node was expected")
        node = Node(word)
        self.descend(1)
        while (name := self.next()) != "}":
            if name == "ROUTE":
                self.skip_route()
            elif not name[:1].isalpha():
                raise ValueError(f"{name[:40]!r} where a field was expected")
            else:
                node.fields[name] = self.value()
        self.descend(-1)
        return node

    def descend(self, levels):
        self.depth += levels
        if self.depth > _DEEPEST:
            raise ValueError(f"nodes nested more than {_DEEPEST} deep")

    def skip_route(self):
        for _ in range(3):  # A.x TO B.y
            self.next()

    def value(self):
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

    def array(self):
        if _NUMBER.match(self.peek()):
            end = _ARRAY_END.match(self.content, self.at)
            if end is None:
                raise ValueError("truncated: an array does not end")
            start, self.at = self.at, end.end()
            return Numbers(self.text, start, self.at - 1)
        items = []
        while (word := self.next()) != "]":
            items.append(word[1:-1] if word.startswith('"') else self.node(word))
        return items
