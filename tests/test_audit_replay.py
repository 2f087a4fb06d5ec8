"""The audit computes parts of a build again: the same bytes pass, a forged artifact does not."""

import hashlib
import json
import shutil
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.rewritten_manifests import replace_file, rewrite_manifests
from typer.testing import CliRunner

from affect4d import audit, store
from affect4d.artifacts.gallery import ANNOTATED, ANNOTATIONS
from affect4d.artifacts.provenance import CRATE
from affect4d.audit import replay, replay_job
from affect4d.audit.draw import Part, detection_probability, draw_parts
from affect4d.cli import app
from affect4d.config.project import Project
from affect4d.provenance.planned_jobs import PlannedJob, plan_jobs


@pytest.fixture(scope="module")
def original(small_build, tmp_path_factory):
    """A small build with a crate that states the default configuration, and real annotations."""
    folder = tmp_path_factory.mktemp("build")
    root = folder / "results"
    shutil.copytree(small_build, folder, dirs_exist_ok=True)
    config = Project().model_dump(mode="json")
    settings = {name: config[name] for name in config if name not in ("results", "strict")}
    stated = root / "crate/config.json"
    stated.parent.mkdir()
    stated.write_bytes(store.canonical(settings))
    provenance = store.Provenance(root, "crate", "crate", [], settings, "c0")
    store.record(CRATE.manifest(root), [stated], provenance)
    jobs = plan_jobs(root)
    (job,) = (job for job in jobs if job.rule == "gallery_annotations")
    replay_job.run_job(job.located(root), str(root), str(folder / "log"))
    return root, jobs


@pytest.fixture
def results(original, tmp_path, monkeypatch):
    root, jobs = original
    monkeypatch.setattr(replay, "plan_jobs", lambda _: jobs)  # the same for every test: ask once
    return shutil.copytree(root, tmp_path / "results")


def digests(root):
    return {path: store.digest(path) for path in root.rglob("*") if path.is_file()}


def replayed(results, what="gallery/annotations"):
    said = []
    verdict = audit.replay_build(results, audit.Verdict(), what, say=said.append)
    return verdict, said


def test_a_part_that_nobody_touched_comes_out_the_same_and_nothing_is_written(results):
    before = digests(results)
    verdict, said = replayed(results)
    assert verdict.intact and "1 came out the same, 0 cannot be replayed here" in verdict.notes[-1]
    assert said[0].startswith("replay: about")
    assert digests(results) == before


def test_annotations_edited_at_the_source_of_the_chain_are_found(results):
    path = ANNOTATIONS.path(results)
    table = pd.read_csv(path)
    table["valence"] *= -1
    replace_file(path, table.to_csv(index=False, lineterminator="\n").encode())
    rewrite_manifests(results)
    verdict, _ = replayed(results)
    assert [problem.file for problem in verdict.problems] == [ANNOTATIONS.name()]
    assert "comes out otherwise" in verdict.problems[0].what


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("versions", {"numpy": "0.0"}, "it was made with affect4d none"),
        ("code", "0" * 16, "it was made by other code of rule gallery_annotations"),
        ("inputs", {"/gone/scan.ply": "0" * 64}, "its input /gone/scan.ply is missing"),
    ],
)
def test_what_cannot_be_replayed_is_reported_as_such(results, field, value, reason):
    path = ANNOTATED.manifest(results)
    content = json.loads(path.read_bytes()) | {field: value}
    del content["digest"]
    content["digest"] = hashlib.sha256(store.canonical(content)).hexdigest()
    path.write_bytes(store.canonical(content))
    verdict, _ = replayed(results)
    assert verdict.intact
    assert verdict.notes[0].startswith(f"gallery/annotations cannot be replayed: {reason}")
    assert "0 came out the same, 1 cannot be replayed here" in verdict.notes[1]


def test_a_lie_about_settings_is_found(results):
    def lie(name, content):
        if name == "gallery/annotations":
            content["settings"]["seed"] = 7

    rewrite_manifests(results, lie)
    verdict, _ = replayed(results)
    assert [p.what for p in verdict.problems] == ["states other settings than the replay does"]


