"""Plan, doctor, status and count: figures from known builds, and every question's remedy."""

import os
import shutil
import sys
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from affect4d import store
from affect4d.config.project import Project
from affect4d.operations import changes, costs, image_work, plan, status
from affect4d.operations.count import count_build
from affect4d.operations.image_work import ImageWork
from affect4d.operations.sizes import PLAIN_FILES, PLAIN_STORED, count_sizes
from affect4d.provenance.planned_jobs import PlannedJob, recorded_run
from affect4d.store import Provenance, StoreError


def planned(rule, inputs=(), outputs=(), *, root="results", **fields):
    """A planned job of a rule; `fields` replace parts of its description."""
    described = {
        "rule": rule,
        "input": {"values": list(inputs)},
        "output": {"values": list(outputs)},
        "wildcards": {},
        "params": {"code": "c", "settings": {}},
        "log": f"logs/{rule}.log",
        "benchmark": f"benchmarks/{rule}.tsv",
        "is_needed": True,
        "reason": "Missing output files: x",
    }
    return PlannedJob(described | fields, str(root))


def diamond(workers):
    """a (10 s) before b (20 s) and c (5 s), which come before d (1 s)."""
    jobs = [
        planned("d", ["b", "c"], ["d"]),
        planned("b", ["a"], ["b"]),
        planned("c", ["a"], ["c"]),
        planned("a", [], ["a"]),
    ]
    seconds = {"a": 10.0, "b": 20.0, "c": 5.0, "d": 1.0}
    made = tuple(plan.JobCost(job, seconds[job.rule], 100.0, 1.0, 2.0) for job in jobs)
    return plan.Plan(made, 3, workers, (), "made up")


def test_the_longest_chain_and_the_time_follow_what_waits_for_what():
    two = diamond(2)
    assert [cost.job.rule for cost in two.longest_chain] == ["a", "b", "d"]
    assert two.makespan() == 31
    assert diamond(1).makespan() == 36
    record = two.record()
    assert (record["jobs"], record["done"], record["files"]) == (4, 3, 8)
    assert record["cpu_h"] == pytest.approx(36 / 3600)
    assert "longest chain: 0.01 h, a > b > d" in two.text()


def test_a_plan_without_jobs_says_so():
    assert plan.Plan((), 5, 2, (), "").text() == "nothing to do: all 5 jobs are done"


def write_run(path, seconds, cpu, memory):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\tmax_rss\tcpu_time\n{seconds}\t{memory}\t{cpu}\n")


def learn(monkeypatch, tmp_path, sizes, *, late=()):
    """The costs learnt from jobs of rule `fit` of given sizes: 3 s and .5 s per item, 100 MB.

    Those that are `late` took 20 s more.
    """

    class Sizes:
        def units(self, rule, wildcards):
            return float(wildcards["size"])

        held = stored = files = units

        def kind(self, rule):
            return rule

    jobs = []
    for size in sizes:
        benchmark = f"benchmarks/{size}.tsv"
        write_run(tmp_path / benchmark, 9, 3 + 0.5 * size + 20 * (size in late), 100)
        jobs.append(planned("fit", wildcards={"size": str(size)}, benchmark=benchmark))
    monkeypatch.setattr(costs, "stated_config", lambda root: {})
    monkeypatch.setattr(costs, "count_sizes", lambda project, root: Sizes())
    monkeypatch.setattr(costs, "plan_jobs", lambda root: jobs)
    return costs.learn_costs([tmp_path])["fit"]


def test_start_and_share_are_told_apart_where_jobs_differ_in_size(monkeypatch, tmp_path):
    cost = learn(monkeypatch, tmp_path, [4, 10, 40])
    assert (cost.seconds.start, cost.seconds.per_unit) == pytest.approx((3, 0.5))
    assert cost.seconds.at(1000) == pytest.approx(503)
    assert cost.memory.at(1000) == pytest.approx(100)
    assert cost.runs == 3


def test_a_job_that_compiled_does_not_bend_what_the_others_say(monkeypatch, tmp_path):
    cost = learn(monkeypatch, tmp_path, [4, 4.5, 10, 40], late=[4])
    assert (cost.seconds.start, cost.seconds.per_unit) == pytest.approx((3, 0.5))


