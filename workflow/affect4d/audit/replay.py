"""Replay: parts of a build are computed again and must come out byte for byte the same.

Manifests that were rewritten consistently pass every check of digests; they do not pass this one.
A part is computed in a scratch folder that holds its job's inputs, by the script of its rule, with
the settings that the build's configuration gives, and the code at hand.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from affect4d import store
from affect4d.artifacts import synthesis
from affect4d.artifacts.provenance import CRATE
from affect4d.audit.draw import IMAGE, Part, draw_parts, list_parts
from affect4d.audit.seal import unsealed_manifest
from affect4d.audit.verdict import Finding, Verdict, damaged, guarded
from affect4d.pipeline.thread_variables import THREAD_VARIABLES
from affect4d.provenance.lineage import Build, load_build
from affect4d.provenance.planned_jobs import REPOSITORY, plan_jobs
from affect4d.store import StoreError
from affect4d.store.commit import versions
from affect4d.store.manifest import SUFFIX

_MEMORY_BYTES = 4 * 2**30  # of a job: the most that any rule asks for


class CannotReplay(Exception):
    """Why a part cannot be computed again here."""


@dataclass(frozen=True)
class _Outcome:
    part: Part
    problems: list[Finding]
    obstacle: str


def replay_build(
    results: Path,
    verdict: Verdict,
    what: int | str,
    *,
    seed: int | None = None,
    say: Callable[[str], None],
) -> Verdict:
    """Compute parts of a build again; the verdict with what came out otherwise.

    Parameters
    ----------
    results : the folder, of which nothing is changed
    verdict : of the audit
    what : how many parts to draw, or the name of one: an artifact's, or "image:ID"
    seed : decides what is drawn; by default nobody can predict it
    say : is told the cost before anything is computed, and what was done

    Returns
    -------
    Verdict
        Its notes name what cannot be computed again, and why.
    """
    try:
        build = load_build(results)
        parts = list_parts(build, plan_jobs(results))
    except StoreError as error:
        return replace(verdict, error=f"nothing can be replayed: {error}")
    if isinstance(what, str):
        drawn = [part for part in parts if part.name == what]
        if not drawn:
            reason = f"{what} is no part of this build; name an artifact or image:IMAGE_ID"
            return replace(verdict, error=reason)
    else:
        seed = secrets.randbits(32) if seed is None else seed
        drawn = draw_parts(parts, what, seed)
        say(f"replay: seed {seed} draws {len(drawn)} of {len(parts)} parts")
    workers = _workers(len(drawn))
    say(_cost(drawn, workers))
    start = time.monotonic()
    with ThreadPoolExecutor(workers) as pool:
        outcomes = []
        for outcome in pool.map(lambda part: _replay(build, part), drawn):
            outcomes.append(outcome)
            say(f"replay: {len(outcomes)} of {len(drawn)}, {outcome.part.name}: {_state(outcome)}")
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    obstacles = [outcome for outcome in outcomes if outcome.obstacle]
    same = len(drawn) - len(obstacles) - sum(bool(outcome.problems) for outcome in outcomes)
    note = (
        f"{len(drawn)} of {len(parts)} parts replayed in {time.monotonic() - start:.0f} s"
        f"{'' if seed is None else f' (seed {seed})'}: {same} came out the same, "
        f"{len(obstacles)} cannot be replayed here"
    )
    missed = [f"{o.part.name} cannot be replayed: {o.obstacle}" for o in obstacles]
    return replace(
        verdict,
        problems=(*verdict.problems, *problems),
        notes=(*verdict.notes, *missed, note),
    )


def _workers(parts: int) -> int:
    """How many parts are computed at a time: one per core, as far as memory suffices."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(parts, len(os.sched_getaffinity(0)), memory // _MEMORY_BYTES))


def _cost(drawn: list[Part], workers: int) -> str:
    known = [part for part in drawn if not np.isnan(part.seconds)]
    seconds = max(
        sum(part.seconds for part in known) / workers,
        max((part.seconds for part in known), default=0),
    )
    unknown = len(drawn) - len(known)
    longest = sorted(known, key=lambda part: -part.seconds)[:3]
    named = ", ".join(f"{part.name} {part.seconds:.0f} s" for part in longest)
    return (
        f"replay: about {seconds:.0f} s with {workers} at a time, by the build's own run times"
        f"{f'; longest: {named}' if named else ''}"
        f"{f'; of {unknown} parts none was recorded' if unknown else ''}"
    )


