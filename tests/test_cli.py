"""The command line parses and prints, and loads nothing that it does not need."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from affect4d.cli import app
from affect4d.synthesis.request import describe, parse_component, parse_points, write_images

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


def test_paths_and_components_as_they_are_written():
    assert parse_points("0,0:.7,-.5") == [(0.0, 0.0), (0.7, -0.5)]
    assert parse_component("v+0.5_a+0.5:3") == ("v+0.5_a+0.5", "3")
    assert parse_component("fear:lower lip") == ("fear", "lower lip")


def test_a_record_is_one_line():
    record = {"class": "v+0.5_a+0.5", "valence": 0.51, "arousal": float("nan"), "reason": ""}
    record |= {"interpolated": True, "accepted": True}
    assert describe(record | {"arousal": -0.2}) == (
        "class v+0.5_a+0.5: valence +0.510, arousal -0.200, interpolated"
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
