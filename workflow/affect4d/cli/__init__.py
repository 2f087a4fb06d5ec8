"""The command line `affect4d`.

Commands parse and print. What they do is in the library, which they import when they run, so that
`affect4d --help` loads nothing else.
"""

from affect4d.cli import (
    archives,
    builds,
    databases,
    datasets,
    exports,
    gallery,
    models,
    operations,
    pages,
    photographs,
)
from affect4d.cli.application import app

__all__ = [
    "app",
    "archives",
    "builds",
    "databases",
    "datasets",
    "exports",
    "gallery",
    "main",
    "models",
    "operations",
    "pages",
    "photographs",
]


def main() -> None:
    """Entry point of the command `affect4d`."""
    app()
