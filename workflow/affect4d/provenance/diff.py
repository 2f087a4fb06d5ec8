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

from affect4d.provenance import crate, lineage
from affect4d.provenance import dataset_diff as rows
from affect4d.provenance.causes import Cause, Pair
from affect4d.store import StoreError
from affect4d.store.manifest import SUFFIX

# The crate only says again what the manifests say.
_SKIP = frozenset({crate.RULE})
_KINDS = ("input", "setting", "code", "version", "unexplained")
_CAUSES, _RULES = 20, 8  # shown in the text; the record has them all


@dataclass(frozen=True)
class Effect:
    """What one cause did.

    Attributes
    ----------
    cause : the difference
    stated : rules in whose manifests it stands, with the number of artifacts
    changed : artifacts with other bytes that rest on it, or are there on one side only, by rule
    same : artifacts in whose manifests it stands and that have the same bytes nevertheless, by rule
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
    dataset: rows.Rows | None = None
    note: str = ""
    error: str = ""

    @property
    def same(self) -> bool:
        """Whether every artifact has the same bytes on both sides."""
        return not self.error and not (self.changed or self.removed or self.added)

    @property
    def exit_code(self) -> int:
        """0 same, 1 different, 2 could not look."""
        return 2 if self.error else int(not self.same)

    def text(self) -> str:
        """Causes first, then what follows from each, then the dataset, then a line that sums up."""
        if self.error:
            return f"could not look: {self.error}"
        lines = []
        for (_, kind), group in groupby(self.effects, lambda e: (bool(e.changed), e.cause.kind)):
            effects = list(group)
            lines += [line for effect in effects[:_CAUSES] for line in _effect_lines(effect)]
            if len(effects) > _CAUSES:
                lines.append(f"{kind}: {len(effects) - _CAUSES} more; --json lists them all")
        if self.dataset is not None:
            lines += self.dataset.lines()
        if self.note:
            lines.append(f"note: {self.note}")
        for title in ("changed", "removed", "added"):
            if found := getattr(self, title):
                lines.append(f"{title}: {_counted(found)}")
        total = ", ".join(f"{count} {status}" for status, count in self.counts.items())
        return "\n".join([*lines, f"artifacts: {total}"])

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
            return Difference(error=f"{root} is no folder; name the results folder of a build")
        try:
            build = lineage.load_build(root)
        except OSError as error:
            return Difference(error=f"{error.filename}: {error.strerror}")
        if build.unreadable:
            return Difference(error=str(next(iter(build.unreadable.values()))))
        if not build.manifests:
            return Difference(error=f"{root} holds no manifest; run snakemake first")
        builds.append(build)
    pair = Pair(builds[0], builds[1], _SKIP)
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


def _effects(pair: Pair) -> list[Effect]:
    """Every cause with what it did, those without consequence last."""
    stated: dict[Cause, list[str]] = defaultdict(list)
    changed: dict[Cause, list[str]] = defaultdict(list)
    for name, own in pair.own.items():
        for cause in own:
            stated[cause].append(name)
    for name, roots in pair.roots.items():
        for cause in roots:
            changed[cause].append(name)
    found = [
        Effect(
            cause,
            _count(pair, stated[cause]),
            _count(pair, changed[cause]),
            _count(pair, [n for n in stated[cause] if pair.status[n] == "same"]),
        )
        for cause in sorted({*stated, *changed})
    ]
    return sorted(found, key=lambda e: (not e.changed, _KINDS.index(e.cause.kind), e.cause))


def _dataset(pair: Pair) -> rows.Rows | None:
    """The rows of both datasets, where both were published and they differ."""
    if pair.status.get("dataset" + SUFFIX) != "changed":
        return None
    sides = [build.manifests["dataset" + SUFFIX] for build in (pair.old, pair.new)]
    return rows.compare(*sides)


def _by_rule(pair: Pair, status: str) -> dict[str, int]:
    return _count(pair, [name for name, found in pair.status.items() if found == status])


def _count(pair: Pair, names: Iterable[str]) -> dict[str, int]:
    """Artifacts by rule, the most frequent first."""
    builds = (pair.new, pair.old)
    rules = [next(b.manifests[n].rule for b in builds if n in b.manifests) for n in names]
    return dict(sorted(Counter(rules).items(), key=lambda item: (-item[1], item[0])))


def _effect_lines(effect: Effect) -> list[str]:
    cause = effect.cause
    if cause.kind == "unexplained":
        head = (
            f"unexplained {cause.name}: other bytes from the same inputs, settings, code, versions"
        )
    else:
        head = str(cause)
    lines = [head]
    if effect.changed:
        lines.append(
            f"  behind {sum(effect.changed.values())} artifacts: {_counted(effect.changed)}"
        )
    if effect.same:
        lines.append(f"  same bytes nevertheless: {_counted(effect.same)}")
    return lines


def _counted(counts: dict[str, int]) -> str:
    shown = [f"{rule} {count}" for rule, count in list(counts.items())[:_RULES]]
    more = [f"{len(counts) - _RULES} more rules"] if len(counts) > _RULES else []
    return ", ".join([*shown, *more])
