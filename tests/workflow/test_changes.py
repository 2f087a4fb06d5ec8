"""Which rules five changes re-run, each on its own: nothing is built, Snakemake only plans."""

import csv
import os

import pytest
from workflow_tree import Tree

SEQUENCES, PER_JOB = 4, 2
DECISIONS = "image_id,decision,reviewer,time\n"


def rows_of(subject):
    """The rows of a person's sequence."""
    name = f"p{subject}_1_talk"
    for frame in range(3):
        yield {
            "subject": f"p{subject}", "session": 1, "sequence": name, "frame": frame,
            "mesh": f"{name}_{frame}.obj", "texture": "", "landmarks": f"{name}_{frame}.pts",
            "expression": "", "is_apex": "false", "is_neutral": str(frame == 0).lower(),
            "valence": f"0.{frame}", "arousal": "-0.5",
        }  # fmt: skip


class Project:
    """A user's table of scans, two databases of photographs, and a build that is complete."""

    def __init__(self, folder):
        data = folder / "data"
        self.table = data / "scans.csv"
        for name in ("first", "second", "new"):
            (data / name).mkdir(parents=True)
            (data / name / "face.png").write_bytes(b"")
        self.rows = [row for subject in range(SEQUENCES) for row in rows_of(subject)]
        self.write_table()
        self.decisions = data / "decisions.csv"
        self.decisions.write_text(DECISIONS)
        self.databases = {
            "first": {
                "adapter": "folder",
                "root": str(data / "first"),
                "decisions": str(self.decisions),
            },
            "second": {"adapter": "folder", "root": str(data / "second")},
        }
        self.new = {"adapter": "folder", "root": str(data / "new")}
        manifest = {
            "root": str(data), "table": str(self.table), "sequences_per_job": PER_JOB
        }  # fmt: skip
        self.tree = Tree(folder / "tree")
        self.tree.configure(
            {
                "gallery": {"source": "manifest", "manifest": manifest},
                "neutrals": {"databases": self.databases},
            }
        )
        self.tree.pretend_built()

    def write_table(self):
        """Write the table of scans, and the files of its rows."""
        for row in self.rows:
            for kind in ("mesh", "landmarks"):
                file = self.table.parent / row[kind]
                if not file.exists():
                    file.write_text(row[kind])
        with self.table.open("w", newline="") as handle:
            writer = csv.DictWriter(handle, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = Project(tmp_path_factory.mktemp("changes"))
    assert made.tree.planned() == {}
    return made


@pytest.fixture
def again(project):
    """The project, put right afterwards, with the times of its files."""
    files = (project.table, project.decisions, project.tree.folder / "config.yaml")
    before = [(path, path.read_bytes(), path.stat().st_mtime_ns) for path in files]
    rows = [dict(row) for row in project.rows]
    yield project
    project.rows = rows
    for path, content, time in before:
        path.write_bytes(content)
        os.utime(path, ns=(time, time))


def change_setting(project):
    project.tree.configure({"synthesis": {"intensity": 0.8}})


def add_subject(project):
    project.rows += rows_of(SEQUENCES)
    project.write_table()


def correct_annotation(project):
    project.rows[1]["valence"] = "-0.9"
    project.write_table()


def reject_face(project):
    project.decisions.write_text(f"{DECISIONS}face,reject,me,2026-01-01T00:00:00Z\n")


def add_database(project):
    project.tree.configure({"neutrals": {"databases": {"new": project.new}}})


# of the build's two jobs of scans, two of classes, and one per database of photographs
PUBLISHED = {"synthesis_pictures", "readers", "dataset", "crate", "audit", "report", "all"}
LABELLED = {
    "gallery_table", "gallery_annotations", "gallery_frames", "affectspace", "expressions",
    "validation_bases", "atlas", "blendshapes_pictures", "validation",
}  # fmt: skip
SCANNED = {"registration_pictures", "fitting_model"}
TABLE = (
    (change_setting, {"synthesis": 2}, PUBLISHED),
    (
        add_subject,
        {
            # the template adapts to one's own scans; jobs of registration keep what is current
            "gallery_scans": 1, "registration_template": 1, "registration": 3,
            "validation_features": 3, "blendshapes": 2, "fitting": 2, "synthesis": 2,
        },
        SCANNED | LABELLED | PUBLISHED,
    ),
    (
        correct_annotation,
        {"validation_features": 2, "blendshapes": 2, "synthesis": 2},
        LABELLED | PUBLISHED,
    ),
    (reject_face, {"neutrals": 1, "fitting": 1, "synthesis": 1}, PUBLISHED),
    (add_database, {"neutrals": 1, "fitting": 1, "synthesis": 1}, PUBLISHED),
)  # fmt: skip


@pytest.mark.parametrize("change, jobs, once", TABLE, ids=[row[0].__name__ for row in TABLE])
def test_a_change_re_runs_its_consequences_alone(again, change, jobs, once):
    change(again)
    assert again.tree.planned() == jobs | dict.fromkeys(once, 1)
