"""A RunContext as a job would have it, for tests that call a stage's entry."""

from pathlib import Path

from affect4d.pipeline.context import RunContext
from affect4d.quarantine import Quarantine


def context(root, stage="test", *, strict=False, **fields):
    """The context of a run of the rule `stage` over the results folder `root`.

    `fields` are the other attributes of RunContext.
    """
    defaults = {"rule": stage, "quarantine": Quarantine(stage, strict)}
    return RunContext(root=Path(root), **(defaults | fields))
