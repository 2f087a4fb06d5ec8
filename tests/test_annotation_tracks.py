"""Tracks of the page and of other tools: what is read, and what is refused."""

import numpy as np
import pytest
from support.annotators import FPS

from affect4d.annotation.tracks import read_track, track_name
from affect4d.quarantine import BadInput

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
