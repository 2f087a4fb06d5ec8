"""All artifacts of a build: every module of this package that has a tuple `ARTIFACTS` counts."""

import functools
import importlib
import pkgutil
from collections.abc import Iterable
from typing import TypeVar

import affect4d.artifacts as package
from affect4d.artifacts.declaration import Artifact, File, Store, Table, specificity

T = TypeVar("T", Artifact, File)


@functools.cache
def stages() -> dict[str, tuple[Artifact, ...]]:
    """The artifacts by stage, in the order of the workflow (each module's number `ORDER`)."""
    modules = [
        importlib.import_module(f"{package.__name__}.{info.name}")
        for info in pkgutil.iter_modules(package.__path__)
        if info.name not in ("document", "registry")
    ]
    declaring = [module for module in modules if hasattr(module, "ARTIFACTS")]
    declaring.sort(key=lambda module: (module.ORDER, module.__name__))
    return {module.__name__.rpartition(".")[2]: module.ARTIFACTS for module in declaring}


@functools.cache
def artifacts() -> tuple[Artifact, ...]:
    """All artifacts."""
    return tuple(artifact for declared in stages().values() for artifact in declared)


@functools.cache
def files() -> tuple[File, ...]:
    """The files of all artifacts."""
    return tuple(file for artifact in artifacts() for file in artifact.files)


def find_artifact(name: str) -> Artifact | None:
    """The declaration of an artifact, given its name; None where there is none."""
    return _find(artifacts(), name)


def find_file(path: str) -> File | None:
    """The declaration of a file or store, given its path below the results folder."""
    return _find(files(), path)


def find_table(path: str) -> Table | None:
    """The declaration of a table, given its path below the results folder."""
    file = find_file(path)
    return file if isinstance(file, Table) else None


def find_store(artifact: str) -> Store | None:
    """The declaration of a store, given its artifact's name."""
    file = find_file(f"{artifact}.zarr")
    return file if isinstance(file, Store) else None


def _find(declared: Iterable[T], name: str) -> T | None:
    matching = (each for each in declared if each.match(name) is not None)
    return max(matching, key=lambda each: specificity(each.pattern), default=None)
