"""Whether a place suits a build: one line per question, with a remedy where the answer is no."""

import fcntl
import importlib.metadata
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from affect4d.config.project import ConfigError, Project, check_file, load
from affect4d.fitting.lsfm import read_lsfm
from affect4d.gallery.jobs import chunks
from affect4d.kernel_cache import is_writable
from affect4d.pipeline.engine_modules import REMEDY, missing_modules
from affect4d.provenance.planned_jobs import REPOSITORY, list_jobs
from affect4d.quarantine import BadInput
from affect4d.store import StoreError
from affect4d.template.template import load_template

OK, WARN, FAIL = "ok", "warn", "FAIL"
MIN_FREE_GB = 4.0  # the default build leaves 3.3 GB
MIN_FREE_FILES = 20_000  # of which 17,700 by the default build
MAX_CLOCK_S = 5.0  # between this node's clock and the file system's: what Snakemake compares
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)")
_SINFO = ["sinfo", "--noheader", "--format=%R|%a|%l|%m"]
_SLURM_WAIT_S = 20  # for a controller to answer


@dataclass(frozen=True)
class Answer:
    """One line: what was looked at, ok, warn or FAIL, what was found, and the remedy."""

    subject: str
    state: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        tail = f"; {self.remedy}" if self.remedy else ""
        return f"{self.state:4} {self.subject}: {self.found}{tail}"


def examine(config: Path | None = None, profile: Path | None = None) -> list[Answer]:
    """The answers for the workflow in the working directory.

    Parameters
    ----------
    config : laid over config.yaml
    profile : folder of a Snakemake profile; where it names the executor slurm, Slurm is asked
    """
    answers = [*_versions(), _program("snakemake")]
    try:
        project = _project(config)
    except ConfigError as error:
        answers.append(Answer("config", FAIL, str(error).replace("\n", " | ")))
        return answers
    answers.append(Answer("config", OK, "it keeps every rule"))
    results = Path(project.results)
    questions: tuple[Callable[[], Answer], ...] = (
        lambda: _free_space(results),
        lambda: _locks(results),
        lambda: _clock(results),
        _scratch,
        _kernels,
        lambda: _interrupted(Path()),
        lambda: _table(project),
        lambda: _template(project),
        lambda: _model(project),
        lambda: _engine(project.engine),
    )
    answers += [question() for question in questions]
    if profile is not None:
        answers += _profile(profile, config)
    return answers


def _project(config: Path | None) -> Project:
    merged: dict[str, object] = {}
    for path in (Path("config.yaml"), config):
        if path is not None and path.exists():
            check_file(path)
            merged = _merge(merged, yaml.safe_load(path.read_text("utf-8")))
        elif path is not None and path == config:
            raise ConfigError(f"{path}: there is no such file; name another")
    return load(merged)


