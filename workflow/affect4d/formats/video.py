"""Single frames of videos by their index, decoded by PyAV, which carries its FFmpeg.

A frame's index counts frames in the order in which they are shown, from 0, whatever their rate.
Packets are read once to learn the times of all frames; then only what lies between a frame and the
key frame before it is decoded.
"""

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from affect4d.formats.limits import DEFAULT, Limits
from affect4d.quarantine import BadInput

SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg")
# Containers that hold their frames themselves: a playlist would name other files.
_OPTIONS = {"format_whitelist": "mov,avi,matroska,webm,mpeg", "protocol_whitelist": "file"}
_MAX_PACKETS = 4_000_000  # 18 hours at 60 frames/s; reading so many takes some 10 s
_CACHED = 8  # indices of videos that are kept: frames of one are read one after another
_RIGHT_ANGLE = 90  # degrees
_MAX_REASON = 160  # characters of FFmpeg's message

RGB: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True)
class FrameTimes:
    """When frames are shown, in the stream's unit of time.

    Attributes
    ----------
    shown : of all frames, sorted; empty where the container does not state it
    keys : of frames that need no other, sorted
    count : frames
    """

    shown: list[int]
    keys: list[int]
    count: int


def is_video(path: Path | str) -> bool:
    """Whether a file's suffix is that of a video."""
    return str(path).lower().endswith(SUFFIXES)


def count_frames(path: Path) -> int:
    """How many frames a video holds; none is decoded.

    Raises
    ------
    BadInput
        It cannot be read as a video.
    """
    return _times(path).count


def read_frame(path: Path, index: int, limits: Limits = DEFAULT) -> RGB:
    """One frame of a video as (H, W, 3) RGB, upright as its metadata say.

    Parameters
    ----------
    path : the video, a regular file
    index : number of the frame in the order in which they are shown, from 0
    limits : pixels and sides of a frame

    Raises
    ------
    BadInput
        It cannot be read as a video, is larger than the limits, or has no such frame.
    """
    times = _times(path)
    if index >= times.count:
        rule = f"it has {times.count} frames: there is none of the number {index}"
        raise BadInput(path, rule, "copy the video again, or correct its labels")
    with _opened(path) as container:
        _check_size(container, path, limits)
        frame = _decode(container, times, index) or _decode_from_start(container, index)
        if frame is None:
            rule = f"frame {index} cannot be decoded (truncated?)"
            raise BadInput(path, rule, "copy the video again")
        return _upright(frame, path)


def read_frames(path: Path, limits: Limits = DEFAULT) -> Iterator[RGB]:
    """All frames of a video, (H, W, 3) each, upright; errors as of `read_frame`."""
    with _opened(path) as container:
        _check_size(container, path, limits)
        for frame in container.decode(video=0):
            yield _upright(frame, path)


def frame_seconds(path: Path, default_rate: float) -> list[float]:
    """When the frames of a video are shown, s from the first; BadInput as of `count_frames`.

    `default_rate` is the frames per second where the container does not state times.
    """
    times = _times(path)
    if not times.shown:
        return [number / default_rate for number in range(times.count)]
    with _opened(path) as container:
        unit = container.streams.video[0].time_base or 0
        return [float((shown - times.shown[0]) * unit) for shown in times.shown]


def _check_size(container: InputContainer, path: Path, limits: Limits) -> None:
    context = container.streams.video[0].codec_context
    width, height = context.width, context.height
    if max(width, height) > limits.side or width * height > limits.pixels:
        rule = f"frames of {width} x {height} pixels are more than {limits.pixels:,}"
        raise BadInput(path, rule, "scale it down, or raise `neutrals.limits`")


def _times(path: Path) -> FrameTimes:
    try:
        state = path.stat()
    except OSError as error:
        raise BadInput(path, f"cannot be read ({error.strerror})", "check the file") from None
    return _read_times(path, state.st_size, state.st_mtime_ns)


@lru_cache(_CACHED)
def _read_times(path: Path, size: int, modified: int) -> FrameTimes:
    """The times of a file of that size, changed at that time."""
    shown: list[int] = []
    keys: list[int] = []
    count, is_timed = 0, True
    with _opened(path) as container:
        for packet in islice(container.demux(video=0), _MAX_PACKETS + 1):
            if not packet.size or packet.is_discard:
                continue
            count += 1
            is_timed = is_timed and packet.pts is not None
            if is_timed and packet.pts is not None:
                shown.append(packet.pts)
                if packet.is_keyframe:
                    keys.append(packet.pts)
    if count > _MAX_PACKETS:
        raise BadInput(path, f"it has more than {_MAX_PACKETS:,} frames", "cut it into parts")
    if not is_timed or len(set(shown)) != count:
        return FrameTimes([], [], count)
    return FrameTimes(sorted(shown), sorted(keys), count)


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    """The container, with whatever FFmpeg raises as BadInput."""
    if not path.is_file():
        raise BadInput(path, "it is no regular file", "give the file itself")
    try:
        with av.open(str(path.resolve()), options=_OPTIONS) as container:
            if not container.streams.video:
                raise BadInput(path, "it holds no pictures", "give a video")
            yield container
    except BadInput:
        raise
    except (av.FFmpegError, ValueError, OSError, EOFError) as error:
        reason = " ".join(str(error).split())[:_MAX_REASON]
        rule = f"cannot be read as a video ({reason})"
        raise BadInput(path, rule, "copy it again, or convert it to MP4") from None


def _decode(container: InputContainer, times: FrameTimes, index: int) -> VideoFrame | None:
    """The frame, from the last key frame that is shown no later on; None where that fails."""
    if not times.shown:
        return None
    wanted = times.shown[index]
    before = bisect_right(times.keys, wanted)
    if not before:
        return None
    container.seek(times.keys[before - 1], stream=container.streams.video[0])
    started = False
    for frame in container.decode(video=0):
        if frame.pts is None or (not started and frame.pts > times.keys[before - 1]):
            return None
        started = True
        if frame.pts >= wanted:
            return frame if frame.pts == wanted else None
    return None


def _decode_from_start(container: InputContainer, index: int) -> VideoFrame | None:
    container.seek(0)
    return next(islice(container.decode(video=0), index, None), None)


def _upright(frame: VideoFrame, path: Path) -> RGB:
    """The pixels, turned as the metadata ask for."""
    turns, rest = divmod(frame.rotation, _RIGHT_ANGLE)
    if rest:
        rule = f"its metadata turn frames by {frame.rotation} degrees"
        raise BadInput(path, rule, "export it upright")
    pixels = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(pixels, turns))
