"""What of a small build is built again after a change or damage, and what is not."""

import json
import os
import shutil
from pathlib import Path

from workflow_tree import Tree

from affect4d import store
from affect4d.audit import audit_build
from affect4d.config.synthesis import Settings
from affect4d.store.manifest import SUFFIX

BEFORE_AFFECT = {"gallery_scans", "registration", "neutrals", "fitting", "fitting_model"}
AFTER_SYNTHESIS = {
    "synthesis",
    "synthesis_pictures",
    "readers",
    "dataset",
    "crate",
    "audit",
    "report",
    "all",
}


def test_the_plan_says_what_a_changed_setting_makes_again(built):
    assert "nothing to do" in built.affect4d("plan").stdout
    assert " are done, 0 left" in built.affect4d("status").stdout
    built.configure({"synthesis": {"intensity": 0.8}})
    try:
        said = built.affect4d("plan", "--changed").stdout
        jobs = built.planned()
        # other images than the former build's: what they take is tried on its photographs
        built.configure({"synthesis": {"size": 64, "samples": 3}})
        cost = json.loads(built.affect4d("plan", "--json").stdout)
    finally:
        built.configure({"synthesis": {"intensity": 1.0, "size": 128, "samples": 0}})
    assert "setting synthesis.intensity: 1.0 -> 0.8: synthesis " in said
    assert set(jobs) == AFTER_SYNTHESIS
    assert cost["jobs"] == sum(count for rule, count in jobs.items() if rule != "all")
    assert cost["cpu_h"] > 0 and not cost["without_former_run"]
    assert cost["notes"] == []


def test_a_changed_setting_counts_without_snakemake_s_memory(built):
    memory = built.folder / ".snakemake"
    memory.rename(built.folder / "memory")
    # Snakemake runs a rule again whose script is newer than its outputs, where it has no memory
    times = {path: path.stat().st_mtime_ns for path in built.folder.rglob("workflow/**/*")}
    for path in times:
        os.utime(path, (1, 1))
    built.configure({"synthesis": {"margin": 0.33}})
    try:
        assert set(built.planned()) == AFTER_SYNTHESIS
    finally:
        built.configure({"synthesis": {"margin": Settings().margin}})
        shutil.rmtree(memory)
        (built.folder / "memory").rename(memory)
        for path, time in times.items():  # by which numba knows what it has compiled
            os.utime(path, ns=(time, time))
    assert built.planned() == {}


def test_a_changed_module_rebuilds_its_package_and_what_follows(built):
    module = built.folder / "workflow" / "affect4d" / "affectspace" / "classes.py"
    text = module.read_text()
    module.write_text(text + "\n# only a remark\n")
    assert built.planned() == {}
    module.write_text(text + "\nADDED = 1\n")
    try:
        planned = set(built.planned())
    finally:
        module.write_text(text)
    assert {"affectspace", "blendshapes", "atlas", "synthesis", "dataset"} <= planned
    assert not planned & (BEFORE_AFFECT | {"gallery_model", "gallery_annotations"})