def _merge(base: dict[str, object], over: dict[str, object]) -> dict[str, object]:
    """`over` over `base`, key by key, as Snakemake lays configuration files over one another."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(value, dict) and isinstance(below, dict)
        merged[key] = _merge(below, value) if both else value  # type: ignore[arg-type]
    return merged


def _versions() -> Iterator[Answer]:
    """Python, and the packages against their pins."""
    python = sys.version.split()[0]
    yield Answer("python", OK, python)
    pins = REPOSITORY / "envs/pipeline.txt"
    if not pins.is_file():
        yield Answer("packages", WARN, f"no {pins}", "run in a clone of the repository")
        return
    found = [match.groups() for line in pins.open() if (match := _PIN.match(line))]
    wrong = []
    for name, version in found:
        try:
            here = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            here = "missing"
        if here != version:
            wrong.append(f"{name} {here} instead of {version}")
    if wrong:
        yield Answer("packages", WARN, ", ".join(wrong), "other bytes may come out: run `make`")
    else:
        yield Answer("packages", OK, f"{len(found)} as pinned")


def _program(name: str) -> Answer:
    path = shutil.which(name)
    if path is None:
        return Answer(
            name, FAIL, "not found", "activate the environment: PATH=$PWD/.venv/bin:$PATH"
        )
    return Answer(name, OK, path)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def _free_space(results: Path) -> Answer:
    state = os.statvfs(_existing(results))
    free_gb, free_files = state.f_bavail * state.f_frsize / 2**30, state.f_favail
    found = f"{free_gb:.1f} GB and {free_files} files free at {results}"
    # some file systems count no files, and say 0 of 0
    if free_gb < MIN_FREE_GB or (state.f_files and free_files < MIN_FREE_FILES):
        return Answer("disk", FAIL, found, "`affect4d plan` says what is needed; free some space")
    return Answer("disk", OK, found)


def _locks(results: Path) -> Answer:
    """Whether files can be written, renamed and locked where results will lie."""
    folder = _existing(results)
    remedy = "set `results` to a folder that you can write, on a file system with locks"
    try:
        with tempfile.TemporaryDirectory(prefix=".affect4d-doctor-", dir=folder) as scratch:
            path = Path(scratch, "lock")
            with path.open("w") as first, path.open("w") as second:
                fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
                try:
                    fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    path.rename(path.with_name("renamed"))
                    return Answer("locks", OK, f"files are written, locked and renamed in {folder}")
                remedy = "mount it with locks (NFS 4; Lustre with -o flock)"
                return Answer("locks", FAIL, f"{folder} grants one lock twice", remedy)
    except OSError as error:
        return Answer("locks", FAIL, f"{folder}: {error.strerror}", remedy)


def _clock(results: Path) -> Answer:
    """This node's clock against the one that dates files."""
    try:
        with tempfile.NamedTemporaryFile(dir=_existing(results)) as file:
            file.write(b"x")
            file.flush()
            ahead = os.fstat(file.fileno()).st_mtime - time.time()
    except OSError as error:
        return Answer("clock", WARN, f"no file can be dated ({error.strerror})", "see locks")
    found = f"files are dated {ahead:+z.1f} s from this node's clock"
    if abs(ahead) > MAX_CLOCK_S:
        return Answer("clock", WARN, found, "set the clock (NTP), or jobs run again needlessly")
    return Answer("clock", OK, found)


def _scratch() -> Answer:
    folder = Path(tempfile.gettempdir())
    try:
        free_gb = shutil.disk_usage(folder).free / 2**30
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Answer(
            "scratch", FAIL, f"{folder}: {error.strerror}", "point TMPDIR to a local disk"
        )
    kinds = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    if [str(folder), "tmpfs"] in kinds:
        remedy = "it counts as a job's memory: point TMPDIR to a local disk"
        return Answer("scratch", WARN, f"{folder} is in memory, {free_gb:.1f} GB", remedy)
    return Answer("scratch", OK, f"{folder}, {free_gb:.1f} GB free")


def _kernels() -> Answer:
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or REPOSITORY / "workflow/affect4d")
    if is_writable(folder):
        return Answer("compiled code", OK, f"kept in {folder}")
    remedy = "set NUMBA_CACHE_DIR to a shared folder that you can write"
    return Answer("compiled code", WARN, f"{folder} is read-only: each job compiles", remedy)


def _interrupted(folder: Path) -> Answer:
    """What a killed snakemake left."""
    locks = list((folder / ".snakemake/locks").glob("*"))
    if locks:
        found = f"{len(locks)} locks in .snakemake/locks"
        return Answer("former run", WARN, found, "if none runs: `snakemake --unlock`")
    return Answer("former run", OK, "no lock is left")


def _table(project: Project) -> Answer:
    try:
        made = chunks(project.gallery)
    except BadInput as problem:
        return Answer("gallery", FAIL, f"{problem.file}: {problem.rule}", problem.remedy)
    members = sum(map(len, made.values()))
    what = "sequences" if project.gallery.source == "manifest" else "people"
    return Answer("gallery", OK, f"{members} {what} in {len(made)} jobs")


def _template(project: Project) -> Answer:
    try:
        template = load_template(project.template.mesh, project.template.landmarks)
    except (BadInput, OSError) as problem:
        return Answer("template", FAIL, str(problem))
    return Answer("template", OK, f"{len(template.vertices)} vertices")


def _engine(engine: str) -> Answer:
    """Whether the packages are there that the engine needs."""
    missing = missing_modules(engine)
    if missing:
        return Answer("engine", FAIL, f"{engine}: {', '.join(missing)} not installed", REMEDY)
    return Answer("engine", OK, engine)


def _model(project: Project) -> Answer:
    path = project.fitting.lsfm_model
    if path is None:
        return Answer("identity model", OK, "learnt from the gallery, or ICT-FaceKit's")
    try:
        template = load_template(project.template.mesh, project.template.landmarks)
        read_lsfm(path, template, project.fitting.identity_modes, settings=project.fitting)
    except (BadInput, OSError) as problem:
        return Answer("identity model", FAIL, str(problem))
    return Answer("identity model", OK, path)


