"""What of a build may be believed: the artifacts whose bytes are those that were written."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from affect4d import store
from affect4d.audit.digests import Sample
from affect4d.provenance.lineage import Build
from affect4d.store import Store
from affect4d.store.manifest import SUFFIX


@dataclass(frozen=True)
class Whole:
    """The build without its broken artifacts.

    Attributes
    ----------
    build : all manifests
    broken : artifacts that are left out
    sample : how much of the build to look at; None for all of it
    """

    build: Build
    broken: set[str]
    sample: Sample | None

    @property
    def root(self) -> Path:
        """The results folder."""
        return self.build.root

    @cached_property
    def artifacts(self) -> list[str]:
        """The names of the whole artifacts, sorted."""
        names = (name.removesuffix(SUFFIX) for name in self.build.manifests)
        return [name for name in names if name not in self.broken]

    @cached_property
    def stores(self) -> list[str]:
        """Those of them that are stores."""
        return [name for name in self.artifacts if (self.root / f"{name}.zarr").is_dir()]

    @cached_property
    def tables(self) -> dict[str, str]:
        """Every table of a whole artifact, with the artifact."""
        found = {}
        for path, (manifest, _) in sorted(self.build.owners.items()):
            artifact = manifest.removesuffix(SUFFIX)
            outside = Path(path).is_absolute()
            if path.endswith((".csv", ".parquet")) and not outside and artifact not in self.broken:
                found[path] = artifact
        return found

    def open(self, artifact: str) -> Store:
        """A store.

        Raises
        ------
        StoreError
            It is not what was written, or cannot be read by this version.
        """
        return store.open(self.root / f"{artifact}.zarr")

    def chosen(self, names: Iterable[str]) -> list[str]:
        """The names to look at: all of them, or the sample."""
        names = list(names)
        if self.sample is None:
            return names
        taken = self.sample.choose(names)
        return [name for name in names if name in taken]

    def number(self, name: str, below: int) -> int:
        """A number in [0, below) that belongs to `name`: which of its images to decode."""
        return (self.sample or Sample(1, "")).number(name, below)
