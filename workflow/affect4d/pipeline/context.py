"""What every job's entry is given beside its own inputs: one context, whatever the stage."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from affect4d.pipeline.engine import Engine, InProcess
from affect4d.quarantine import Quarantine, Row
from affect4d.store import Provenance

T = TypeVar("T")
R = TypeVar("R")
log = logging.getLogger("affect4d")


@dataclass(frozen=True)
class RunContext:
    """One run of a rule, as the library sees it.

    Attributes
    ----------
    root : the results folder
    rule : name of the rule, as manifests record it
    quarantine : receives the job's bad input
    item : the rule's wildcards, joined; the rule's name where it has none
    inputs : files that every artifact of the run depends on
    settings : the parts of the configuration that the rule declares, as JSON values
    code : digest of the library modules that the rule declares
    seed : the build's seed
    workers : threads or processes that the job may use
    engine : computes what `map` is given
    """

    root: Path
    rule: str
    quarantine: Quarantine
    item: str = ""
    inputs: tuple[Path, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    seed: int = 0
    workers: int = 1
    engine: Engine = field(default_factory=InProcess)

    def provenance(
        self,
        inputs: Iterable[Path] = (),
        *,
        item: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Provenance:
        """What an artifact of this run is built from.

        Parameters
        ----------
        inputs : files beside those that every artifact of the run depends on
        item : the artifact's own item, where the run makes several
        settings : settings beside those of the configuration
        """
        return Provenance(
            root=self.root,
            rule=self.rule,
            item=self.item if item is None else item,
            inputs=[*self.inputs, *map(Path, inputs)],
            settings={**self.settings, **(settings or {})},
            code=self.code,
        )

    def map(
        self, function: Callable[["RunContext", T], R], items: Sequence[T], *, what: str = "parts"
    ) -> Iterator[R]:
        """The function of a context and each item, in their order, on the engine.

        Parameters
        ----------
        function : is given a context of its own, whose quarantine is added to this one's in the
            order of the items; it returns what it made, or writes artifacts of its own
        items : independent of one another
        what : names the items in the log
        """
        made = self.engine.map(partial(_apart, self, function), items)
        for result, rows in self.progress(made, total=len(items), what=what):
            self.quarantine.rows += rows
            yield result

    def progress(self, items: Iterable[T], *, total: int, what: str) -> Iterator[T]:
        """Yield `items`, with a log line about every tenth of the way."""
        start, step = time.monotonic(), max(1, total // 10)
        for count, item in enumerate(items, 1):
            yield item
            if count % step == 0 or count == total:
                elapsed = time.monotonic() - start
                remaining = elapsed / count * (total - count)
                log.info(
                    "%s: %d of %d, %.0f s, %.0f s left", what, count, total, elapsed, remaining
                )


def _apart(
    context: RunContext, function: Callable[[RunContext, T], R], item: T
) -> tuple[R, list[Row]]:
    """One item's result, and its own rows of the quarantine."""
    quarantine = Quarantine(context.quarantine.stage, context.quarantine.strict)
    return function(replace(context, quarantine=quarantine), item), quarantine.rows
