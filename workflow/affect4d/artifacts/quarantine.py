"""Quarantine tables: what a job left out, and why."""

from affect4d.artifacts.declaration import Column, Table

COLUMNS = (
    Column("stage", "string", "Stage of the workflow that left the item out."),
    Column("item", "string", "What was left out: a frame, a sequence, a class, an image."),
    Column("file", "string", "File that breaks the rule.", null=True),
    Column("rule", "string", "Rule that is broken."),
    Column("remedy", "string", "What to do about it."),
)


def quarantine_table(pattern: str, what: str) -> Table:
    """The declaration of the quarantine table of `what`."""
    return Table(pattern, f"{what} that were left out, each with the reason and a remedy", COLUMNS)
