"""The audit: is the build intact, and what must be built again.

`check` checks every file against its manifest and every artifact against its inputs, `repair`
removes what is broken, `replay` computes parts of the build again.
"""

from affect4d.audit.check import audit_build
from affect4d.audit.orphans import UNPROTECTED
from affect4d.audit.removal_summary import describe_removals
from affect4d.audit.repair import invalidate, plan_removals
from affect4d.audit.replay import replay_build
from affect4d.audit.seal import seal_build
from affect4d.audit.verdict import Finding, Verdict
from affect4d.audit.withdrawal import plan_withdrawal

__all__ = [
    "UNPROTECTED", "Finding", "Verdict", "audit_build", "describe_removals", "invalidate",
    "plan_removals", "plan_withdrawal", "replay_build", "seal_build",
]  # fmt: skip
