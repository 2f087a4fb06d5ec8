"""The page of `affect4d annotate`: what it shows, what it saves, and a person in a browser."""

import http.client
import json
import os
import shutil
from contextlib import contextmanager
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from support.annotators import DELAYS, FPS, curve, person
from support.page_server import serving
from support.videos import numbered_pictures, write_video
from typer.testing import CliRunner

from affect4d.annotation.files import COLUMNS, read_samples, write_samples
from affect4d.annotation.page import AnnotationPage
from affect4d.annotation.sequences import open_sequence
from affect4d.annotation.tracks import read_track, track_name
from affect4d.cli import app
from affect4d.formats.images import write_image
from affect4d.quarantine import BadInput
from affect4d.validation.metrics import ccc


@pytest.fixture
def clips(tmp_path):
    """A video of a second and a folder of frames, of which the tenth follows the ninth."""
    write_video(tmp_path / "clip.mp4", numbered_pictures(25))
    (tmp_path / "frames").mkdir()
    for number, picture in enumerate(numbered_pictures(12)):
        write_image(tmp_path / "frames" / f"{number}.png", picture)
    return [open_sequence(tmp_path / name, FPS) for name in ("clip.mp4", "frames")]


@contextmanager
def served(clips, folder, annotator="anna", axes="both"):
    page = AnnotationPage(clips, folder, annotator=annotator, axes=axes)
    try:
        with serving(page) as url:
            yield url
    finally:
        page.frames.close()


def ask(url, name, content=None, headers=None):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    body = None if content is None else json.dumps(content)
    connection.request("GET" if body is None else "POST", parts.path + name, body, headers or {})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_sequences_know_their_times_and_frames(clips, tmp_path):
    video, folder = clips
    assert [clip.name for clip in clips] == ["clip", "frames"]
    np.testing.assert_allclose(video.times, np.arange(25) / 25, atol=1e-3)
    assert [path.stem for path in folder.images] == [str(k) for k in range(12)]
    with served(clips, tmp_path / "out") as url:
        assert ask(url, "frame?sequence=0&index=24")[1][:2] == b"\xff\xd8"
        assert ask(url, "frame?sequence=1&index=11")[0] == 200
        for wrong in ("sequence=0&index=25", "sequence=2&index=0", "sequence=-1&index=0"):
            assert ask(url, f"frame?{wrong}")[0] == 404
        assert ask(url, "frame?sequence=../x&index=0")[0] == 400


def test_what_is_saved_continues_and_is_finished_under_its_name(clips, tmp_path):
    out = tmp_path / "out"
    part, whole = (out / "clip" / f"anna{state}.csv" for state in (".part", ""))
    first, second = [[0, 0.1, 0.2], [0.04, 0.1, None]], [[0.03, 0.5, 0.5], [0.08, 0.4, 0.4]]
    with served(clips, out) as url:
        saved = {"sequence": "clip", "start": 0, "samples": first}
        assert json.loads(ask(url, "save", saved)[1]) == {"count": 2}
        assert read_samples(part) == first and not whole.exists()
    with served(clips, out) as url:  # the program was ended meanwhile
        [shown, _] = json.loads(ask(url, "sequences")[1])["sequences"]
        assert (shown["count"], shown["resume"], shown["done"]) == (2, 0.04, False)
        end = {"sequence": "clip", "start": 1, "samples": second, "finished": True}
        assert ask(url, "save", end)[0] == 400  # it would discard what is saved
        assert read_samples(part) == first
        assert ask(url, "save", end | {"replace": True})[0] == 200
    assert read_samples(whole) == [first[0], *second] and not part.exists()