def test_a_job_too_short_for_its_benchmark_file_takes_next_to_nothing():
    line = costs._line([1, 10, 20, 40], [0.0, 0.5, 1.0, 2.0], floor=0.0)
    assert line.at(20) == pytest.approx(1)
    assert costs._line([1, 10, 20], [0.0, 0.0, 0.0], floor=0.0).at(20) == 0


def test_a_job_that_had_nothing_to_do_does_not_bend_what_the_others_say():
    line = costs._line([10, 20, 40, 41], [8, 13, 23, 2.5], floor=2.5)
    assert (line.start, line.per_unit) == pytest.approx((3, 0.5))


def test_jobs_of_one_size_cost_what_they_did_and_their_memory_does_not_grow(monkeypatch, tmp_path):
    cost = learn(monkeypatch, tmp_path, [10, 10])
    assert cost.seconds.at(10) == pytest.approx(8)
    assert cost.memory.at(1000) == 100


def test_jobs_without_items_cost_what_they_did(monkeypatch, tmp_path):
    cost = learn(monkeypatch, tmp_path, [0, 0])
    assert (cost.seconds.at(0), cost.memory.at(9)) == (pytest.approx(3), 100)
    assert (cost.mb.at(9), cost.files.at(9)) == (0, 0)


def test_photographs_that_cannot_be_found_are_a_note_of_the_plan(tmp_path):
    missing = {"adapter": "folder", "root": str(tmp_path / "nowhere")}
    project = Project.model_validate({"neutrals": {"databases": {"mine": missing}}})
    sizes = count_sizes(project, tmp_path)
    assert sizes.photographs["mine"] == 0
    assert len(sizes.notes) == 1 and "no photograph of mine is counted" in sizes.notes[0]


@pytest.mark.parametrize("content", ["", "s\tmax_rss\n1\t2\n", "s\tmax_rss\tcpu_time\n-\t-\t-\n"])
def test_a_benchmark_that_cannot_be_read_is_no_run(tmp_path, content):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks/fit.tsv").write_text(content)
    assert recorded_run(tmp_path, planned("fit")) is None


EMBEDDED = 5  # photographs, fewer than `neutrals.max_images`


class Timed:
    """Jobs of synthesis that take what a given work says; 16 classes."""

    work = ImageWork(photograph=0.1, image=0.003, pixel=1e-7, sample=0.01)

    def __init__(self, root, photographs):
        self.photographs = len(photographs)

    def run(self, timed):
        size, samples, count = timed
        count = min(count, self.photographs)
        images, drawn = count * 16 * (1 + samples), 16 * samples
        seconds = self.work.of(photographs=count, images=images, pixels=size**2, samples=drawn)
        return [count, images, images * size**2, drawn], seconds


@pytest.mark.parametrize("photographs", [2, 3, 9])
def test_what_photographs_images_pixels_and_samples_take_is_told_apart(monkeypatch, photographs):
    monkeypatch.setattr(image_work, "_photographs", lambda root: iter(range(photographs)))
    monkeypatch.setattr(image_work, "_Timer", Timed)
    measured = image_work.measure_image_work(Path("results"))
    assert astuple(measured) == pytest.approx(astuple(Timed.work))


def test_of_one_photograph_they_are_not(monkeypatch):
    monkeypatch.setattr(image_work, "_photographs", lambda root: iter(range(1)))
    monkeypatch.setattr(image_work, "_Timer", Timed)
    assert image_work.measure_image_work(Path("results")) is None