def _profile(folder: Path, config: Path | None) -> Iterator[Answer]:
    """The profile, and the Slurm that it speaks to."""
    path = folder / "config.yaml"
    try:
        content = yaml.safe_load(path.read_text("utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        yield Answer("profile", FAIL, f"{path}: {error}", "name the folder of a profile")
        return
    yield Answer("profile", OK, f"{path}, executor {content.get('executor', 'local')}")
    if content.get("executor") == "slurm":
        yield from _slurm(content, config)


def _slurm(profile: dict[str, object], config: Path | None) -> Iterator[Answer]:
    """Whether the controller answers, and has a partition that suits the profile."""
    remedy = "run on a login node of the cluster"
    try:
        asked = subprocess.run(
            _SINFO, capture_output=True, text=True, check=True, timeout=_SLURM_WAIT_S
        )
    except FileNotFoundError:
        yield Answer("slurm", FAIL, "sinfo is not installed here", remedy)
        return
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        reason = (error.stderr or b"no answer") if error.stderr else "no answer"
        yield Answer("slurm", FAIL, str(reason).strip().splitlines()[-1], remedy)
        return
    partitions = dict(line.split("|", 1) for line in asked.stdout.splitlines() if "|" in line)
    yield Answer("slurm", OK, f"partitions {', '.join(partitions)}")
    wanted = _partition(profile)
    if wanted is None:
        yield Answer("partition", WARN, "none is named", "set slurm_partition in the profile")
    elif wanted not in partitions:
        remedy = f"set slurm_partition to one of {', '.join(partitions)}"
        yield Answer("partition", FAIL, f"there is no {wanted}", remedy)
    else:
        state, limit, memory = partitions[wanted].split("|")
        found = f"{wanted} is {state}, time limit {limit}, {memory} MB per node"
        yield Answer("partition", OK if state == "up" else FAIL, found)
        yield _limits(profile, config, minutes=_minutes(limit), mb=float(memory.rstrip("+")))


def _limits(
    profile: dict[str, object], config: Path | None, *, minutes: float, mb: float
) -> Answer:
    """Whether the partition grants what the rules ask for, at the first attempt and at the last.

    A rule that the profile's `set-resources` names is left to whoever wrote it there.
    """
    try:
        jobs = list_jobs(*([str(config)] if config else []))[1]
    except (StoreError, ValueError) as error:
        return Answer("limits", WARN, f"the jobs cannot be listed: {error}", "see the lines above")
    named = profile.get("set-resources") or []
    own = (
        {str(entry).partition(":")[0] for entry in named} if isinstance(named, list | dict) else ()
    )
    asked = {j.rule: (j.description["mem_mb"], j.description["runtime"]) for j in jobs}
    last = 1 + int(str(profile.get("retries", 0)))
    for attempt, state in ((1, FAIL), (last, WARN)):
        beyond = [
            f"{rule} ({attempt * memory} MB, {attempt * time_limit} min)"
            for rule, (memory, time_limit) in sorted(asked.items())
            if rule not in own and (attempt * memory > mb or attempt * time_limit > minutes)
        ]
        if beyond:
            remedy = "name another partition, or less for these rules in set-resources"
            return Answer(
                "limits", state, f"attempt {attempt}: too much for {', '.join(beyond)}", remedy
            )
    most = [max(values) for values in zip(*asked.values(), strict=True)]
    return Answer("limits", OK, f"{len(asked)} rules ask for at most {most[0]} MB, {most[1]} min")


def _minutes(limit: str) -> float:
    """A time limit as sinfo writes it, [days-][hours:]minutes:seconds, or a word for none."""
    if not limit[0].isdigit():
        return math.inf
    days, _, rest = limit.rpartition("-")
    hours, minutes, seconds = ([0, 0] + [int(part) for part in rest.split(":")])[-3:]
    return int(days or 0) * 1440 + hours * 60 + minutes + seconds / 60


def _partition(profile: dict[str, object]) -> str | None:
    defaults = profile.get("default-resources", [])
    if isinstance(defaults, dict):
        found = defaults.get("slurm_partition")
        return None if found is None else str(found)
    pairs = [str(item).partition("=") for item in defaults] if isinstance(defaults, list) else []
    return next((value for name, _, value in pairs if name == "slurm_partition"), None)