def _state(outcome: _Outcome) -> str:
    if outcome.obstacle:
        return f"cannot be replayed ({outcome.obstacle})"
    return "other bytes" if outcome.problems else "the same"


def _replay(build: Build, part: Part) -> _Outcome:
    """Compute one part in a folder of its own and compare it."""
    try:
        _check_possible(build, part)
        with tempfile.TemporaryDirectory(prefix="affect4d-replay-") as folder:
            root = Path(folder) / "results"
            _prepare(build, part, root)
            reason = _run(part, root)
            compare = _compare_image if part.stratum == "image" else _compare_artifacts
            problems = guarded(_artifact(part), _manifest(part), compare, build, part, root)
        if reason and not problems:
            problems = [damaged(_artifact(part), _manifest(part), reason)]
        if reason:
            problems = [replace(p, what=f"{p.what} ({reason})") for p in problems]
        return _Outcome(part, problems, "")
    except CannotReplay as obstacle:
        return _Outcome(part, [], str(obstacle))


def _artifact(part: Part) -> str:
    """The artifact that holds a part."""
    return part.job.outputs[0].removesuffix(SUFFIX) if part.stratum == "image" else part.name


def _manifest(part: Part) -> str:
    return _artifact(part) + SUFFIX


def _check_possible(build: Build, part: Part) -> None:
    """Raise CannotReplay where other versions, code or outside files are behind a part."""
    manifest = build.manifests[_manifest(part)]
    here = versions()
    other = [
        f"{name} {manifest.versions.get(name, 'none')} (here {here.get(name, 'none')})"
        for name in sorted({*manifest.versions, *here})
        if manifest.versions.get(name) != here.get(name)
    ]
    if other:
        raise CannotReplay(f"it was made with {', '.join(other)}")
    if manifest.code != part.job.code:
        raise CannotReplay(f"it was made by other code of rule {part.job.rule} than is at hand")
    for name in part.job.inputs:
        if Path(name).is_absolute() and name not in manifest.inputs:
            raise CannotReplay(f"the workflow at hand reads {name}, which was no input of it")
    listed = {file.path: file.sha256 for file in manifest.files}
    for name in part.job.inputs:
        copy = f"{CRATE.name()}/{os.path.relpath(name, REPOSITORY)}"
        if copy in listed and store.digest(Path(name)) != listed[copy]:
            raise CannotReplay(f"the workflow at hand has another {name} than the one it describes")
    for name, recorded in manifest.inputs.items():
        if not Path(name).is_absolute():
            continue
        # a build that was moved states where the file lay; the job reads it where it lies now
        moved = (Path(path) for path in part.job.inputs if Path(path).name == Path(name).name)
        if not any(_has_digest(place, recorded) for place in (Path(name), *moved)):
            raise CannotReplay(f"its input {name} is missing or has changed")


def _has_digest(path: Path, recorded: str) -> bool:
    try:
        return store.digest(path) == recorded
    except (StoreError, OSError):
        return False


def _prepare(build: Build, part: Part, root: Path) -> None:
    """Fill the scratch folder: a job's inputs, their inputs, and what it keeps of its items."""
    direct = _with_listed(build, part.job.inputs)
    above = [source for name in direct for source in build.sources(name)]
    own = _with_listed(build, part.job.outputs)
    kept = set(own) - {*part.job.outputs, _manifest(part)}
    # A job that makes nothing but one artifact keeps nothing; other items are current and stay.
    for name in {*direct, *_with_listed(build, above)} - {*own} | kept:
        for path in (name, *build.listed(name)):
            if not Path(path).is_absolute() and (build.root / path).is_file():
                _link(build.root / path, root / path)


def _with_listed(build: Build, names: list[str]) -> list[str]:
    """Manifests, and those that they list."""
    known = dict.fromkeys(name for name in names if name in build.manifests)
    for name in list(known):
        listed = (path for path in build.listed(name) if path in build.manifests)
        known |= dict.fromkeys(listed)
    return list(known)