def some_files(tree):
    """One file of every kind of artifact: shards, metadata, tables, pictures, manifests."""
    patterns = [
        "gallery/scans/*/*/*.ply", "gallery/frames.parquet", "gallery/model.zarr/**/c/**/*",
        "gallery/truth/*.zarr/**/c/**/*", "registered/*.zarr/zarr.json",
        "registered/*.zarr/vertices/c/**/*", "registered/*.manifest.json",
        "affectspace/histogram.png", "affectspace/classes.parquet",
        "blendshapes/v*.zarr/**/c/**/*", "blendshapes/atlas.manifest.json",
        "validation/table1.csv", "neutrals/photographs/images/*.png",
        "neutrals/portraits/accepted.csv", "fits/model.zarr/**/c/**/*",
        "fits/photographs/*.zarr/**/c/**/*", "synthesis/portraits/*.zarr/images/c/**/*",
        "dataset/data/*.parquet", "dataset/README.md", "dataset.manifest.json",
    ]  # fmt: skip
    for pattern in patterns:
        found = sorted(path for path in tree.results.glob(pattern) if path.is_file())
        assert found, pattern
        yield found[len(found) // 2]


def test_any_damage_is_found_and_named(built):
    files = list(some_files(built))
    manifests = [path for path in files if path.name.endswith(".manifest.json")]
    data = [path for path in files if path not in manifests]
    for damage in (flip_a_bit, cut, Path.unlink):
        for group in (data, *([path] for path in manifests)):
            whole = {path: path.read_bytes() for path in group}
            for path in group:
                damage(path)
            verdict = audit_build(built.results)
            for path, content in whole.items():
                path.write_bytes(content)
            assert verdict.exit_code == 1
            names = [path.relative_to(built.results).as_posix() for path in group]
            assert [name for name in names if name not in verdict.text()] == []
    assert audit_build(built.results).exit_code == 0


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1 << (len(content) % 8)
    path.write_bytes(content)


def cut(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def test_what_is_invalidated_is_rebuilt_to_the_same_bytes(built):
    before = built.checksums()
    shard = next(path for path in some_files(built) if "/blendshapes/v" in path.as_posix())
    content = bytearray(shard.read_bytes())
    content[len(content) // 3] ^= 4
    shard.write_bytes(content)
    assert built.affect4d("audit", "results", "--invalidate", "--yes", check=False).returncode == 1
    planned = built.planned()
    assert planned["blendshapes"] == 1
    assert not planned.keys() & (BEFORE_AFFECT | {"affectspace"})
    built.snakemake()
    assert built.affect4d("audit", "results").returncode == 0
    assert built.checksums() == before
    assert built.planned() == {}


def test_results_in_another_checkout_run_nothing(built, tmp_path):
    """Files of a new checkout are newer than the results, and Snakemake's memory stayed behind."""
    moved = Tree.copied(built.folder, tmp_path / "elsewhere" / "checkout")
    shutil.rmtree(moved.folder / ".snakemake")
    for part in ("Snakefile", "config.yaml", "workflow", "profiles", "envs"):
        for path in [moved.folder / part, *(moved.folder / part).rglob("*")]:
            path.touch()
    assert moved.planned() == {}
    script = moved.folder / "workflow/scripts/dataset.py"
    script.write_text(script.read_text() + "\nprint()\n")
    assert {"dataset", "crate", "audit", "report"} <= moved.planned().keys()
    assert not {"synthesis", "neutrals", "registration"} & moved.planned().keys()


def test_diff_names_the_setting_behind_a_change(built, tmp_path):
    old = shutil.copytree(built.results, tmp_path / "old")
    assert built.affect4d("diff", old, "results").returncode == 0
    built.configure({"dataset": {"jpeg_quality": 80}})
    try:
        built.snakemake()
        done = built.affect4d("diff", old, "results", check=False)
    finally:
        built.configure({"dataset": {"jpeg_quality": 95}})
        built.snakemake()
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[:2] == [
        "setting dataset.jpeg_quality: 95 -> 80",
        "  behind 1 artifacts: dataset 1",
    ]
    rows = len(built.dataset())
    assert f"  image differs in {rows} rows" in lines
    assert built.affect4d("diff", old, "results").returncode == 0
    crate = "ro-crate-metadata.json"
    assert (built.results / crate).read_bytes() == (old / crate).read_bytes()


def test_a_job_by_workers_of_dask_gives_the_same_bytes(built):
    goal = next((built.results / "registered/chunks").glob("*.manifest.json"))
    before, chunk = goal.read_bytes(), store.read_manifest(goal)
    sequences = [chunk.locate(file) for file in chunk.files if file.path.endswith(SUFFIX)]
    for sequence in sequences[:2]:  # the others are current
        sequence.unlink()
    engine = ("--config", "engine=dask", "--set-threads", "registration=2")
    memory = ("--set-resources", "registration:mem_mb=3000")
    wanted = goal.relative_to(built.folder)
    built.snakemake(*engine, *memory, "--forcerun", "registration", "--", wanted)
    log = built.results / f"logs/registration/{goal.name.removesuffix(SUFFIX)}.log"
    assert "waiting for 2 of Dask's workers" in log.read_text()
    assert goal.read_bytes() == before and store.verify(goal) == []
    built.snakemake()
    assert built.planned() == {}
