"""Which jobs of the gallery a changed table, annotation or file asks for."""

import csv
import os
import re

import pytest
from workflow_tree import Tree

GOAL = "results/gallery/frames.manifest.json"


class Table:
    """A user's table of four sequences, two a job, and a tree that builds its gallery."""

    def __init__(self, folder):
        self.root, self.path = folder / "data", folder / "data" / "scans.csv"
        self.root.mkdir()
        self.rows = [row for k in range(4) for row in self.sequence(k)]
        self.write()
        manifest = {"root": str(self.root), "table": str(self.path), "sequences_per_job": 2}
        gallery = {"source": "manifest", "manifest": manifest}
        self.tree = Tree(folder / "tree", {"gallery": gallery})

    def sequence(self, number):
        name, rows = f"p{number}_1_talk", []
        for frame in range(3):
            files = {kind: f"{name}_{frame}.{kind}" for kind in ("mesh", "landmarks")}
            for file in files.values():
                (self.root / file).write_text(file)
            affect = {"valence": f"0.{frame}", "arousal": "-0.5"}
            flags = {"is_apex": "false", "is_neutral": str(frame == 0).lower()}
            who = {"subject": f"p{number}", "session": "1", "sequence": name, "frame": frame}
            rows.append(who | files | {"texture": "", "expression": ""} | affect | flags)
        return rows

    def write(self):
        with self.path.open("w", newline="") as handle:
            writer = csv.DictWriter(handle, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)

    def planned(self):
        said = self.tree.snakemake(GOAL, "--dry-run", "--quiet", "reason")
        jobs = re.findall(r"^(gallery_\w+) +(\d+)$", said.stdout + said.stderr, re.MULTILINE)
        return {rule.removeprefix("gallery_"): int(count) for rule, count in jobs}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    made = Table(tmp_path_factory.mktemp("table"))
    made.tree.snakemake(GOAL)
    assert made.planned() == {}
    return made


@pytest.fixture
def again(table):
    """The table, put right afterwards, with the times of its files: what was built stays built."""
    rows = [dict(row) for row in table.rows]
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in table.root.iterdir()}
    yield table
    table.rows = rows
    for path in set(table.root.iterdir()) - before.keys():
        path.unlink()
    for path, (content, time) in before.items():
        path.write_bytes(content)
        os.utime(path, ns=(time, time))


def test_an_annotation_asks_for_no_scan(again):
    again.rows[1]["valence"] = "-0.9"
    again.write()
    assert again.planned() == {"table": 1, "annotations": 1, "frames": 1}


def test_a_changed_row_asks_for_its_own_job(again):
    again.rows[1]["is_apex"] = "true"
    again.write()
    assert again.planned() == {"table": 1, "annotations": 1, "frames": 1, "scans": 1}


def test_appended_rows_leave_the_other_jobs_alone(again):
    again.rows += again.sequence(4)
    again.write()
    assert again.planned() == {"table": 1, "annotations": 1, "frames": 1, "scans": 1}


def test_a_replaced_file_asks_for_its_own_job_and_no_look_at_the_table(again):
    (again.root / again.rows[0]["mesh"]).write_text("scanned again")
    assert again.planned() == {"scans": 1, "frames": 1}


def test_a_table_put_back_with_an_old_date_is_read_again(again):
    again.rows[1]["valence"] = "-0.8"
    again.write()
    os.utime(again.path, (0, 0))
    assert again.planned() == {"table": 1, "annotations": 1, "frames": 1}


def test_strict_says_what_is_wrong_before_any_scan(again, tmp_path):
    again.rows[-1]["mesh"] = "no.obj"
    again.write()
    tree = Tree.copied(again.tree.folder, tmp_path / "tree")
    done = tree.snakemake(
        GOAL, "--config", "strict=true", "-R", "gallery_scans", cores=1, check=False
    )
    lines = list({line for line in done.stderr.splitlines() if " ERROR " in line})
    assert done.returncode and len(lines) == 1 and "the mesh does not exist" in lines[0]
    assert "rule gallery_table" in done.stderr and "Finished jobid" not in done.stderr
