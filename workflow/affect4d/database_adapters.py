"""The adapters of databases: found by name, checked and imported only where they are used.

An adapter is a module of `neutrals.databases` that defines `ADAPTER`, with its default layout, a
YAML file of the same name, beside it; or such a YAML file alone that names, under the key
`adapter`, the module that reads it. Nothing else names it. The configuration looks adapters up, so
a module that needs a heavy library imports it inside the function that uses it; and this module
imports nothing of theirs, or the configuration and what reads it would import each other.
"""

import pkgutil
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from affect4d.formats.limits import DEFAULT, Limits
from affect4d.quarantine import BadInput, Quarantine
from affect4d.system_files import find_files

L = TypeVar("L", bound=BaseModel)
PACKAGE = "affect4d.neutrals.databases"  # of the adapters
_ADAPTER = re.compile(r"^adapter: *(\w+) *$", re.MULTILINE)  # in a layout file


@dataclass(frozen=True)
class Source(Generic[L]):
    """A database as an adapter receives it.

    Attributes
    ----------
    name : the database's name in the configuration
    root : its folder, which exists; the working directory where the adapter needs none
    layout : the content of its YAML file
    quarantine : receives what cannot be used
    limits : what a file may take
    """

    name: str
    root: Path
    layout: L
    quarantine: Quarantine
    limits: Limits = DEFAULT


@dataclass(frozen=True)
class Adapter(Generic[L]):
    """How databases of one kind are read.

    Attributes
    ----------
    layout : model of the YAML file
    find : gives every usable image of a database, as `neutrals.candidates.Candidate`
    needs_root : whether a database has a folder of its own
    """

    layout: type[L]
    find: Callable[[Source[L]], Sequence[Any]]
    needs_root: bool = True


def adapter_names() -> list[str]:
    """Every adapter's name, in alphabetical order; imports none of them."""
    return [name for name in layout_names() if _module_of(name)]


def _folders() -> list[Path]:
    return [Path(folder) for folder in import_module(PACKAGE).__path__]


def _modules() -> set[str]:
    return {module.name for module in pkgutil.iter_modules(map(str, _folders()))}


def _module_of(name: str) -> str:
    """The module that reads a layout: its own, or the one that it names; "" without either."""
    modules = _modules()
    if name in modules or not layout_file(name).is_file():
        return name if name in modules else ""
    named = _ADAPTER.search(layout_file(name).read_text(encoding="utf-8", errors="replace"))
    return named[1] if named and named[1] in modules else ""


def layout_names() -> list[str]:
    """Every layout's name, in alphabetical order: the adapters' own and those of databases."""
    return sorted(file.stem for folder in _folders() for file in find_files(folder, "*.yaml"))


def layout_file(name: str) -> Path:
    """The YAML file of a layout of that name, whether it exists or not."""
    files = [folder / f"{name}.yaml" for folder in _folders()]
    return next((file for file in files if file.is_file()), files[0])


def explain_unknown(name: str) -> str:
    """Why a name is no adapter although there is a module or a layout of it; "" otherwise."""
    if name in layout_names():
        return f"{name} is a layout: set `layout: {name}`, and an adapter"
    modules = _modules()
    missing = f"{name}.py has no {name}.yaml, its default layout, beside it: write it"
    return missing if name in modules else ""


def load_adapter(name: str) -> Adapter[Any]:
    """The adapter of that name, one of `adapter_names`.

    Raises
    ------
    BadInput
        Its module cannot be imported or defines no adapter.
    """
    try:
        module = import_module(f"{PACKAGE}.{_module_of(name) or name}")
    except Exception as error:  # whatever a module of someone else's raises
        rule = f"the adapter cannot be imported ({type(error).__name__}: {error})"
        raise BadInput(f"{name}.py", rule, "correct the module") from error
    adapter: Any = getattr(module, "ADAPTER", None)
    if not isinstance(adapter, Adapter):
        raise BadInput(
            f"{name}.py", "it defines no `ADAPTER = Adapter(...)`", "see CONTRIBUTING.md"
        )
    return adapter
