"""The command line parses and prints, and loads nothing that it does not need."""

import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from affect4d import store
from affect4d.artifacts.statuses import STATUSES
from affect4d.cli import app
from affect4d.formats.images import write_image
from affect4d.synthesis import request
from affect4d.synthesis.request import describe, write_images
from affect4d.synthesis.request_options import parse_component, parse_points

HEAVY = {"cv2", "numpy", "pandas", "pydantic", "scipy", "zarr"}


def test_help_loads_no_library():
    code = "import sys; from affect4d.cli import app; print(*sys.modules); app(['--help'])"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert "synth" in loaded and not HEAVY & set(loaded.split())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "give one of"),
        (["--valence", ".5"], "give one of"),
        (["--valence", ".5", "--arousal", "0", "--grid", "3"], "give one of"),
        (["--expression", "fear", "--class-mean"], "--class-mean goes with"),
        (["--path", "0,0"], "at least two points"),
        (["--path", "0,0:a,1"], "is not"),
        (
            ["--path", "0,0:.5,.5:0,0", "--frames", "2"],
            "3 points needs at least 3 frames; --frames",
        ),
        (["--path", "0,0:3,3"], "3,3: valence and arousal lie between"),
        (["--path", "0,0:nan,0"], "nan,0: valence and arousal lie between"),
        (["--valence", "nan", "--arousal", "0"], "nan"),
        (["--component", "v+0.5_a+0.5"], "is not CLASS:REGION or CLASS:K"),
    ],
)
def test_synth_refuses_what_it_cannot_parse(tmp_path, options, words):
    call = ["synth", "no.jpg", "-o", str(tmp_path / "out.png"), *options]
    done = CliRunner().invoke(app, call, env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert done.exit_code == 2 and words in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_photograph_that_is_absent_is_one_line(tmp_path):
    photo = str(tmp_path / "no.jpg")
    call = ["synth", photo, "-o", "x.png", "--valence", ".5", "--arousal", "0"]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 1 and done.stderr.startswith(f"affect4d: {photo}: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "call",
    [
        ["synth", "me.png", "-o", "x.png", "--valence", ".5", "--arousal", "0"],
        ["export", "happiness", "-o", "x.glb"],
        ["play", "me.png", "--no-browser"],
        ["explain", "dataset"],
    ],
    ids=lambda call: call[0],
)
def test_a_results_folder_that_is_absent_is_named_with_the_remedy(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "me.png", np.zeros((8, 8, 3), np.uint8))
    done = CliRunner().invoke(app, [*call, "--results", "none"])
    remedy = "name a results folder, or build one (`make dataset`)"
    assert done.exit_code == 1
    said = done.stderr.splitlines()[-1]
    assert said == f"affect4d: none: there is no such folder; {remedy}"


@pytest.mark.parametrize("call", [["plan"], ["plan", "--changed"], ["status"]], ids=" ".join)
def test_outside_a_project_the_jobs_are_refused_in_one_line(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 2 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"affect4d: {tmp_path}: ") and "config.yaml" in done.stderr
    assert "run it in the project's folder, or " in done.stderr


def test_paths_and_components_as_they_are_written():
    assert parse_points("0,0:.7,-.5") == [(0.0, 0.0), (0.7, -0.5)]
    assert parse_component("v+0.5_a+0.5:3") == ("v+0.5_a+0.5", "3")
    assert parse_component("fear:lower lip") == ("fear", "lower lip")


def test_a_record_is_one_line():
    record = {"class": "v+0.5_a+0.5", "valence": 0.51, "arousal": float("nan"), "reason": ""}
    record |= {"interpolated": True, "accepted": True}
    for arousal, said in ((-0.2, "-0.200"), (-0.0001, "+0.000")):
        assert describe(record | {"arousal": arousal}) == (
            f"class v+0.5_a+0.5: valence +0.510, arousal {said}, interpolated"
        )
    record |= {"valence": float("nan"), "accepted": False, "reason": "turned away"}
    assert describe(record).endswith(
        "not annotated with valence and arousal, interpolated; rejected: turned away"
    )


def test_several_images_need_a_folder_or_an_animation(tmp_path):
    with pytest.raises(ValueError, match="or a folder"):
        write_images([], tmp_path / "x.png", several=True)


@pytest.mark.parametrize(
    ("out", "options", "words"),
    [
        ("x.xyz", ["--expression", "fear"], "write .png, .jpg"),
        ("no/x.png", ["--expression", "fear"], "make it first"),
        ("folder.png", ["--expression", "fear"], "no image file"),
        ("x.xyz", ["--path", "0,0:.1,.1"], ".webp, .gif, .mp4 or a folder"),
        ("file", ["--path", "0,0:.1,.1"], "it is a file"),
    ],
)
def test_where_to_write_is_checked_before_anything_is_read(tmp_path, out, options, words):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()
    call = ["synth", "no.jpg", str(tmp_path / "none"), "-o", str(tmp_path / out), *options]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 1 and words in done.stderr and out in done.stderr
    assert len(done.stderr.splitlines()) == 1


def write_means(path, names, status):
    """A store of mean deformations of so many groups, of one vertex."""
    arrays = {
        "mean": np.zeros((len(names), 1, 3), np.float32),
        "median": np.full((len(names), 2), -0.9),
        "status": np.array([STATUSES.index(one) for one in status], np.uint8),
    }
    store.write(path, arrays, {"names": names, "statuses": STATUSES}, provenance=None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--expression", "joy"], "choose one of fear"),
        (["--component", "joy:lower lip"], "there is no model joy"),
        (["--valence", ".5", "--arousal", ".5", "--class-mean"], "is empty"),
        (["--path", "0,0:.5,.5"], "is empty"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_a_build_does_not_have_is_refused_before_the_photograph_is_opened(
    tmp_path, monkeypatch, options, words
):
    monkeypatch.setattr(request, "open_photograph", None)
    write_image(tmp_path / "me.png", np.zeros((8, 8, 3), np.uint8))
    folder = tmp_path / "results/blendshapes"
    write_means(folder / "expressions.zarr", ["fear"], ["ok"])
    write_means(folder / "atlas.zarr", list("abcd"), ["ok", "empty", "empty", "empty"])
    points = np.random.default_rng(0).normal(size=(68, 3))
    template = points, np.array([[0, 1, 2]]), points
    names = ("vertices", "triangles", "landmarks")
    path = tmp_path / "results/registration/template.zarr"
    store.write(path, dict(zip(names, template, strict=True)), {}, provenance=None)
    out = tmp_path / ("out.webp" if "--path" in options else "out.png")
    call = ["synth", str(tmp_path / "me.png"), str(tmp_path / "results"), "-o", str(out)]
    done = CliRunner().invoke(app, [*call, *options])
    assert done.exit_code == 1 and words in done.stderr, done.stderr


HOSTILE = "a\x1b[2J\x1b]0;title\x07b\r\u202ec\x9b"


@pytest.mark.parametrize(
    "call",
    [
        ["explain", "dataset", HOSTILE],
        ["audit", f"{HOSTILE}/results"],
        ["diff", HOSTILE, f"{HOSTILE}2"],
        ["gallery", "draft", HOSTILE],
        ["synth", HOSTILE, "-o", "x.png", "--valence", ".5", "--arousal", "0"],
        ["play", HOSTILE, "--no-browser"],
    ],
    ids=lambda call: call[0],
)
def test_nothing_that_is_printed_controls_the_terminal(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, call)
    printed = done.stdout + done.stderr
    assert done.exit_code and "\\x1b[2J" in printed
    assert all(line.isprintable() for line in printed.split("\n"))


@pytest.mark.parametrize("call", [["explain", "dataset"], ["audit"]])
def test_results_are_an_argument_or_an_option(tmp_path, monkeypatch, call):
    (tmp_path / "results").mkdir()
    folder = str(tmp_path / "other")
    monkeypatch.chdir(tmp_path)

    def said(*arguments):
        done = CliRunner().invoke(app, [*call, *arguments], env={"COLUMNS": "200"})
        return done.exit_code, done.stdout, done.stderr

    assert said() == said("--results", "results") == said("results")
    assert said(folder) == said("--results", folder) == said(folder, "--results", folder)
    code, _, printed = said(folder, "--results", "results")
    assert code == 2 and "two results folders" in printed


@pytest.mark.parametrize(
    "options",
    [
        ["--face", "1", "--all-faces"],
        ["--face", "1", "--landmarks", "x.pts"],
        ["--all-faces", "--crop"],
    ],
    ids=" ".join,
)
def test_one_way_to_say_which_faces(options):
    call = ["synth", "no.jpg", "-o", "x.png", "--expression", "fear", *options]
    assert CliRunner().invoke(app, call).exit_code == 2