def test_sizes_follow_from_the_configuration_before_anything_is_built(tmp_path):
    project = Project.model_validate(
        {
            "gallery": {
                "synthetic": {
                    "subjects": 5, "subjects_per_job": 2, "spontaneous": 2,
                    "spontaneous_frames": 10, "posed_frames": 7,
                }
            },
            "affectspace": {"bins": 4},
            "fitting": {"chunks": 3},
            "neutrals": {"max_images": 6},
            "synthesis": {"samples": 1},
        }
    )  # fmt: skip
    sizes = count_sizes(project, tmp_path)
    frames = 2 * 10 + 6 * 7
    assert sizes.units("registration", {"chunk": "c0000"}) == 2 * frames
    assert sizes.units("registration", {"chunk": "c0002"}) == frames
    assert sizes.units("affectspace", {}) == 5 * frames
    assert sizes.units("fitting", {"database": "portraits", "chunk": "001"}) == 2
    one = {"database": "portraits", "chunk": "001"}
    assert sizes.units("synthesis", one) == 2 * 16 * 2
    work = ImageWork(photograph=1000.0, image=3.0, pixel=0.5, sample=7.0)
    images = 2 * 16 * 2 * (3 + 0.5 * 256**2)
    assert replace(sizes, work=work).units("synthesis", one) == 2 * 1000 + images + 16 * 7
    images = (6 + EMBEDDED) * 16 * 2
    assert sizes.units("audit", {}) == images * (256**2 + PLAIN_STORED)
    assert sizes.stored("dataset", {}) == images * (256**2 + PLAIN_STORED)
    assert sizes.files("synthesis", {"database": "portraits"}) == 6 * 16 * 2 + PLAIN_FILES
    assert sizes.held("synthesis", one) == 2 * 16 * 2 * 256**2
    assert sizes.held("dataset", {}) == images * 256**2
    assert sizes.files("registration", {"chunk": "c0000"}) == 2 * (2 + 6)
    assert sizes.files("blendshapes", {"group": "0"}) == sizes.stored("blendshapes", {}) == 16
    assert sizes.kind("gallery_scans") == "gallery_scans (synthetic)"
    assert sizes.units("validation", {}) == 5 * frames
    assert replace(sizes, search_frames=50).units("validation", {}) == 50
    many = replace(sizes, samples=100)
    assert many.held("dataset", {}) == project.dataset.shard_rows * 256**2
    assert sizes.units("report", {}) == 1


def recorded(root, name, settings, code="c"):
    """A manifest at `name` that states settings and code."""
    root.mkdir(exist_ok=True)
    store.record(root / name, [], Provenance(root, "r", "r", settings=settings, code=code))


@pytest.mark.parametrize(
    ("stated", "code", "cause"),
    [
        ({"seed": 0, "fit": {"size": 3}}, "c", "setting fit.size: 3 -> 4"),
        ({"seed": 0}, "c", "setting fit.size: not set -> 4"),
        ({"seed": 0, "fit": {"size": 4}}, "old", "its code changed"),
    ],
)
def test_what_an_artifact_states_says_why_it_is_made_again(tmp_path, stated, code, cause):
    recorded(tmp_path, "x.manifest.json", stated, code)
    job = planned(
        "fit",
        outputs=[str(tmp_path / "x.manifest.json")],
        root=tmp_path,
        params={"code": "c", "settings": {"seed": 0, "fit": {"size": 4}}},
    )
    causes, follows = changes.explain_jobs([job], tmp_path)
    assert causes == {cause: [job]} and not follows


def test_a_job_that_only_follows_another_has_no_cause_of_its_own(tmp_path):
    recorded(tmp_path, "x.manifest.json", {"seed": 0})
    job = planned(
        "fit",
        outputs=[str(tmp_path / "x.manifest.json")],
        root=tmp_path,
        params={"code": "c", "settings": {"seed": 0}},
        reason="Input files updated by another job: y",
    )
    assert changes.explain_jobs([job], tmp_path) == ({}, [job])
    missing = planned("fit", outputs=[str(tmp_path / "z.manifest.json")], root=tmp_path)
    assert list(changes.explain_jobs([missing], tmp_path)[0]) == ["an artifact is missing"]


