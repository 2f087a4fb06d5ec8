"""The audit: is the build whole, where does an image come from, what must be built anew.

`check` holds every file against its manifest and every artifact against its inputs, `repair` takes
away what is broken, `explain` walks from an image back to the scans, `diff` finds what is behind
the changes between two builds, `crate` describes the build to others, `report` writes the page.
"""

from affect4d.audit.check import audit
from affect4d.audit.diff import Difference, diff
from affect4d.audit.explain import Explanation, explain
from affect4d.audit.explain_names import AmbiguousName, UnknownName
from affect4d.audit.repair import invalidate
from affect4d.audit.verdict import Finding, Verdict

__all__ = [
    "AmbiguousName",
    "Difference",
    "Explanation",
    "Finding",
    "UnknownName",
    "Verdict",
    "audit",
    "diff",
    "explain",
    "invalidate",
]