@pytest.mark.parametrize(
    "content",
    [
        {"sequence": "../clip", "start": 0, "samples": []},
        {"sequence": "other", "start": 0, "samples": []},
        {"sequence": "clip", "start": 1, "samples": []},
        {"sequence": "clip", "start": 0, "samples": [[0, 0]]},
        {"sequence": "clip", "start": 0, "samples": [[0, 0, 1.5]]},
        {"sequence": "clip", "start": 0, "samples": [[-1, 0, 0]]},
        {"sequence": "clip", "start": 0, "samples": [[1, 0, 0], [0, 0, 0]]},
        {"sequence": "clip", "start": 0, "samples": [[0, "0", 0]]},
        {"sequence": "clip", "start": 0, "samples": [[float("nan"), 0, 0]]},
        {"sequence": "clip", "start": 0, "samples": [[10**400, 0, 0]]},
    ],
)
def test_what_is_no_track_is_not_saved(clips, tmp_path, content):
    with served(clips, tmp_path / "out") as url:
        assert ask(url, "save", content)[0] == 400
        assert ask(url, "save", content, {"Origin": "http://evil.example"})[0] == 403
        assert ask(url.replace(urlsplit(url).path, "/wrong/"), "save", content)[0] == 404
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "rule"),
    [("none.mp4", "cannot be read"), ("x.txt", "no sequence"), ("empty", "no frame"),
     ("a b.mp4", "is named 'a b'")],
)  # fmt: skip
def test_what_cannot_be_played_is_refused(tmp_path, name, rule):
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.txt").write_text("x")
    write_video(tmp_path / "a b.mp4", numbered_pictures(3))
    with pytest.raises(BadInput, match=rule):
        open_sequence(tmp_path / name, FPS)


def test_axes_annotated_one_after_the_other_have_files_of_their_own(clips, tmp_path):
    out = tmp_path / "out"
    for axes, row in (("valence", [0.1, None]), ("arousal", [None, 0.2])):
        with served(clips, out, axes=axes) as url:
            [shown, _] = json.loads(ask(url, "sequences")[1])["sequences"]
            assert (shown["count"], shown["done"]) == (0, False)
            for start in range(2):  # what is not finished is not continued on another axis
                sample = {"sequence": "clip", "start": start, "samples": [[start / 25, *row]]}
                assert ask(url, "save", sample | {"finished": start})[0] == 200
    names = ["anna.arousal.csv", "anna.valence.csv"]
    assert sorted(path.name for path in (out / "clip").iterdir()) == names
    for name, axis in zip(names, (1, 0), strict=True):
        assert track_name(out / "clip" / name) == ("anna", ("valence", "arousal")[axis])
        assert np.isfinite(read_track(out / "clip" / name, fps=FPS).values).all(0)[axis]


@pytest.mark.parametrize("annotator", ["anna.part", "anna.valence"])
def test_an_annotator_is_not_named_like_an_axis_or_an_unfinished_track(clips, tmp_path, annotator):
    with pytest.raises(BadInput, match="the name ends like"):
        AnnotationPage(clips, tmp_path, annotator=annotator, axes="both")


# A person in the page: sees the target or the curve, and moves the mouse DELAY later.
FOLLOW = """([delay, points]) => {
  const curve = t => {
    const k = Math.max(0, Math.min(points.length - 1, t * 25)), i = Math.floor(k);
    const next = points[Math.min(i + 1, points.length - 1)];
    return points[i].map((x, axis) => x + (k - i) * (next[axis] - x));
  };
  const box = pad.getBoundingClientRect();
  const move = () => {
    requestAnimationFrame(move);
    if (!round || !round.playing) return;
    const seen = round.t - delay;
    const [v, a] = round.kind === "calibration" ? targetAt(seen) : curve(seen);
    const clientX = box.left + (v + 1) / 2 * box.width;
    const clientY = box.top + (1 - a) / 2 * box.height;
    pad.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY }));
  };
  move();
}"""


WAITS = """async ([seconds]) => {
  while (!round || round.t <= seconds || !round.sent) await new Promise(f => setTimeout(f, 20));
}"""


