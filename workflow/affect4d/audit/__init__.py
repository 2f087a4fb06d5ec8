"""The audit: is the build whole, and what must be built anew.

`check` holds every file against its manifest and every artifact against its inputs, `repair` takes
away what is broken.
"""

from affect4d.audit.check import audit
from affect4d.audit.repair import invalidate
from affect4d.audit.verdict import Finding, Verdict

__all__ = ["Finding", "Verdict", "audit", "invalidate"]