SCRIPT = """
from pathlib import Path
from affect4d import store
root = Path(snakemake.config["results"])
base = (root / "base.bin").read_bytes()
made = []
for name in ("a", "b"):
    provenance = store.Provenance(root, "items", name, [root / "base.manifest.json"], {"seed": 0})
    manifest = root / f"items/{name}.manifest.json"
    if not store.is_current(manifest, provenance):
        with store.atomic(root / f"items/{name}.bin") as path:
            path.write_bytes(base + name.encode())
        store.record(manifest, [root / f"items/{name}.bin"], provenance)
        with open(COUNTER, "a") as file:
            file.write(name)
    made.append(manifest)
store.record(root / "items/all.manifest.json", made, store.Provenance(root, "items", "all"))
"""


@pytest.fixture
def itemised(tmp_path, monkeypatch):
    """A build whose job makes two items; what it computes is counted in a file."""
    root, script = tmp_path / "results", tmp_path / "items.py"
    script.write_text(SCRIPT.replace("COUNTER", repr(str(tmp_path / "counter"))))
    (root / "items").mkdir(parents=True)
    (root / "base.bin").write_bytes(b"base")
    store.record(
        root / "base.manifest.json", [root / "base.bin"], store.Provenance(root, "base", "base")
    )

    def located(names):
        values = [f"/affect4d-results/{name}.manifest.json" for name in names]
        return {"values": values, "names": {}}

    job = PlannedJob(
        {
            "rule": "items",
            "script": str(script),
            "input": located(["base"]),
            "output": located(["items/all"]),
            "wildcards": {},
            "params": {"settings": {"seed": 0}, "code": ""},
            "threads": 1,
            "benchmark": "",
        }
    )
    monkeypatch.setattr(replay, "plan_jobs", lambda _: [job])
    replay_job.run_job(job.located(root), str(root), "")
    (tmp_path / "counter").unlink()
    return root


def test_an_item_is_replayed_without_its_siblings(itemised, tmp_path):
    verdict, _ = replayed(itemised, "items/b")
    assert verdict.intact and (tmp_path / "counter").read_text() == "b"


def test_a_forged_item_is_found_and_only_there(itemised):
    replace_file(itemised / "items/a.bin", b"forged")
    rewrite_manifests(itemised)
    verdict, _ = replayed(itemised, "items/a")
    assert "items/a.bin" in [problem.file for problem in verdict.problems]
    assert all(problem.artifact != "items/b" for problem in verdict.problems)


def test_a_rule_that_fails_on_its_stated_inputs_is_a_finding(itemised):
    (itemised / "base.bin").unlink()
    verdict, _ = replayed(itemised, "items/a")
    assert "its rule fails on these inputs: FileNotFoundError" in verdict.problems[0].what


def test_the_command_refuses_a_name_that_is_no_part(results):
    called = CliRunner().invoke(app, ["audit", str(results), "--replay", "image:nobody"])
    assert called.exit_code == 2
    assert "image:nobody is no part of this build" in called.output


def parts(sizes):
    return [
        Part(f"{stratum}{number}", stratum, PlannedJob({}), 1.0)
        for stratum, size in sizes.items()
        for number in range(size)
    ]


@given(
    st.dictionaries(st.sampled_from("abcde"), st.integers(1, 9), min_size=1),
    st.integers(1, 50),
    st.integers(0, 1000),
)
def test_a_draw_is_even_over_the_strata_and_repeats_nothing(sizes, count, seed):
    drawn = draw_parts(parts(sizes), count, seed)
    assert len(drawn) == min(count, sum(sizes.values())) == len({part.name for part in drawn})
    counts = Counter(part.stratum for part in drawn)
    fewest = (
        min(counts[name] for name in sizes if counts[name] < sizes[name])
        if any(counts[name] < sizes[name] for name in sizes)
        else None
    )
    if fewest is not None:
        assert max(counts.values()) <= fewest + 1
    assert drawn == draw_parts(parts(sizes)[::-1], count, seed)


@pytest.mark.parametrize("count", [1, 3, 7, 12, 20])
@pytest.mark.parametrize("forged", [1, 4])
def test_the_stated_probability_is_that_of_the_draws(count, forged):
    sizes = {"a": 2, "b": 12, "c": 30}
    wanted = {f"b{number}" for number in range(forged)}
    drawn = [draw_parts(parts(sizes), count, seed) for seed in range(2000)]
    measured = np.mean([any(part.name in wanted for part in draw) for draw in drawn])
    stated = detection_probability(sizes, "b", forged, count=count)
    # four standard errors of a share of 2000 draws
    assert measured == pytest.approx(stated, abs=4 * np.sqrt(stated * (1 - stated) / 2000) + 1e-9)