def _link(source: Path, target: Path) -> None:
    """The same file by another name, or a copy on another file system; it is never written to."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def _run(part: Part, root: Path) -> str:
    """Run the part's job; why it failed, else an empty text."""
    description = part.job.located(root)
    if part.stratum == "image":
        description["params"]["only"] = part.name.removeprefix(IMAGE)
    request = {"description": description, "root": str(root), "log": str(root.parent / "log")}
    threads = dict.fromkeys(THREAD_VARIABLES, str(description["threads"]))
    process = subprocess.run(
        [sys.executable, "-m", "affect4d.audit.replay_job"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        env={**os.environ, **threads},
    )
    if process.returncode == 0:
        return ""
    lines = process.stderr.strip().splitlines() or ["no reason given"]
    return f"its rule fails on these inputs: {lines[-1]}"


def _compare_artifacts(build: Build, part: Part, root: Path) -> Iterator[Finding]:
    """Compare the part's manifest and those of its job, with every file's digest in them."""
    names = dict.fromkeys([_manifest(part), *part.job.outputs])
    for name in names:
        if name not in build.manifests:
            continue
        artifact = name.removesuffix(SUFFIX)
        if not (root / name).is_file():
            yield damaged(artifact, name, "it does not come into being when it is replayed")
            continue
        sides = (unsealed_manifest(folder, name) for folder in (build.root, root))
        for file, what in _differences(*sides):
            yield damaged(artifact, file, what)


def _differences(stated: dict[str, Any], made: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """File and what is wrong, where a manifest is not the one that the replay wrote."""
    folder = Path(stated["artifact"]).parent
    first, second = (
        {file["path"]: file["sha256"] for file in content["files"]} for content in (stated, made)
    )
    for path in sorted({*first, *second}):
        if first.get(path) == second.get(path):
            continue
        what = "comes out otherwise when it is replayed from its inputs"
        if path not in second:
            what = "is no result of the job when it is replayed"
        elif path not in first:
            what = "comes into being when the job is replayed and is not in the build"
        yield os.path.normpath(folder / path), what
    for field in ("rule", "item", "inputs", "settings", "code", "versions"):
        sides = (stated[field], made[field])
        if field == "inputs":
            sides = (_without_folders(sides[0]), _without_folders(sides[1]))
        if sides[0] != sides[1]:
            yield stated["artifact"] + SUFFIX, f"states other {field} than the replay does"


def _without_folders(inputs: dict[str, str]) -> set[tuple[str, str]]:
    """Names and digests of inputs: files from outside by their own names, wherever they lie."""
    return {
        (Path(name).name if Path(name).is_absolute() else name, digest)
        for name, digest in inputs.items()
    }


def _compare_image(build: Build, part: Part, root: Path) -> Iterator[Finding]:
    """Compare one image and what is stored beside it."""
    artifact, image_id = _artifact(part), part.name.removeprefix(IMAGE)
    stored = store.open(build.root / f"{artifact}.zarr")
    try:
        made = store.open(root / f"{artifact}.zarr")
    except StoreError:
        yield damaged(artifact, f"{artifact}.zarr", f"{image_id} does not come into being")
        return
    if made.attributes["image_ids"] != [image_id]:
        yield damaged(artifact, f"{artifact}.zarr", f"{image_id} is refused when it is replayed")
        return
    row = stored.attributes["image_ids"].index(image_id)
    per_image = [a.name for a in synthesis.CHUNK.arrays if a.shape[0] == "images"]
    for name in per_image:
        if name != "photograph" and not _same(stored[name][row], made[name][0]):
            what = f"the {name} of {image_id} comes out otherwise when it is replayed"
            yield damaged(artifact, f"{artifact}.zarr/{name}", what)
    photograph = int(stored["photograph"][row])
    if not _same(stored["neutral"][photograph], made["neutral"][0]):
        what = f"the photograph of {image_id} comes out otherwise when it is replayed"
        yield damaged(artifact, f"{artifact}.zarr/neutral", what)
    if stored.attributes["photographs"][photograph] != made.attributes["photographs"][0]:
        what = f"the photograph of {image_id} is stated otherwise when it is replayed"
        yield damaged(artifact, f"{artifact}.zarr/zarr.json", what)


def _same(first: object, second: object) -> bool:
    a, b = np.asarray(first), np.asarray(second)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
