"""Tables of text from outside: a dict per row, and what is wrong by file and line."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from affect4d.formats.content import read_content
from affect4d.formats.limits import DEFAULT
from affect4d.quarantine import BadInput


def read_rows(
    path: Path,
    columns: Iterable[str],
    *,
    names: Sequence[str] | None = None,
    encoding: str = "utf-8-sig",
    delimiter: str = ",",
    max_bytes: int = DEFAULT.side_file_bytes,
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a table, each with the number of its last line.

    Parameters
    ----------
    path : the file
    columns : names that the header must have; cells that a short row lacks are empty
    names : of all columns, where the table has no header
    max_bytes : of the file
    encoding : "utf-8-sig" is UTF-8 with or without a byte order mark

    Raises
    ------
    BadInput
        The file cannot be read, is not of this encoding, lacks a column, or is no table.
    """
    content = read_content(path, max_bytes, "table", remedy="split it, or raise the limit")
    try:
        lines = io.StringIO(content.decode(encoding), newline="")  # ends of lines as they are
    except UnicodeError:
        raise BadInput(path, f"is not {encoding} text", f"save it as {encoding}") from None
    reader = csv.DictReader(lines, names, delimiter=delimiter, restval="")
    try:
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            raise BadInput(path, f"lacks the columns {', '.join(missing)}", "add them")
        for row in reader:
            yield reader.line_num, {name: cell for name, cell in row.items() if name is not None}
    except csv.Error as error:
        raise BadInput(f"{path}:{reader.line_num}", str(error), "correct the row") from None
