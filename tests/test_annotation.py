"""Annotation: tracks of other tools, agreement, annotators joined, and the page."""

import http.client
import json
import os
import shutil
from contextlib import contextmanager
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from support.page_server import serving
from support.videos import numbered_pictures, write_video
from typer.testing import CliRunner

from affect4d.annotation.agreement import cronbach_alpha, icc_2k, mean_ccc
from affect4d.annotation.files import COLUMNS, read_samples, write_samples
from affect4d.annotation.merging import merge_tracks, reaction_time
from affect4d.annotation.page import AnnotationPage
from affect4d.annotation.sequences import open_sequence
from affect4d.annotation.tracks import Track, read_track, track_name
from affect4d.cli import app
from affect4d.formats.images import write_image
from affect4d.quarantine import BadInput
from affect4d.validation.metrics import ccc

FPS = 25.0
SECONDS = 40
DELAYS = {"anna": 0.35, "ben": 0.62, "chloe": 0.2, "dev": 0.9, "eve": 0.5}
GAINS = {"anna": 0.8, "ben": 1.15, "chloe": 1.0, "dev": 0.9, "eve": 1.1}


def curve(time, number=0):
    """A smooth path through the plane (T, 2), as emotions come and go; another per number."""
    rng = np.random.default_rng(number)
    rates, phases = rng.uniform(0.03, 0.25, (2, 4)), rng.uniform(0, 2 * np.pi, (2, 4))
    waves = np.sin(2 * np.pi * rates[:, None] * time[:, None] + phases[:, None])
    return 0.9 * waves.mean(2).T


def person(name, number=0, asleep=False):
    """Whoever follows the curve late, with a scale and a tremor of their own."""
    rng = np.random.default_rng([number, *name.encode()])
    time = np.sort(rng.uniform(0, SECONDS, 40 * SECONDS))  # no screen is regular
    values = GAINS[name] * curve(time - DELAYS[name], number) + rng.normal(0, 0.03, (len(time), 2))
    if asleep:
        values = 0.1 + np.cumsum(rng.normal(0, 0.004, (len(time), 2)), axis=0)
    return Track(time, np.clip(values, -1, 1))