def test_status_tells_done_running_and_failed_jobs_apart(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    root = tmp_path / "results"
    jobs = [
        planned(name, outputs=[f"results/{name}"], log=f"results/logs/{name}.log",
                benchmark=f"results/benchmarks/{name}.tsv", is_needed=name != "done", reason="x")
        for name in ("done", "runs", "failed", "waits")
    ]  # fmt: skip
    for name in ("done", "runs", "failed"):
        (root / "logs").mkdir(parents=True, exist_ok=True)
        (root / f"logs/{name}.log").write_text("first\n12:00 ERROR the disk is full\n\n")
    (root / "done").touch()
    write_run(root / "benchmarks/done.tsv", 2, 2, 100)
    memory = tmp_path / ".snakemake"
    mark = memory / "incomplete" / "cmVzdWx0cy9ydW5z"  # base64 of results/runs
    mark.parent.mkdir(parents=True)
    mark.touch()
    (memory / "locks").mkdir()
    (memory / "locks/0.input.lock").touch()
    monkeypatch.setattr(status, "list_jobs", lambda *a: ({"results": "results"}, jobs))
    found = status.find_status([])
    assert found.jobs == {"done": (1, 1), "runs": (0, 1), "failed": (0, 1), "waits": (0, 1)}
    assert [job.rule for job in found.running] == ["runs"]
    assert [(f.job.rule, f.line) for f in found.failed] == [
        ("failed", "12:00 ERROR the disk is full")
    ]
    assert found.exit_code == 1 and found.left_s > 0
    assert "FAILED failed failed: 12:00 ERROR the disk is full" in found.text()
    assert "jobs per hour; about 0 min left" in found.text()
    shutil.rmtree(memory / "locks")  # no snakemake runs: what it marked was killed
    assert [f.job.rule for f in status.find_status([]).failed] == ["runs", "failed"]


def test_without_a_job_of_the_last_hour_the_time_left_is_an_estimate(monkeypatch, tmp_path):
    """From runs of a former build; a rule without one takes the mean of the others."""
    root, old = tmp_path / "results", 10_000
    names = ("done", "known", "new")
    outputs = {name: str(root / name) for name in names}
    jobs = [
        planned(name, outputs=[outputs[name]], root=root, is_needed=name != "done",
                benchmark=str(root / f"{name}.tsv"), inputs=[outputs["known"]] * (name == "new"))
        for name in names
    ]  # fmt: skip
    root.mkdir()
    (root / "done").touch()
    os.utime(root / "done", (old, old))
    monkeypatch.setattr(status, "list_jobs", lambda *a: ({"results": str(root)}, jobs))
    unknown = status.find_status([])
    assert unknown.left_s is None and "time left: not known" in unknown.text()
    write_run(root / "done.tsv", 1000, 1, 100)
    write_run(root / "known.tsv", 2000, 1, 100)
    found = status.find_status([])
    assert found.left_s == 2000 + 1500 and found.per_hour == 0
    assert "about 58 min left: an estimate" in found.text()


def test_without_a_former_build_a_plan_states_no_time(monkeypatch):
    jobs = (plan.JobCost(planned("a"), 0.0, 0.0, 0.0, 0.0),)
    made = plan.Plan(jobs, 3, 2, ("a",), "0 runs")
    text, record = made.text(), made.record()
    assert record["jobs"] == 1 and record["hours"] is record["disk_gb"] is record["chain"] is None
    assert "1 job to run, 3 done" in text and "not known without a former build" in text
    assert "0.00" not in text


@pytest.fixture
def built(small_build, tmp_path):
    return shutil.copytree(small_build, tmp_path, dirs_exist_ok=True) / "results"


def test_counts_are_those_of_the_data(built, tmp_path):
    counts = count_build(built)
    shards = (built / "dataset/data").glob("*.parquet")
    assert counts["dataset rows"] == sum(len(pq.read_table(shard)) for shard in shards)
    chunks = (built / "synthesis").glob("*/*.zarr")
    assert counts["synthesized images"] == sum(len(store.open(c)["images"][...]) for c in chunks)
    assert counts["bytes"] > 0
    with pytest.raises(StoreError, match="holds no build"):
        count_build(tmp_path / "absent")


def test_a_shard_that_was_cut_is_named(built):
    shard = sorted((built / "dataset/data").glob("*.parquet"))[0]
    shard.write_bytes(shard.read_bytes()[:-10])
    with pytest.raises(StoreError, match="another size"):
        count_build(built)


def test_the_slopes_that_are_learnt_are_never_negative():
    units = np.array([1.0, 2.0, 4.0])
    line = costs._fit(units, np.array([5.0, 4.0, 3.0]))
    assert line.start >= 0 and line.per_unit >= 0
