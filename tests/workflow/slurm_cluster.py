"""A real Slurm of two nodes on this machine, from Debian's `slurm-wlm` and `munge`; needs root."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

SYSTEM_CONF = Path("/etc/slurm/slurm.conf")

CONF = """ClusterName=affect4d
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=16817
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={home}/run/munge.socket
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool/%n
SlurmctldPidFile={home}/run/slurmctld.pid
SlurmdPidFile={home}/run/slurmd.%n.pid
SlurmctldLogFile={home}/logs/slurmctld.log
SlurmdLogFile={home}/logs/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
TaskProlog={home}/task_prolog
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=2
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters={select}
MpiDefault=none
ReturnToService=2
MinJobAge=3600
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,bf_interval=2,batch_sched_delay=0
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[17001-17002] CPUs=1 RealMemory=10000
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=2
"""
# what it prints becomes the environment of a job: nodes named in the file have a clock of their own
TASK_PROLOG = """#!/bin/sh
grep -q -x -s "$SLURMD_NODENAME" {home}/wrong_clocks && cat <<END && \\
    echo $SLURM_JOB_ID >> {home}/jobs_ahead
export LD_PRELOAD={library}
export FAKETIME={offset}
export DONT_FAKE_MONOTONIC=1
export NO_FAKE_STAT=1
END
exit 0
"""
LIBFAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
AN_HOUR_AHEAD = "+1h"


def missing():
    """Why Slurm cannot be started here, or None."""
    programs = [p for p in ("slurmctld", "slurmd", "munged", "sinfo") if not shutil.which(p)]
    if programs:
        return f"not installed: {', '.join(programs)} (apt-get install slurm-wlm munge)"
    return None if os.geteuid() == 0 else "starting Slurm needs root"


def control(*arguments):
    """Run scontrol."""
    subprocess.run(["scontrol", *arguments], check=True, capture_output=True)


def job_record(job):
    """What the controller knows of a job: {field: value}."""
    answer = subprocess.run(
        ["scontrol", "show", "job", job, "-o"], capture_output=True, text=True, check=True
    )
    return dict(word.split("=", 1) for word in answer.stdout.split() if "=" in word)


def processes():
    """The numbers of all processes."""
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def environment(process):
    """The environment of a process, as NAME=value in bytes; empty once it has ended."""
    try:
        return Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def name(process):
    """The name of a process; "" once it has ended."""
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


def parent(process):
    """The number of a process's parent; 0 once it has ended."""
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def wait_for_end(process):
    """Return once a process has ended."""
    while name(process):
        time.sleep(0.1)


def end(process, how):
    """Send a process a signal and wait until it has ended."""
    os.kill(process, how)
    wait_for_end(process)


