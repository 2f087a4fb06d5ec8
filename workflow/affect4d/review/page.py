"""The page of `affect4d review`: what it asks for, and the decisions that it saves.

An image is named by its image_id, which is looked up among the candidates and never used as a path.
A decision is answered when it is on the disk.
"""

import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from affect4d.formats.images import encode_jpeg
from affect4d.local_page.server import Answer, json_answer
from affect4d.neutrals.decisions import ACCEPT, REJECT, UNDO, Decision, DecisionFile, count_verdicts
from affect4d.review.agreement import measure_agreement
from affect4d.review.candidates import ReviewedDatabase

SIZES = (160, 640)  # pixels of a thumbnail and of the large picture
QUALITY = 85  # of JPEG
_CACHED = 1500  # pictures in memory, some 10 kB each
_DECISIONS = {ACCEPT, REJECT, UNDO}


class ReviewPage:
    """The candidates of a database, and the decisions of one reviewer.

    Parameters
    ----------
    database : that is reviewed
    decisions : the table to which decisions are appended; others may append to it as well
    reviewer : who decides on this page

    Raises
    ------
    BadInput
        The table of decisions cannot be used.
    """

    template = ("affect4d.review", "page.html.j2")

    def __init__(self, database: ReviewedDatabase, decisions: Path, *, reviewer: str) -> None:
        self.database, self.reviewer = database, reviewer
        self._file = DecisionFile(decisions)
        self._known = set(database.table["image_id"])
        self._made: list[Decision] = []
        self._lock = threading.Lock()
        self._read()
        self._draw = lru_cache(_CACHED)(self._encode)

    def get(self, name: str, query: Mapping[str, str]) -> Answer | None:
        """`candidates`, `decisions` (`after`), `agreement`, `picture` (`image`, `size`)."""
        if name == "candidates":
            return json_answer(self.database.describe() | {"reviewer": self.reviewer})
        if name == "decisions":
            return self._decisions(int(query.get("after", "0")))
        if name == "agreement":
            return json_answer([each._asdict() for each in measure_agreement(self.verdicts())])
        if name == "picture":
            size = int(query.get("size", "0"))
            if size not in SIZES:
                raise ValueError(f"size is one of {SIZES}")
            picture = self._draw(query.get("image", ""), size, "overlay" in query)
            return Answer("image/jpeg", picture)
        return None

    def post(self, name: str, content: Any) -> Answer | None:
        """`decide`: {"after": a number, "decisions": [[image_id, decision], ...]}."""
        if name != "decide":
            return None
        if not isinstance(content, dict) or not isinstance(content.get("after"), int):
            raise ValueError("give `after` and `decisions`")
        decisions = content.get("decisions")
        if not isinstance(decisions, list) or not all(map(self._is_decision, decisions)):
            raise ValueError("a decision is an image_id and accept, reject or undo")
        self._file.append(self.reviewer, decisions)
        return self._decisions(content["after"])

    def verdicts(self) -> dict[str, dict[str, str]]:
        """What each reviewer says of each candidate so far."""
        self._read()
        return count_verdicts(self._made)

    def _is_decision(self, value: Any) -> bool:
        is_pair = isinstance(value, list) and list(map(type, value)) == [str, str]
        return is_pair and value[0] in self._known and value[1] in _DECISIONS

    def _read(self) -> None:
        with self._lock:
            self._made += [row for row in self._file.read_new() if row.image_id in self._known]

    def _decisions(self, after: int) -> Answer:
        """The decisions after the first `after`, by whomever."""
        self._read()
        rows = self._made[max(after, 0) :]
        return json_answer([[row.image_id, row.decision, row.reviewer] for row in rows])

    def _encode(self, image_id: str, size: int, overlay: bool) -> bytes:
        return encode_jpeg(self.database.draw(image_id, size, overlay=overlay), QUALITY)
