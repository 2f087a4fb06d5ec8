"""Explain anything in a build or its quarantine: what it is, what it came from, what uses it.

A name comes from outside: it is looked up in manifests and tables, no path is ever made of it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from affect4d.provenance.explain_artifact import describe_artifact, describe_file
from affect4d.provenance.explain_frames import (
    describe_class,
    describe_frame,
    describe_quarantined,
    describe_sequence,
)
from affect4d.provenance.explain_images import describe_image, describe_photograph
from affect4d.provenance.explain_subject import describe_subject
from affect4d.provenance.lineage import load_build
from affect4d.provenance.names import resolve_name
from affect4d.quarantine import printable
from affect4d.store import StoreError

SHOWN = 12  # entries of a long list in the text; the record has them all
SHOWN_BRIEFLY = 3  # entries of a list in the short text
# what the short text leaves out, wherever it stands
_DETAILS = {"camera", "quality", "crop", "arrays", "attributes", "code", "fingerprint", "settings",
            "steps", "versions"}  # fmt: skip

_DESCRIBE = {
    "artifact": describe_artifact,
    "file": describe_file,
    "class": describe_class,
    "sequence": describe_sequence,
    "frame": describe_frame,
    "photograph": describe_photograph,
    "subject": describe_subject,
    "image": describe_image,
    "quarantined": describe_quarantined,
}


@dataclass(frozen=True)
class Explanation:
    """What a name stands for and where it comes from.

    Attributes
    ----------
    record : dict of JSON values
        kind, id and what it is; then what its kind has, down to settings, code and versions.
    """

    record: dict[str, Any]

    def text(self, *, full: bool = True) -> str:
        """The record for people: a line per entry, or all of it as indented lines.

        Parameters
        ----------
        full : with settings, code, versions, cameras and quality; long lists are cut all the same
        """
        head = f"{self.record['id']}: {self.record['what']}"
        shown = {k: v for k, v in self.record.items() if k not in ("kind", "id", "what")}
        if full:
            lines = [line for k, v in shown.items() for line in _lines(k, v)]
        else:
            lines = [line for k, v in shown.items() for line in _brief(k, v)]
            left_out = [key for key in shown if key in _DETAILS]
            lines.append(f"--full says more: {', '.join([*left_out, 'every value'])}")
        return "\n".join(map(printable, [head, *lines]))


def explain_name(results: Path, name: str) -> Explanation:
    """Explain an image, frame, sequence, class, photograph, artifact or file by its name.

    Parameters
    ----------
    results : the results folder
    name : an id, a class's name or index, an artifact or a listed file; `KIND:NAME` where a name
        alone stands for several things

    Raises
    ------
    UnknownName
        Nothing in the build has this name.
    AmbiguousName
        Several things have it; the message lists them.
    StoreError
        There is no build in the folder, or an artifact on the way is damaged or missing.
    """
    build = load_build(results)
    if not (build.manifests or build.unreadable):
        what = "has no build" if results.is_dir() else "there is no such folder"
        raise StoreError(results, what, "name a results folder, or build one (`make dataset`)")
    try:
        match = resolve_name(build, name)
        record = _DESCRIBE[match.kind](build, match.name)
        return Explanation({"kind": match.kind, "id": match.name} | record)
    except (pa.ArrowException, pd.errors.ParserError, UnicodeDecodeError) as error:
        what = f"a table cannot be read ({str(error).splitlines()[0]})"
        raise StoreError(build.root, what, "run `affect4d audit`") from error


def _brief(key: str, value: Any) -> list[str]:
    """At most one line on an entry: single values, and how long its lists are."""
    if key in _DETAILS or value in (None, [], {}, ""):
        return []
    if isinstance(value, list):
        names = [
            _short(next(iter(each.values())) if isinstance(each, dict) else each)
            for each in value[:SHOWN_BRIEFLY]
        ]
        more = f" and {len(value) - SHOWN_BRIEFLY} more" * (len(value) > SHOWN_BRIEFLY)
        return [f"{key}: {', '.join(names)}{more}"]
    if not isinstance(value, dict):
        return [f"{key}: {_short(value)}"]
    parts = [part for k, v in value.items() for part in _brief(k, v)]
    return [f"{key}: {'; '.join(part.replace(': ', ' ', 1) for part in parts)}"] if parts else []


def _lines(key: str, value: Any, indent: str = "") -> list[str]:
    """A record as indented lines `key: value`; a list of records has one line each."""
    if isinstance(value, dict) and value:
        below = [line for k, v in value.items() for line in _lines(str(k), v, indent + "  ")]
        return [f"{indent}{key}:", *below]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        rows = [f"{indent}  {_row(row)}" for row in value[:SHOWN]]
        if len(value) > SHOWN:
            rows.append(f"{indent}  and {len(value) - SHOWN} more: --json lists them all")
        return [f"{indent}{key}: {len(value)}", *rows]
    return [f"{indent}{key}: {_short(value)}"]


def _row(row: dict[str, Any]) -> str:
    first, *others = row.items()
    details = [f"{key} {_short(value)}" for key, value in others if value is not None]
    return f"{_short(first[1])}: {', '.join(details)}" if details else _short(first[1])


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(map(_short, value[:SHOWN])) + (" ..." if len(value) > SHOWN else "")
    return "none" if value is None else str(value)
