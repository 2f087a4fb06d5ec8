"""Builds that are killed, run out of disk, meet odd clocks: the next one completes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))
from killed_builds import build_with_kills, manifests
from support.fault_injection.disks import PAGE, read_only, small_disk
from workflow_tree import Tree

from affect4d import store


def test_a_build_killed_and_resumed_on_one_core_gives_the_same_bytes(built, tmp_path):
    """`built` was made on two cores, undisturbed: neither their number nor a kill changes a bit."""
    tree = Tree(tmp_path / "killed", code=built)
    seen = build_with_kills(tree, kills=3, total=len(manifests(built)))
    assert len(seen.artifacts) == 3
    assert (seen.invalid, seen.survivors) == ([], 0)
    assert tree.checksums() == built.checksums()
    assert tree.affect4d("audit", "results").returncode == 0
    assert store.stale_temporaries(tree.results) == []


def test_whatever_the_clock_said_the_next_build_completes(built, tmp_path):
    """Artifacts older than what they were made from, and artifacts of the future."""
    tree = Tree.copied(built.folder, tmp_path / "tree")  # other tests ask for the times of `built`
    before = tree.checksums()
    for seconds, pattern in ((10**9, "dataset.manifest.json"), (4 * 10**9, "**/*.manifest.json")):
        for path in list(tree.results.glob(pattern))[::2]:
            os.utime(path, (seconds, seconds))
        tree.snakemake()
        assert tree.checksums() == before
        assert tree.affect4d("audit", "results").returncode == 0
    for path in manifests(tree):
        os.utime(path)
    tree.snakemake()
    assert tree.planned() == {}


def test_a_full_disk_is_said_in_one_line_and_the_next_build_completes(built, tmp_path):
    tree = Tree(tmp_path / "tree", code=built)
    disk = tree.folder / "disk"
    tree.configure({"results": str(disk)})
    goal = disk / "gallery" / "annotations.manifest.json"
    with small_disk(disk, 2 * PAGE) as mounted:
        if mounted is None:
            pytest.skip("mounting a small disk needs root")
        done = tree.snakemake(goal, check=False)
        lines = {line for line in done.stderr.splitlines() if " ERROR " in line}
        assert done.returncode and len(lines) == 1 and "the disk is full; free space" in lines.pop()
        assert "Traceback" not in done.stderr and not goal.exists()
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        tree.snakemake(goal)
        assert store.verify(goal) == []


def test_read_only_results_stop_the_build_and_stay_whole(built):
    goal = "results/gallery/annotations.manifest.json"
    with read_only(built.results) as why:
        if why is None:
            pytest.skip("this user can neither mount nor be refused")
        done = built.snakemake(goal, "--forcerun", "gallery_annotations", check=False)
        assert done.returncode and "Write-protected output files" in done.stdout + done.stderr
        assert built.affect4d("audit", "results").returncode == 0
    assert built.planned() == {}
