"""Snakemake's plugin for Slurm while no controller answers."""

import asyncio
import logging
from types import SimpleNamespace

import snakemake_executor_plugin_slurm as plugin
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from affect4d.pipeline.slurm_states import keep_unanswered_jobs


class Unlimited:
    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        return None


def executor():
    """The plugin's executor, as far as it takes to ask for the states of jobs."""
    made = object.__new__(plugin.Executor)
    settings = SimpleNamespace(
        init_seconds_before_status_checks=1, status_attempts=2, status_command="squeue"
    )
    made.workflow = SimpleNamespace(executor_settings=settings)
    made.logger, made.run_uuid = logging.getLogger(), "run"
    made.status_rate_limiter = Unlimited()
    made._status_query_calls = made._status_query_failures = 0
    made._status_query_total_seconds, made._status_query_cycle_rows = 0.0, []
    return made


def test_jobs_are_asked_for_again_where_no_controller_answers(monkeypatch, tmp_path):
    for program in ("which", "squeue", "scontrol"):
        (tmp_path / program).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(plugin.Executor, "check_active_jobs", plugin.Executor.check_active_jobs)
    keep_unanswered_jobs()
    keep_unanswered_jobs()  # once more changes nothing
    jobs = [SubmittedJobInfo(job=None, external_jobid=name) for name in ("1", "2_1")]

    async def left():
        return [job async for job in executor().check_active_jobs(jobs)]

    assert asyncio.run(left()) == jobs
    assert asyncio.run(none_left()) == []


async def none_left():
    return [job async for job in executor().check_active_jobs([])]
