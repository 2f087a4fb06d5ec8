"""Small videos for tests: encoded by PyAV, then changed as cameras and broken copies do."""

import struct
from fractions import Fraction

import av
import numpy as np


def write_video(path, pictures, *, codec="libx264", times=None, **options):
    """Encode pictures (H, W, 3) RGB; `times` are when each is shown, in thousandths of a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"g": "12", **options})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def turn_by_metadata(path, clockwise):
    """Change an MP4's display matrix, as telephones do, by a multiple of 90 degrees."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 4 + 40  # the header's fields before the matrix, ISO 14496-12
    cos, sin = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[clockwise]
    one, w = 1 << 16, 1 << 30
    matrix = (cos * one, sin * one, 0, -sin * one, cos * one, 0, 0, 0, w)
    content[start : start + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(content)
    return path


def numbered_pictures(count, shape=(64, 96)):
    """Pictures of which each differs from every other, with an upper left corner that is bright."""
    rng = np.random.default_rng(3)
    still = rng.integers(60, 120, (*shape, 3)).astype(np.uint8)
    pictures = []
    for number in range(count):
        picture = still.copy()
        picture[: shape[0] // 4, : shape[1] // 4] = 250
        picture[shape[0] // 2 :, (3 * number) % shape[1] :] //= 2
        pictures.append(picture)
    return pictures


def all_frames(path):
    """Every frame of a video as FFmpeg decodes it from the start, (N, H, W, 3) RGB as stored."""
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])
