"""The page on a build: what it shows of a small one, that it needs no other file, and escapes."""

import json
import re
import shutil
from importlib import metadata

import numpy as np
import pandas as pd
import pytest
from support.contexts import context
from support.recorded import record
from support.small_results import CLASSES

from affect4d.artifacts.affectspace import FRAMES
from affect4d.artifacts.readers import READINGS
from affect4d.artifacts.statuses import FLAGGED, USED
from affect4d.formats.images import write_image
from affect4d.report import sections
from affect4d.report.page import render, write_report
from affect4d.report.sections import (
    read_commit,
    read_dataset,
    read_images,
    read_readers,
    read_run_times,
    read_validation,
)
from affect4d.report.table1 import controls_table, main_table
from affect4d.synthesis.readings import write_readings

AUDIT = {"whole": True, "artifacts": 9, "text": "9 artifacts: intact"}
CARRY_A_FLAG = 4  # frames of the small build
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def drawn(small_build, tmp_path_factory):
    """A small build, and what its stages drew."""
    folder = tmp_path_factory.mktemp("report")
    shutil.copytree(small_build, folder, dirs_exist_ok=True)
    root = folder / "results"
    written = [
        draw(root / "affectspace/histogram.png"),
        draw(root / "blendshapes/pictures/mean_faces.png"),
        state(root / "blendshapes", {"models": 0, "support": None, "path": None}),
        state(root / "synthesis", {"photographs": [], "expressions_doubted": 0}),
        draw(root / "synthesis/pictures/expressions.jpg"),
    ]
    worst = [{"picture": "worst_1.jpg", "caption": SCRIPT}]
    captions = {"overview": "o", "strip": "s", "real": "r", "real_seen": "q", "worst": worst}
    written.append(state(root / "registration", captions))
    for name in ("overview.png", "people.jpg", "strip.jpg", "real.jpg", "worst_1.jpg"):
        written.append(draw(root / "registration/pictures" / name))
    for name in ("flags", "sequences"):
        table = pd.DataFrame({"flag": ["landmarks", "any"], "frames": [3, CARRY_A_FLAG]})
        written.append(root / f"registration/pictures/{name}.csv")
        table.to_csv(written[-1], index=False)
    record(root, *written, write_table1(root))
    benchmark(root / "benchmarks/fitting/0.tsv", 3.0)
    benchmark(root / "benchmarks/fitting/1.tsv", 5.0)
    benchmark(root / "benchmarks/dataset.tsv", 2.0)
    return root


def draw(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.full((4, 4, 3), 128, np.uint8))
    return path


def state(folder, content):
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    path = folder / "pictures/pictures.json"
    path.write_text(json.dumps(content))
    return path


def benchmark(path, seconds):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\tmax_rss\n{seconds}\t100.0\n")


def write_table1(root):
    (root / "validation").mkdir()
    keys = {"components": [20, np.nan], "basis": ["sparse", ""], "basis_subjects": ["all", ""]}
    figures = {"ccc_valence": [0.5, 0.1], "ccc_valence_low": [0.4, np.nan]}
    figures |= {"ccc_valence_high": [0.6, np.nan], "paper_ccc_valence": [0.7, np.nan]}
    models = {"model": ["cca + svr", "shuffled labels"], "status": ["ok", "ok"]}
    path = root / "validation/table1.csv"
    pd.DataFrame(keys | models | figures).to_csv(path, index=False)
    return path


@pytest.fixture
def results(drawn, tmp_path):
    """A copy of the small build to change."""
    return shutil.copytree(drawn, tmp_path / "results")


@pytest.fixture(scope="module")
def page(drawn):
    config = {"gallery": {"source": "synthetic"}}
    write_report(drawn, drawn / "report.html", config=config, audit=AUDIT)
    return (drawn / "report.html").read_text()


def test_every_section_is_there_and_in_the_contents(page):
    sections = re.findall(r'<section id="(\w+)">', page)
    assert sections == re.findall(r'<a href="#(\w+)">', page)
    assert sections[:2] == ["plane", "registration"] and len(sections) == len(set(sections)) == 11


def test_the_page_needs_no_other_file(page):
    sources = re.findall(r'(?:src|href)="([^"]{0,20})', page)
    assert all(source.startswith(("data:image/", "#")) for source in sources)


def test_it_counts_frames_classes_faces_and_images(page):
    facts = dict(re.findall(r"<li><b>([^<]+)</b>([^<]+)</li>", page))
    assert facts["12"] == "frames in the gallery" and facts["2"] == "neutral faces"
    assert facts[f"{len(CLASSES)} of 100"] == "classes with a model"
    assert facts["4"] == "synthesized images"


def test_flags_of_the_registration_and_of_the_affect_space_add_up(drawn, page):
    frames = pd.read_parquet(FRAMES.path(drawn), columns=["status"])["status"]
    flagged = (frames == FLAGGED).sum()
    words = re.sub(r"<[^>]+>|\s+", " ", page)
    assert f"Of the {CARRY_A_FLAG} frames that carry a flag, {flagged} are annotated" in words
    assert f"{CARRY_A_FLAG - flagged} count under another reason" in words
    assert f"no flag, {(frames == USED).sum()} together" in words


def test_only_pictures_that_were_drawn_are_announced(page):
    assert "Basic expressions" in page and "<h3>Fits</h3>" not in page


def _words(template, **values):
    return re.sub(r"<[^>]+>|\s+", " ", render(template, **values))


