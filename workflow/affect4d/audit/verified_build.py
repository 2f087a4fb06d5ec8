"""The part of a build that may be compared: artifacts whose bytes are those that were written."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from affect4d import store
from affect4d.audit.digests import Sample
from affect4d.audit.stores import check_store
from affect4d.audit.verdict import Finding, guarded
from affect4d.provenance.lineage import Build
from affect4d.store import Store
from affect4d.store.manifest import SUFFIX


@dataclass(frozen=True)
class VerifiedBuild:
    """A build without its damaged artifacts.

    Attributes
    ----------
    build : all manifests
    damaged : artifacts that are left out
    sample : how much of the build to check; None for all of it
    """

    build: Build
    damaged: set[str]
    sample: Sample | None
    _faults: dict[str, list[Finding]] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """The results folder."""
        return self.build.root

    @cached_property
    def artifacts(self) -> list[str]:
        """The names of its artifacts, sorted."""
        names = (name.removesuffix(SUFFIX) for name in self.build.manifests)
        return [name for name in names if name not in self.damaged]

    @cached_property
    def stores(self) -> list[str]:
        """Those of them that are stores."""
        return [name for name in self.artifacts if (self.root / f"{name}.zarr").is_dir()]

    @cached_property
    def tables(self) -> dict[str, str]:
        """Every table, with the artifact that it is part of."""
        names = {
            path: manifest.removesuffix(SUFFIX)
            for path, (manifest, _) in sorted(self.build.owners.items())
            if path.endswith((".csv", ".parquet")) and not Path(path).is_absolute()
        }
        return {path: name for path, name in names.items() if name not in self.damaged}

    def store_faults(self, name: str) -> list[Finding]:
        """In what a store is not as it is declared."""
        if name not in self._faults:
            path = self.root / f"{name}.zarr"
            check = lambda: check_store(name, store.open(path))  # noqa: E731
            self._faults[name] = guarded(name, f"{name}.zarr", check)
        return self._faults[name]

    def open_if_valid(self, name: str) -> Store | None:
        """A store; None where it is missing, damaged or not as it is declared."""
        if name not in self.stores or self.store_faults(name):
            return None
        return store.open(self.root / f"{name}.zarr")

    def is_missing(self, name: str) -> bool:
        """Whether there is no such store, damaged or not."""
        return name not in self.stores and name not in self.damaged

    def chosen(self, names: Iterable[str]) -> list[str]:
        """The names to check: all of them, or the sample."""
        names = list(names)
        if self.sample is None:
            return names
        chosen = self.sample.choose(names)
        return [name for name in names if name in chosen]

    def number(self, name: str, below: int) -> int:
        """A number in [0, below) that belongs to `name`: which of its images to decode."""
        return (self.sample or Sample(1, "")).number(name, below)
