"""The search of a database: its adapter, given its layout, finds the candidates."""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from affect4d.config.neutrals import Database
from affect4d.database_adapters import Source, layout_names, load_adapter
from affect4d.formats.content import read_yaml
from affect4d.formats.limits import DEFAULT, Limits
from affect4d.neutrals.candidates import Candidate, drop_duplicates
from affect4d.quarantine import BadInput, Quarantine


def find_candidates(
    name: str,
    database: Database,
    *,
    results: Path,
    quarantine: Quarantine,
    limits: Limits = DEFAULT,
) -> list[Candidate]:
    """Every usable image of a database, sorted by image_id.

    Parameters
    ----------
    name : the database's name
    database : its settings
    results : the results folder
    quarantine : receives what cannot be used
    limits : what a file may take

    Raises
    ------
    BadInput
        The root or the layout file is missing or malformed.
    """
    adapter = load_adapter(database.adapter)
    root = database.folder(results) or Path()
    if not root.is_dir():
        raise BadInput(root, "no such folder", f"check `neutrals.databases.{name}.root`")
    layout = read_layout(database)
    candidates = _named(adapter.find(Source(name, root, layout, quarantine, limits)), quarantine)
    return sorted(drop_duplicates(candidates, quarantine), key=lambda c: c.image_id)


def _named(candidates: Iterable[Candidate], quarantine: Quarantine) -> Iterator[Candidate]:
    """The candidates that name a person: without one, splits would leak."""
    for candidate in candidates:
        if candidate.subject_id:
            name = unicodedata.normalize("NFC", candidate.subject_name or candidate.subject_id)
            # JSON can hold lone surrogates, which no table can
            encoded = name.encode("utf-8", "backslashreplace")
            yield replace(candidate, subject_name=encoded.decode())
        else:
            rule = "the person's name has no letter or digit"
            remedy = "name the person otherwise, or splits would leak"
            quarantine.add(candidate.image_id, BadInput(candidate.path, rule, remedy))


def shows_scans(database: Database) -> bool:
    """Whether a database's images are views of scans; not where its layout cannot be read."""
    try:
        return getattr(read_layout(database), "image_from", "file") != "file"
    except BadInput:
        return False


def read_layout(database: Database) -> Any:
    """The database's layout, an instance of its adapter's `layout`.

    Raises
    ------
    BadInput
        There is no such file, or it does not follow the adapter's model.
    """
    adapter, path = load_adapter(database.adapter), database.layout_file
    try:
        if not path.exists():
            known = ", ".join(layout_names())
            raise BadInput(path, "no such layout file", f"use {known}, or give a .yaml")
        content = read_yaml(path, "layout file")
        if isinstance(content, dict):
            content = content | database.override
        return adapter.layout.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        raise BadInput(path, f"{key}: {first['msg']}", f"follow {database.adapter}.yaml") from None
