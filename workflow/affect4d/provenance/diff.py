"""What changed between two builds, and which setting, input, code or package is behind it.

Both sides are read by their manifests alone, so two trees of manifests are enough; only the rows
of the published datasets are compared by their content.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from affect4d.artifacts.dataset import DATASET
from affect4d.provenance import crate
from affect4d.provenance.causes import BuildPair, Cause
from affect4d.provenance.dataset_diff import DatasetDifference, compare_datasets
from affect4d.provenance.lineage import load_build
from affect4d.quarantine import printable
from affect4d.store import StoreError
from affect4d.store.manifest import SUFFIX

# The crate only repeats what the manifests say.
_SKIP = frozenset({crate.RULE})
_KINDS = ("input", "setting", "code", "version", "unexplained")
_MAX_CAUSES, _MAX_RULES = 20, 8  # shown in the text; the record has them all


@dataclass(frozen=True)
class Effect:
    """What one cause did.

    Attributes
    ----------
    cause : the difference
    stated : artifacts in whose manifests it is recorded, by rule
    changed : artifacts with other bytes because of it, or in one build only, by rule
    same : artifacts in whose manifests it is recorded and that have the same bytes, by rule
    """

    cause: Cause
    stated: dict[str, int]
    changed: dict[str, int]
    same: dict[str, int]


@dataclass(frozen=True)
class Difference:
    """The outcome of a comparison.

    Attributes
    ----------
    counts : artifacts that are same, changed, removed and added
    effects : the causes, those with consequences first
    changed, removed, added : artifacts by rule
    dataset : the rows of the published datasets; None where a side has none to compare
    note : why the rows were not compared
    error : why nothing could be compared; empty where it could
    """

    counts: dict[str, int] = field(default_factory=dict)
    effects: tuple[Effect, ...] = ()
    changed: dict[str, int] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)
    dataset: DatasetDifference | None = None
    note: str = ""
    error: str = ""

    @property
    def same(self) -> bool:
        """Whether every artifact has the same bytes on both sides."""
        return not self.error and not (self.changed or self.removed or self.added)

    @property
    def exit_code(self) -> int:
        """0 same, 1 different, 2 failed to run."""
        return 2 if self.error else int(not self.same)

    def text(self) -> str:
        """Causes with what follows from each, then the dataset, then a line with totals."""
        if self.error:
            return printable(f"comparison failed to run: {self.error}")
        lines = []
        for (_, kind), group in groupby(self.effects, lambda e: (bool(e.changed), e.cause.kind)):
            effects = list(group)
            lines += [line for effect in effects[:_MAX_CAUSES] for line in _effect_lines(effect)]
            if len(effects) > _MAX_CAUSES:
                lines.append(f"{kind}: {len(effects) - _MAX_CAUSES} more; --json lists them all")
        if self.dataset is not None:
            lines += self.dataset.lines()
        if self.note:
            lines.append(f"note: {self.note}")
        for title in ("changed", "removed", "added"):
            if counts := getattr(self, title):
                lines.append(f"{title}: {_counted(counts)}")
        total = ", ".join(f"{count} {status}" for status, count in self.counts.items())
        return "\n".join(map(printable, [*lines, f"artifacts: {total}"]))

    def record(self) -> dict[str, Any]:
        """The comparison as JSON values, its text among them."""
        return {
            "same": self.same,
            "counts": self.counts,
            "causes": [
                {**vars(e.cause), **{k: v for k, v in vars(e).items() if k != "cause"}}
                for e in self.effects
            ],
            "changed": self.changed,
            "removed": self.removed,
            "added": self.added,
            "dataset": None if self.dataset is None else self.dataset.record(),
            "note": self.note,
            "error": self.error,
            "text": self.text(),
        }


def compare_builds(old: Path, new: Path) -> Difference:
    """Compare two results folders.

    Parameters
    ----------
    old, new : results folders, or trees with their manifests only

    Returns
    -------
    Difference
        Its `error` says why the builds could not be compared, if they could not.
    """
    builds = []
    for root in (Path(old), Path(new)):
        if not root.is_dir():
            return Difference(error=f"{root} is not a folder; name the results folder of a build")
        try:
            build = load_build(root)
        except OSError as error:
            return Difference(error=f"{error.filename}: {error.strerror}")
        if build.unreadable:
            return Difference(error=str(next(iter(build.unreadable.values()))))
        if not build.manifests:
            return Difference(error=f"{root} holds no manifest; run snakemake first")
        builds.append(build)
    pair = BuildPair(builds[0], builds[1], _SKIP)
    dataset, note = None, ""
    try:
        dataset = _dataset(pair)
    except StoreError as error:
        note = f"the rows of the datasets were not compared: {error}"
    return Difference(
        counts={
            s: list(pair.status.values()).count(s) for s in ("same", "changed", "removed", "added")
        },
        effects=tuple(_effects(pair)),
        changed=_by_rule(pair, "changed"),
        removed=_by_rule(pair, "removed"),
        added=_by_rule(pair, "added"),
        dataset=dataset,
        note=note,
    )


def _effects(pair: BuildPair) -> list[Effect]:
    """Every cause with what it did, those without consequence last."""
    stated: dict[Cause, list[str]] = defaultdict(list)
    changed: dict[Cause, list[str]] = defaultdict(list)
    for name, own in pair.own.items():
        for cause in own:
            stated[cause].append(name)
    for name, roots in pair.roots.items():
        for cause in roots:
            changed[cause].append(name)
    effects = [
        Effect(
            cause,
            _count(pair, stated[cause]),
            _count(pair, changed[cause]),
            _count(pair, [n for n in stated[cause] if pair.status[n] == "same"]),
        )
        for cause in sorted({*stated, *changed})
    ]
    return sorted(effects, key=lambda e: (not e.changed, _KINDS.index(e.cause.kind), e.cause))


def _dataset(pair: BuildPair) -> DatasetDifference | None:
    """The rows of both datasets, where both were published and they differ."""
    if pair.status.get(DATASET.name() + SUFFIX) != "changed":
        return None
    sides = [build.manifests[DATASET.name() + SUFFIX] for build in (pair.old, pair.new)]
    return compare_datasets(*sides)


def _by_rule(pair: BuildPair, status: str) -> dict[str, int]:
    return _count(pair, [name for name, current in pair.status.items() if current == status])


def _count(pair: BuildPair, names: Iterable[str]) -> dict[str, int]:
    """Artifacts by rule, the most frequent first."""
    builds = (pair.new, pair.old)
    rules = [next(b.manifests[n].rule for b in builds if n in b.manifests) for n in names]
    return dict(sorted(Counter(rules).items(), key=lambda item: (-item[1], item[0])))


def _effect_lines(effect: Effect) -> list[str]:
    cause = effect.cause
    if cause.kind == "unexplained":
        lines = [
            f"unexplained {cause.name}: other bytes from the same inputs, settings, code, versions"
        ]
    else:
        lines = [str(cause)]
    if effect.changed:
        lines.append(
            f"  behind {sum(effect.changed.values())} artifacts: {_counted(effect.changed)}"
        )
    if effect.same:
        lines.append(f"  same bytes nevertheless: {_counted(effect.same)}")
    return lines


def _counted(counts: dict[str, int]) -> str:
    shown = [f"{rule} {count}" for rule, count in list(counts.items())[:_MAX_RULES]]
    more = [f"{len(counts) - _MAX_RULES} more rules"] if len(counts) > _MAX_RULES else []
    return ", ".join([*shown, *more])