class SlurmCluster:
    """Starts munged, slurmctld and two slurmd; stops them and restores /etc/slurm on exit.

    With `limits_memory` a job that takes more memory than it asked for is killed.
    """

    nodes = 2

    def __init__(self, home, *, limits_memory=False):
        self.home = Path(home)
        self._select = "CR_Core_Memory" if limits_memory else "CR_Core"
        self._saved = None

    def __enter__(self):
        for folder in ("run", "state", "spool/n1", "spool/n2", "logs"):
            (self.home / folder).mkdir(parents=True)
        key = self.home / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        host = socket.gethostname().split(".")[0]
        prolog = self.home / "task_prolog"
        prolog.write_text(
            TASK_PROLOG.format(home=self.home, library=LIBFAKETIME, offset=AN_HOUR_AHEAD)
        )
        prolog.chmod(0o755)
        conf = self.home / "slurm.conf"
        conf.write_text(CONF.format(home=self.home, host=host, select=self._select))
        # a path given by SLURM_CONF does not reach the job steps; the system's place does
        if SYSTEM_CONF.is_symlink() or SYSTEM_CONF.exists():
            self._saved = SYSTEM_CONF.with_suffix(".conf.before-affect4d")
            SYSTEM_CONF.rename(self._saved)
        SYSTEM_CONF.parent.mkdir(exist_ok=True)
        SYSTEM_CONF.symlink_to(conf)
        try:
            self._start(key)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self, key):
        run = self.home / "run"
        run.chmod(0o755)
        subprocess.run(
            [
                "munged",
                "--force",
                f"--key-file={key}",
                f"--socket={run}/munge.socket",
                f"--pid-file={run}/munged.pid",
                f"--log-file={self.home}/logs/munged.log",
                f"--seed-file={run}/munged.seed",
            ],
            check=True,
        )
        self.start_controller()
        for node in ("n1", "n2"):
            self.start_node(node)
        while self._states() != ["idle"] * self.nodes:
            if not self._are_alive():
                raise RuntimeError(f"Slurm is not up: nodes {self._states()}, see {self.home}/logs")
            time.sleep(0.3)

    def start_controller(self):
        """Start slurmctld, which knows again what it saved."""
        subprocess.run(["slurmctld"], check=True)

    def stop_controller(self):
        """Stop slurmctld; returns once it has ended."""
        end(int((self.home / "run/slurmctld.pid").read_text()), signal.SIGTERM)

    def start_node(self, node):
        """Start a node's slurmd."""
        subprocess.run(["slurmd", "-N", node], check=True)

    def cut_power(self, node):
        """Kill a node's slurmd and whatever runs there, and tell the controller that it is down."""
        here = f"SLURMD_NODENAME={node}".encode()
        jobs = {p for p in processes() if here in environment(p)}
        daemons = {parent(p) for p in jobs if name(parent(p)).startswith("slurmstepd")}
        slurmd = int((self.home / f"run/slurmd.{node}.pid").read_text())
        for process in (slurmd, *daemons, *jobs):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        control("update", f"NodeName={node}", "State=DOWN", "Reason=power")

    def restore_power(self, node):
        """Start a node again whose power was cut; it returns to service by itself."""
        self.start_node(node)

    def set_wrong_clock(self, node):
        """Put the clock of a node's jobs, from now on, an hour ahead."""
        (self.home / "wrong_clocks").write_text(f"{node}\n")

    def jobs_ahead(self):
        """How many jobs ran with their clock an hour ahead."""
        path = self.home / "jobs_ahead"
        return len(set(path.read_text().split())) if path.exists() else 0

    def take(self, node):
        """Run a job of higher priority on a node: what runs there is preempted."""
        urgent = ["sbatch", "--parsable", "--partition=urgent", f"--nodelist={node}"]
        subprocess.run(
            [*urgent, "--output=/dev/null", "--wrap=true"], check=True, capture_output=True
        )

    def _are_alive(self):
        """Whether no daemon that has started has ended since."""
        pids = [file.read_text().strip() for file in (self.home / "run").glob("*.pid")]
        return all(Path("/proc", pid).exists() for pid in pids if pid)

    def _states(self):
        answer = subprocess.run(
            ["sinfo", "-h", "-N", "-p", "main", "-o", "%T"],
            capture_output=True,
            text=True,
            check=False,
        )
        return answer.stdout.split()

    def nodes_used(self):
        """The nodes on which jobs have run, from the controller."""
        answer = subprocess.run(
            ["scontrol", "show", "jobs", "-o"], capture_output=True, text=True, check=True
        )
        words = answer.stdout.split()
        return {w.removeprefix("NodeList=") for w in words if w.startswith("NodeList=n")}

    def __exit__(self, *_):
        for pid_file in sorted((self.home / "run").glob("*.pid"), reverse=True):
            try:
                os.kill(int(pid_file.read_text()), signal.SIGTERM)
            except (ProcessLookupError, ValueError):
                continue
        SYSTEM_CONF.unlink(missing_ok=True)
        if self._saved:
            self._saved.rename(SYSTEM_CONF)
