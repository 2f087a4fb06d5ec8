"""What Snakemake does while Slurm's controller does not answer.

The plugin of Snakemake (2.8.0) forgets jobs whose state it could not ask for: a build whose
controller was stopped for a moment would wait for them for ever.
"""

import functools
import sys
from collections.abc import AsyncIterator
from typing import Any

_PLUGIN = "snakemake_executor_plugin_slurm"


def keep_unanswered_jobs() -> None:
    """Have the plugin ask again for jobs, where Snakemake has loaded it."""
    plugin = sys.modules.get(_PLUGIN)
    if plugin is None or hasattr(plugin.Executor.check_active_jobs, "__wrapped__"):
        return
    check = plugin.Executor.check_active_jobs

    @functools.wraps(check)
    async def check_and_keep(self: Any, active_jobs: list[Any]) -> AsyncIterator[Any]:
        answers = self._status_query_calls
        async for job in check(self, active_jobs):
            yield job
        if self._status_query_calls == answers:  # no query was answered: no job was looked at
            for job in active_jobs:
                yield job

    plugin.Executor.check_active_jobs = check_and_keep
