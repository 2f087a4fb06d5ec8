"""Single frames of videos: the very pixels that decoding everything gives, or one line."""

import os

import numpy as np
import pytest
from support.videos import all_frames, numbered_pictures, turn_by_metadata, write_video

from affect4d.formats.limits import Limits
from affect4d.formats.video import count_frames, read_frame
from affect4d.quarantine import BadInput

COUNT = 40
SOME = (0, 1, 11, 12, 13, 23, 30, 39)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"bf": "2"}),
        ("a.mp4", "libx264", {"bf": "2", "x264-params": "open-gop=1"}),
        ("a.avi", "mpeg4", {}),
        ("a.avi", "mpeg4", {"bf": "2"}),
        ("a.avi", "mjpeg", {}),
        ("a.mkv", "libx264", {"bf": "3"}),
        ("a.mov", "mpeg4", {"bf": "1"}),
        ("a.webm", "libvpx", {}),
        ("a.mpg", "mpeg2video", {"bf": "2"}),
    ],
)
def test_a_frame_has_the_pixels_of_decoding_everything(tmp_path, name, codec, options):
    if codec == "mjpeg":
        options = {"strict": "unofficial"}
    path = write_video(tmp_path / name, numbered_pictures(COUNT), codec=codec, **options)
    expected = all_frames(path)
    assert count_frames(path) == len(expected) == COUNT
    for index in SOME:
        np.testing.assert_array_equal(read_frame(path, index), expected[index])


def test_frames_count_whatever_their_rate(tmp_path):
    times = np.cumsum(np.random.default_rng(0).integers(1, 300, COUNT)).tolist()
    path = write_video(tmp_path / "a.mkv", numbered_pictures(COUNT), times=times, bf="2")
    expected = all_frames(path)
    assert count_frames(path) == COUNT
    for index in SOME:
        np.testing.assert_array_equal(read_frame(path, index), expected[index])


@pytest.mark.parametrize("clockwise", [0, 90, 180, 270])
def test_a_frame_is_upright_as_metadata_say(tmp_path, clockwise):
    path = write_video(tmp_path / "a.mp4", numbered_pictures(3))
    stored = all_frames(path)[2]
    turned = read_frame(turn_by_metadata(path, clockwise), 2)
    np.testing.assert_array_equal(turned, np.rot90(stored, -clockwise // 90))


def test_frames_beyond_the_end_and_truncated_files_are_one_line(tmp_path):
    pictures = numbered_pictures(COUNT, (240, 320))  # far larger than the container's header
    path = write_video(tmp_path / "a.avi", pictures, codec="mpeg4", qmin="2", qmax="2")
    expected = all_frames(path)
    with pytest.raises(BadInput, match="it has 40 frames: there is none of the number 40"):
        read_frame(path, COUNT)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    kept = count_frames(path)
    assert 0 < kept < COUNT
    np.testing.assert_array_equal(read_frame(path, 3), expected[3])
    with pytest.raises(BadInput, match="there is none of the number 39"):
        read_frame(path, COUNT - 1)


@pytest.mark.parametrize("content", [b"", b"no video" * 100, b"#EXTM3U\n#EXTINF:1,\nother.mp4\n"])
def test_what_is_no_video_is_one_line(tmp_path, content):
    write_video(tmp_path / "other.mp4", numbered_pictures(3))
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(BadInput, match="cannot be read as a video"):
        read_frame(tmp_path / "a.mp4", 0)


def test_a_cut_mp4_a_pipe_and_an_absent_file_are_one_line(tmp_path):
    path = write_video(tmp_path / "a.mp4", numbered_pictures(COUNT))
    path.write_bytes(path.read_bytes()[:2000])
    os.mkfifo(tmp_path / "pipe.mp4")
    for name in ("a.mp4", "pipe.mp4", "absent.mp4"):
        with pytest.raises(BadInput, match=rf"{name}"):
            read_frame(tmp_path / name, 0)


def test_a_large_frame_is_not_decoded(tmp_path):
    path = write_video(tmp_path / "a.mp4", numbered_pictures(3))
    with pytest.raises(BadInput, match=r"96 x 64 pixels .*"):
        read_frame(path, 0, Limits(pixels=6000))
