"""Where anything in a build comes from: lineage, explanations, comparisons of builds, RO-Crate.

`explain` traces an image back to the scans, `diff` finds the causes of changes between two builds,
`crate` describes the build to other programs.
"""

from affect4d.provenance.diff import Difference, compare_builds
from affect4d.provenance.explain import Explanation, explain_name
from affect4d.provenance.names import AmbiguousName, UnknownName

__all__ = [
    "AmbiguousName",
    "Difference",
    "Explanation",
    "UnknownName",
    "compare_builds",
    "explain_name",
]
