"""What goes wrong on a cluster, done to the jobs of one build while they run.

Each drill waits for the script of a job, stops that process where it is, does its harm, and lets
what is left go on. So a job is met in the middle, however fast the machine is.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from slurm_cluster import SlurmCluster, control, environment, job_record, processes, wait_for_end
from workflow_tree import BINARIES, Tree

# the profile spares a busy controller; this one has nothing else to do
POLL_OFTEN = ("--slurm-init-seconds-before-status-checks", 1, "--seconds-between-status-checks", 1)


@dataclass(frozen=True)
class Script:
    """The process of a job's script: its number, Slurm's name of the job, and the node."""

    process: int
    job: str
    node: str

    def signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, number)

    def finish(self) -> None:
        """Let it go on and wait for its end."""
        self.signal(signal.SIGCONT)
        wait_for_end(self.process)


class Build:
    """One run of `snakemake --profile slurm` in a tree."""

    def __init__(self, tree: Tree, cluster: SlurmCluster, *options: object) -> None:
        self.tree, self.cluster = tree, cluster
        self.log = tree.folder / "cluster.log"
        command = ["--profile", "slurm", *map(str, POLL_OFTEN), *map(str, options)]
        with self.log.open("a") as said:
            self._process = subprocess.Popen(
                [str(BINARIES / "snakemake"), *command],
                cwd=tree.folder, env=tree.environment, stdout=said, stderr=said,
                start_new_session=True,
            )  # fmt: skip

    def run(self, drills: "list[Drill]") -> int:
        """Make the drills as their jobs come; returns the exit status of snakemake."""
        threads = []
        while self.runs():
            running = running_scripts(self.tree)
            for drill in drills:
                if drill.met is None and drill.script in running:
                    drill.met = running[drill.script]
                    drill.met.signal(signal.SIGSTOP)
                    threads.append(threading.Thread(target=drill.make, args=(self,)))
                    threads[-1].start()
            time.sleep(0.3)
        for thread in threads:
            thread.join()
        for drill in drills:
            if drill.error:
                raise drill.error
        return int(self._process.returncode)

    def runs(self) -> bool:
        """Whether snakemake has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Kill snakemake, and nothing of what it submitted."""
        os.killpg(self._process.pid, signal.SIGKILL)


Harm = Callable[[Build, Script], None]
UNFINISHED = {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "REQUEUED"}  # states of jobs


@dataclass
class Drill:
    """One thing that goes wrong.

    Attributes
    ----------
    what : in words
    script : name of the script, of whose jobs the first to run is met
    harm : what is done; the script is stopped before, and goes on afterwards if it is still there
    met : the script that was met
    error : what went wrong with the drill itself
    """

    what: str
    script: str
    harm: Harm
    met: Script | None = None
    error: Exception | None = None

    def make(self, build: Build) -> None:
        """Do the harm."""
        assert self.met is not None
        try:
            self.harm(build, self.met)
        except Exception as error:
            self.error = error
        finally:
            self.met.signal(signal.SIGCONT)

    def verdict(self) -> str:
        """What the controller says became of the job that was met."""
        if self.met is None:
            return "no such job ran"
        record = job_record(self.met.job)
        again = "" if record["Restarts"] == "0" else f", restarted {record['Restarts']} times"
        return f"{record['JobState']}{again}"


def cancel(_: Build, script: Script) -> None:
    """scancel."""
    subprocess.run(["scancel", script.job], check=True)
    wait_for_end(script.process)


def cut_power(build: Build, script: Script) -> None:
    """The node is lost with all that runs there; it comes back when another has done its job."""
    build.cluster.cut_power(script.node)
    _release(build, script.job)
    _wait(build, script.job, is_over)
    build.cluster.restore_power(script.node)


def preempt(build: Build, script: Script) -> None:
    """A job of a partition of higher priority takes the node."""
    build.cluster.take(script.node)
    _release(build, script.job)


def restart_controller(build: Build, script: Script) -> None:
    """The job ends while there is no controller."""
    build.cluster.stop_controller()
    script.finish()
    build.cluster.start_controller()


def run_out_of_time(_: Build, script: Script) -> None:
    """The job's time is over before its script goes on."""
    control("update", f"JobId={script.job}", "TimeLimit=1")  # minutes, the shortest that there is
    wait_for_end(script.process)


def kill_submitter(build: Build, _: Script) -> None:
    """Snakemake is killed; its jobs run on."""
    build.kill()


def let_be(_: Build, script: Script) -> None:
    """Nothing is done: the job fails by itself."""
    script.finish()


def _release(build: Build, job: str) -> None:
    """Let a job that was put back start at once: Slurm would wait two minutes."""
    _wait(build, job, lambda record: record["Restarts"] != "0" or is_over(record))
    control("update", f"JobId={job}", "StartTime=now")


def is_over(record: dict[str, str]) -> bool:
    """Whether a job will not run again."""
    return record["JobState"] not in UNFINISHED


def _wait(build: Build, job: str, is_reached: Callable[[dict[str, str]], bool]) -> None:
    """Ask for a job until something is reached, or snakemake has ended.

    While another drill has stopped the controller, nothing is answered.
    """
    while build.runs():
        with contextlib.suppress(subprocess.CalledProcessError):
            if is_reached(job_record(job)):
                return
        time.sleep(0.2)


def running_scripts(tree: Tree) -> dict[str, Script]:
    """The processes of the tree's jobs on the cluster, one of each script, by its name."""
    folder, found = str(tree.folder / ".snakemake/scripts"), {}
    for process in processes():
        with contextlib.suppress(OSError, UnicodeDecodeError):
            command = Path(f"/proc/{process}/cmdline").read_bytes().decode().split("\0")
            if len(command) > 1 and command[1].startswith(folder):
                script = _script(process)
                if script.job:  # a local rule has none, nor has a process that ended just now
                    found[Path(command[1]).name.split(".")[1]] = script
    return found


def _script(process: int) -> Script:
    words = dict(e.decode().split("=", 1) for e in environment(process) if b"=" in e)
    job = words.get("SLURM_JOB_ID", "")
    if "SLURM_ARRAY_JOB_ID" in words:
        job = f"{words['SLURM_ARRAY_JOB_ID']}_{words['SLURM_ARRAY_TASK_ID']}"
    return Script(process, job, words.get("SLURMD_NODENAME", ""))
