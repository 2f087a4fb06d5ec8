"""A real Slurm of two nodes on this machine, from Debian's `slurm-wlm` and `munge`; needs root."""

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
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
MinJobAge=3600
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,bf_interval=2
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[17001-17002] CPUs=1 RealMemory=10000
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing():
    """Why Slurm cannot be started here, or None."""
    programs = [p for p in ("slurmctld", "slurmd", "munged", "sinfo") if not shutil.which(p)]
    if programs:
        return f"not installed: {', '.join(programs)} (apt-get install slurm-wlm munge)"
    return None if os.geteuid() == 0 else "starting Slurm needs root"


class SlurmCluster:
    """Starts munged, slurmctld and two slurmd; stops them and restores /etc/slurm on exit."""

    nodes = 2

    def __init__(self, home):
        self.home = Path(home)
        self._saved = None

    def __enter__(self):
        for folder in ("run", "state", "spool/n1", "spool/n2", "logs"):
            (self.home / folder).mkdir(parents=True)
        key = self.home / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        host = socket.gethostname().split(".")[0]
        conf = self.home / "slurm.conf"
        conf.write_text(CONF.format(home=self.home, host=host))
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
        subprocess.run(["slurmctld"], check=True)
        for node in ("n1", "n2"):
            subprocess.run(["slurmd", "-N", node], check=True)
        while self._states() != ["idle"] * self.nodes:
            if not self._are_alive():
                raise RuntimeError(f"Slurm is not up: nodes {self._states()}, see {self.home}/logs")
            time.sleep(0.3)

    def _are_alive(self):
        """Whether no daemon that has started has ended since."""
        pids = [file.read_text().strip() for file in (self.home / "run").glob("*.pid")]
        return all(Path("/proc", pid).exists() for pid in pids if pid)

    def _states(self):
        answer = subprocess.run(
            ["sinfo", "-h", "-N", "-o", "%T"], capture_output=True, text=True, check=False
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