def test_captions_name_only_what_is_there():
    """Pale faces, rings, refusals, flags: each where there is one, none where there is none."""
    steps = {"frames": 9, "largest_step_mm": 1.0, "largest_inner_step_mm": 1.0}
    pictures = dict.fromkeys(
        ["mean_faces", "convergence", "path", "expressions", "sheet", "histogram"], "x"
    )
    pictures |= dict.fromkeys(["overview", "people", "strip", "real"], "x")
    captions = {"overview": "o", "strip": "s", "real": "r", "real_seen": "q", "worst": []}
    said = []
    for n in (0, 1, 3):
        path = steps | {"interpolated": n, "extrapolated": 0}
        figures = {"models": 7, "components": 0, "support": None, "path": path}
        faces = {"shown": 7 + n, "interpolated": n, "none": n}
        models = {"pictures": pictures, "figures": figures, "target": "t", "faces": faces}
        frames = {"pictures": pictures, "used": 2, "flagged": n, "status": ""}
        flags = {"pictures": pictures, "captions": captions, "flagged": n + n // 3}
        doubted = {"photographs": ["a"], "doubted": n, "empty": n, "expressions_doubted": n}
        edits = {"pictures": pictures, "figures": doubted, "has_rendered": False}
        edits |= {"pairs": "x", "levels": "x", "pair_at": (0, 0), "levels_at": []}
        said.append(
            _words("affectspace", blendshapes=models, affectspace=frames)
            + _words("blendshapes", blendshapes=models)
            + _words(
                "registration",
                affectspace=frames,
                registration=flags | {"flags": "", "sequences": ""},
            )
            + _words("synthesis", synthesis=edits)
        )
    none, one, some = said
    for words in (
        "3 pale faces", "3 classes without a face", "A ring", "3 are interpolated",
        "3 pictures are rejected", "3 places have no data",
        "Of the 4 frames that carry a flag, 3 are",
        "1 counts under another", "most flags", "dropped or relabelled",
    ):  # fmt: skip
        assert words in some and words.lstrip("134 ") not in none, words
    for words in (
        "1 pale face is", "1 class without a face holds", "1 is interpolated",
        "1 picture is rejected", "1 place has no data around it",
        "1 frame that carries a flag, 1 is annotated and counts",
    ):  # fmt: skip
        assert words in one, words
    assert none.count("None is rejected") == 2 and "No frame has a flag" in none


def test_it_says_which_version_and_commit_wrote_it(page, monkeypatch, tmp_path):
    written = re.search(r"Written\s+by affect4d ([\w.]+)(?:, commit (\w+\+?))?\.", page)
    assert written.group(1) == metadata.version("affect4d")
    assert (written.group(2) or "") == read_commit()
    monkeypatch.setattr(sections, "_CHECKOUT", tmp_path)
    assert read_commit() == ""  # installed, not checked out


def test_a_name_in_a_caption_cannot_become_code(page):
    assert SCRIPT not in page and "&lt;script&gt;" in page


def test_table_1_has_intervals_and_its_controls_have_no_papers_column(results):
    shown = read_validation(results)
    assert "0.500<br><small>0.40 to 0.60</small>" in shown["main"] and "0.700" in shown["main"]
    assert "paper: CCC valence" in shown["main"] and "all people" in shown["main"]
    assert "0.100" in shown["controls"] and "paper" not in shown["controls"]
    assert shown["pictures"] == {}  # nothing was predicted


def test_the_dataset_is_counted_by_split_and_kind_and_quadrant(drawn):
    images = read_images(drawn)
    shown = read_dataset(images)
    rows = images[images["class"] >= 0]
    assert all(split in shown["counts"] for split in set(rows["split"]))
    assert shown["counts"].count("<tr>") == len(rows.groupby(["split", "database", "kind"]))
    assert "aroused" in shown["quadrants"] and "negative" in shown["quadrants"]


def test_text_of_a_table_cannot_become_code():
    row = {"components": 5, "basis": SCRIPT, "basis_subjects": "all", "model": SCRIPT}
    table = pd.DataFrame([{**row, "status": SCRIPT, "ccc_valence": 0.5}])
    for shown in (main_table(table), controls_table(table)):
        assert SCRIPT not in shown and "&lt;script&gt;" in shown


def test_what_was_read_is_a_table_or_a_reason(results, page):
    assert "aroused, positive" in page and "happiness, surprise" in page
    state = {"images": 0, "installed": False, "obstacle": "the face readers are not installed"}
    write_readings(context(results, "readers"), pd.DataFrame(columns=READINGS.names), state)
    section = render("readers", readers=read_readers(results))
    assert "the face readers are not installed" in section and "<table" not in section


def test_run_times_are_summed_by_rule_and_the_longest_comes_first(results):
    first, second = read_run_times(results)
    assert (first["rule"], first["jobs"], first["seconds"]) == ("fitting", 2, 8.0)
    assert (second["rule"], second["share"]) == ("dataset", 0.25)
    bars = render("run_times", run_times=[first, second])
    assert "width: 100.00%" in bars and "width: 25.00%" in bars


def test_what_was_quarantined_is_counted_by_rule_whatever_the_numbers_in_it(results):
    columns = ["stage", "item", "file", "rule", "remedy"]
    rows = [["fitting", f"p{n}", "f.jpg", f"{n} landmarks", "mark it"] for n in (1, 2)]
    table = results / "fits/photos/quarantine/000.csv"
    table.parent.mkdir(parents=True)
    pd.DataFrame(rows, columns=columns).to_csv(table, index=False)
    record(results, table)
    config = {"gallery": {"source": "synthetic"}}
    write_report(results, results / "report.html", config=config, audit=AUDIT)
    page = (results / "report.html").read_text()
    assert "# landmarks" in page and "The first 2 of 2 rows" in page