@pytest.mark.skipif("AFFECT4D_CHROMIUM" not in os.environ, reason="set AFFECT4D_CHROMIUM=1 to run")
def test_in_a_browser_a_person_follows_a_curve_and_the_merged_track_recovers_it(tmp_path):
    from playwright.sync_api import expect, sync_playwright

    seconds, out = 14, tmp_path / "out"
    write_video(tmp_path / "clip.mp4", numbered_pictures(seconds * int(FPS)))
    write_video(tmp_path / "second.mp4", numbered_pictures(25))
    points = np.clip(curve(np.arange(seconds * FPS) / FPS, 1), -0.95, 0.95)
    clips = [open_sequence(tmp_path / name, FPS) for name in ("clip.mp4", "second.mp4")]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        with served(clips, out) as url:
            page = chromium.new_page()
            problems = []
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.goto(url)
            message, patience = page.locator("#message"), 200_000  # ms: of a loaded machine
            expect(message).to_contain_text("anna: measure your reaction time")
            page.evaluate(FOLLOW, [DELAYS["anna"], points.tolist()])
            page.locator("#calibrate").click()
            expect(message).to_contain_text("Your reaction time: 0.3", timeout=patience)
            page.get_by_role("button", name="clip", exact=True).click()
            page.evaluate(WAITS, [3])
            page.reload()  # in the middle: what was saved is continued
            page.evaluate(FOLLOW, [DELAYS["anna"], points.tolist()])
            page.get_by_role("button", name="clip: go on at").click()
            page.evaluate(WAITS, [6])
            page.keyboard.press("Space")
            expect(message).to_contain_text("Paused")
            page.keyboard.press("Backspace")
            page.keyboard.press("Space")
            expect(message).to_contain_text("clip is saved", timeout=patience)
            page.evaluate("navigator.getGamepads = () => [{ axes: [0.5, -0.25] }]")
            page.get_by_role("button", name="second", exact=True).click()
            expect(message).to_contain_text("second is saved", timeout=patience)
            assert not problems
        chromium.close()
    samples = np.array(read_samples(out / "clip/anna.csv"))
    assert samples[0, 0] == 0 and seconds - 0.05 < samples[-1, 0] < seconds
    steps = np.diff(samples[:, 0])
    assert steps.min() >= 0 and steps.max() <= 1 / FPS + 1e-3
    stick = np.array(read_samples(out / "second/anna.csv"))
    np.testing.assert_allclose(
        stick[len(stick) // 2 :, 1:], [[0.5, 0.25]] * (len(stick) - len(stick) // 2)
    )
    for name in ("ben", "chloe"):
        track = person(name, 1)
        rows = np.column_stack([track.time, track.values])[track.time < seconds].tolist()
        write_samples(out / "clip" / f"{name}.csv", COLUMNS, rows)
    shutil.rmtree(out / "second")
    merged = tmp_path / "merged.csv"
    done = CliRunner().invoke(app, ["annotations", "merge", str(out), "-o", str(merged)])
    assert done.exit_code == 0, done.output
    people = pd.read_csv(tmp_path / "merged_annotators.csv").set_index("annotator")["delay_s"]
    assert people["anna"] == pytest.approx(DELAYS["anna"], abs=0.04)
    rows = pd.read_csv(merged)
    truth = curve(rows["frame"].to_numpy() / FPS, 1)
    for k, axis in enumerate(("valence", "arousal")):
        assert ccc(rows[axis], truth[:, k]) >= 0.97


UNTIL = """async state => {
  const is = { playing: () => round && round.playing && round.samples.length > 10,
    saved: () => all.sequences[round.k].count === round.base + round.samples.length };
  while (!is[state]()) await new Promise(f => setTimeout(f, 20));
}"""


@pytest.mark.skipif("AFFECT4D_CHROMIUM" not in os.environ, reason="set AFFECT4D_CHROMIUM=1 to run")
def test_in_a_browser_what_is_saved_stays_when_another_sequence_is_annotated_meanwhile(tmp_path):
    from playwright.sync_api import sync_playwright

    for name in ("clip", "second"):
        write_video(tmp_path / f"{name}.mp4", numbered_pictures(10 * int(FPS)))
    clips = [open_sequence(tmp_path / f"{name}.mp4", FPS) for name in ("clip", "second")]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        with served(clips, tmp_path / "out") as url:
            page = chromium.new_page()
            page.goto(url)
            saved = {}
            for name in ("clip", "second", "clip", "clip"):
                page.get_by_role("button", name=name).click()
                page.evaluate(UNTIL, "playing")
                page.keyboard.press("Space")
                said = page.evaluate("round.base + round.samples.length")
                page.evaluate(UNTIL, "saved")
                assert said > saved.get(name, 0) + 10
                saved[name] = said
        chromium.close()
    for name, count in saved.items():
        assert len(read_samples(tmp_path / f"out/{name}/anna.part.csv")) == count