def target():
    """Steps of the calibration."""
    time = np.arange(0, 30, 1 / FPS)
    steps = np.random.default_rng(9).uniform(-0.9, 0.9, (12, 2))
    return Track(time, steps[(time // 2.5).astype(int)])


def follow(steps, delay):
    return Track(steps.time, steps.at(np.maximum(steps.time - delay, 0)))


def test_five_annotators_recover_the_curve_and_their_delays_and_the_sleeper_is_left_out():
    tracks = {
        f"clip{number}": {name: person(name, number, name == "eve") for name in DELAYS}
        for number in range(2)
    }
    reactions = {name: reaction_time(follow(target(), DELAYS[name]), target(), FPS)
                 for name in ("anna", "ben", "dev")}  # fmt: skip
    merged = merge_tracks(tracks, reactions, fps=FPS, min_correlation=0.3)
    assert merged.annotators["eve"].excluded.startswith("correlates by less than 0.3")
    for name in set(DELAYS) - {"eve"}:
        assert merged.annotators[name].excluded == ""
        assert merged.annotators[name].delay == pytest.approx(DELAYS[name], abs=0.04)
    for number, (_, rows) in enumerate(merged.track.groupby("sequence")):
        truth = curve(rows["frame"].to_numpy() / FPS, number)
        for k, axis in enumerate(("valence", "arousal")):
            assert ccc(rows[axis], truth[:, k]) >= 0.97
    overall = merged.agreement[merged.agreement["sequence"] == "all"]
    assert (overall["annotators"] == 4).all()
    assert overall["noise"].between(0.01, 0.03).all()  # tremor of .03 in four people: .015
    assert (overall["icc_2k"] > 0.97).all() and (overall["alpha"] > 0.97).all()


def test_without_a_calibration_delays_are_against_each_other():
    tracks = {"clip": {name: person(name) for name in DELAYS}}
    merged = merge_tracks(tracks, {}, fps=FPS, min_correlation=0.3)
    delays = {name: merged.annotators[name].delay for name in DELAYS}
    mean = np.mean(list(DELAYS.values()))
    assert delays == {name: pytest.approx(DELAYS[name] - mean, abs=0.04) for name in DELAYS}


def test_who_never_moves_is_left_out_and_two_are_needed():
    still = Track(np.arange(0, 40, 0.04), np.full((1000, 2), 0.1))
    said = {"anna": person("anna"), "ben": person("ben"), "eve": still}
    merged = merge_tracks({"clip": said}, {}, fps=FPS, min_correlation=0.3)
    assert merged.annotators["eve"].excluded == "moved by less than 0.02"
    del said["ben"]
    with pytest.raises(ValueError, match="1 of 2 annotators remain"):
        merge_tracks({"clip": said}, {}, fps=FPS, min_correlation=0.3)


def test_one_axis_alone_can_be_annotated():
    tracks = {"clip": {name: person(name) for name in ("anna", "ben", "chloe")}}
    for track in tracks["clip"].values():
        track.values[:, 1] = np.nan
    merged = merge_tracks(tracks, {}, fps=FPS, min_correlation=0.3)
    assert merged.track["arousal"].isna().all() and merged.track["valence"].notna().all()
    assert set(merged.agreement["axis"]) == {"valence"}


SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)


def test_agreement_is_the_textbook_s():
    """Shrout & Fleiss (1979), Table 4: ICC(2,k) .62, ICC(3,k), which is alpha, .91."""
    assert icc_2k(SHROUT_FLEISS) == pytest.approx(0.62, abs=5e-3)
    assert cronbach_alpha(SHROUT_FLEISS) == pytest.approx(0.91, abs=5e-3)
    k = 4
    items, total = SHROUT_FLEISS.var(0, ddof=1).sum(), SHROUT_FLEISS.sum(1).var(ddof=1)
    assert cronbach_alpha(SHROUT_FLEISS) == pytest.approx(k / (k - 1) * (1 - items / total))
    assert mean_ccc(np.stack([np.arange(5.0)] * 3, 1)) == pytest.approx(1)


def test_reaction_time_is_that_of_the_calibration():
    for delay in (0.1, 0.35, 0.8):
        assert reaction_time(follow(target(), delay), target(), FPS) == pytest.approx(
            delay, abs=0.02
        )


CARMA = """Time of Rating,04-Mar-2017 12:00:00
Multimedia File,clip.mp4
Lower Label,negative
Upper Label,positive
Minimum Value,-100
Maximum Value,100
Number of Steps,9
Second,Rating
%%%%%%,%%%%%%
0.25,-50
0.5,0
0.75,100
"""
DARMA = """Time of Rating,04-Mar-2017 12:00:00,,
Multimedia File,clip.mp4,,
Magnitude,1000,,
Second,Affiliation,Dominance,Button
%%%%%%,%%%%%%,%%%%%%,%%%%%%
1,500,-250,0
2,1000,0,0
"""
EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT><TIME_ORDER>
<TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="1000"/>
<TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="2500"/></TIME_ORDER>
<TIER TIER_ID="Valence (Anna)">
<ANNOTATION><ALIGNABLE_ANNOTATION TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
<ANNOTATION_VALUE>0.5</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
<ANNOTATION><ALIGNABLE_ANNOTATION TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
<ANNOTATION_VALUE>-0.25</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
</TIER><TIER TIER_ID="speech"><ANNOTATION><ALIGNABLE_ANNOTATION TIME_SLOT_REF1="ts1"
 TIME_SLOT_REF2="ts2"><ANNOTATION_VALUE>hello</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION>
</ANNOTATION></TIER></ANNOTATION_DOCUMENT>
"""
NAN = float("nan")


@pytest.mark.parametrize(
    ("name", "text", "time", "values"),
    [
        ("a.csv", "time,valence,arousal\n0,.1,.2\n.1,.3,.4\n", [0, 0.1], [[0.1, 0.2], [0.3, 0.4]]),
        ("a.csv", "\ufefft;arousal;valence\r\n0;.2;.1\r\n1;;.3", [0, 1], [[0.1, 0.2], [0.3, NAN]]),
        ("a.valence.csv", "0,0.5\n2,-0.5\n", [0, 2], [[0.5, NAN], [-0.5, NAN]]),
        ("valence/012.txt", "0.1\n0.2\n", [0, 0.04], [[0.1, NAN], [0.2, NAN]]),
        ("012_left.txt", "valence,arousal\n.1,-.2\n-5,-5\n", [0, 0.04], [[0.1, -0.2], [NAN, NAN]]),
        ("anna_arousal.csv", CARMA, [0.125, 0.375, 0.625], [[NAN, -0.5], [NAN, 0], [NAN, 1]]),
        ("anna.csv", DARMA, [0.5, 1.5], [[0.5, -0.25], [1, 0]]),
        ("anna.eaf", EAF, [0, 1, 1, 2.5], [[0.5, NAN], [0.5, NAN], [-0.25, NAN], [-0.25, NAN]]),
        ("a.csv", ",arousal,valence\n0,.2,.1\n1,.4,.3", [0, 0.04], [[0.1, 0.2], [0.3, 0.4]]),
        ("a.csv", "arousal,time,valence\n.2,0,.1\n.4,2,.3", [0, 2], [[0.1, 0.2], [0.3, 0.4]]),
        ("a.csv", "timestamp,valence\n1,.1\n2,.3", [1, 2], [[0.1, NAN], [0.3, NAN]]),
        ("a.csv", "Time (s),valence\n1,.1\n2,.3", [1, 2], [[0.1, NAN], [0.3, NAN]]),
        ("a.csv", "time_ms,valence\n1000,.1\n2000,.3", [1, 2], [[0.1, NAN], [0.3, NAN]]),
        ("a.csv", "Frame,valence\n50,.1\n75,.3", [2, 3], [[0.1, NAN], [0.3, NAN]]),
        ("a.csv", "frame,time,valence\n50,0,.1\n75,1,.3", [0, 1], [[0.1, NAN], [0.3, NAN]]),
    ],
)  # fmt: skip
def test_tracks_of_other_tools_are_read(tmp_path, name, text, time, values):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, newline="")
    track = read_track(path, fps=FPS)
    np.testing.assert_allclose(track.time, time)
    np.testing.assert_allclose(track.values, values)


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("anna.csv", "0,0.5\n1,0.5\n", "nothing says which column"),
        ("anna.csv", "time,valence,arousal\n1,0,0\n0,0,0\n", "goes back in time"),
        ("anna.csv", "time,valence,arousal\n0,0,0\n1,7,0\n", "outside"),
        ("anna.csv", "time,valence\n0,0\n1,0,0\n", "equal count"),
        ("anna.csv", "time,valence\n0,0\n1,x\n", "are not numbers"),
        ("anna.csv", "hello\n", "no row of numbers"),
        ("anna.csv", "time,valence\n0,0\n", "holds no valence"),
        ("anna.valence.csv", CARMA.replace("Value,100", "Value,x"), "scale is no number"),
        ("anna.csv", "time,valence,arousal\n0,0\n1,0\n", "names 3 columns, but its rows have 2"),
        ("anna.csv", "time,valence,mood\n0,0,0\n1,0,0\n", "column 'mood' that is unknown"),
        ("anna.csv", "time,valence,valence\n0,0,0\n1,0,0\n", "column 'valence' .* duplicate"),
        ("anna.csv", ",valence\n0,0\n0.5,0\n", "column '' that is unknown"),
        ("anna.csv", "timestamp,valence\n1700000000,0\n1700000001,0\n", "times beyond 36000 s"),
        ("anna.eaf", EAF.replace('"1000"', '"3000"'), "no length, at 3 s"),
        (
            "anna.eaf",
            EAF.replace("speech", "valence 2").replace("hello", "0"),
            "annotations of an axis overlap",
        ),
        ("anna.eaf", "<a>", "cannot be read as ELAN's"),
        ("anna.eaf", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "declares entities"),
    ],
)
def test_what_is_no_track_is_refused(tmp_path, name, text, rule):
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=rule):
        read_track(tmp_path / name, fps=FPS)


def test_the_name_says_whose_track_it_is(tmp_path):
    assert track_name(tmp_path / "anna.valence.csv") == ("anna", "valence")
    assert track_name(tmp_path / "arousal" / "012_left.txt") == ("012_left", "arousal")
    assert track_name(tmp_path / "anna.csv") == ("anna", None)


def test_merge_writes_the_gallery_s_columns(tmp_path):
    for name in ("anna", "ben", "chloe"):
        track = person(name)
        rows = np.column_stack([track.time, track.values]).tolist()
        write_samples(tmp_path / "in/clip" / f"{name}.csv", COLUMNS, rows)
    write_samples(tmp_path / "in/clip/dev.part.csv", COLUMNS, [[0, 0, 0]])  # not finished
    out = tmp_path / "merged.csv"
    done = CliRunner().invoke(app, ["annotations", "merge", str(tmp_path / "in"), "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert "anna: delay" in done.output and "dev" not in done.output and "ICC(2,k)" in done.output
    table = pd.read_csv(out)
    assert list(table) == ["sequence", "frame", "valence", "arousal", "annotators"]
    assert set(table["sequence"]) == {"clip"} and (table["annotators"] >= 2).all()
    assert len(pd.read_csv(tmp_path / "merged_annotators.csv")) == 3
    assert set(pd.read_csv(tmp_path / "merged_agreement.csv")["sequence"]) == {"all", "clip"}
    empty = CliRunner().invoke(app, ["annotations", "merge", str(tmp_path / "none")])
    assert empty.exit_code == 1 and "holds no track" in empty.output


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
