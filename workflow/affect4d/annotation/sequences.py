"""What is annotated: a video, a folder of frames, or a registered 4D sequence, as JPEG files."""

import re
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts.registration import TEMPLATE
from affect4d.formats.images import encode_jpeg, read_image
from affect4d.formats.video import frame_seconds, is_video, read_frames
from affect4d.geometry.shading import render
from affect4d.plotting.faces import FACE_FRAME, PORTRAIT
from affect4d.quarantine import BadInput, as_bad_input
from affect4d.registration.registered_sequence import RegisteredSequence
from affect4d.system_files import find_files

_IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
SIDE = 640  # pixels at most: faces are shown at half a screen
QUALITY = 85  # of JPEG
_NAME = re.compile(r"[A-Za-z0-9._+-]+")
RGB = NDArray[np.uint8]


@dataclass(frozen=True)
class Sequence:
    """A sequence that can be played.

    Attributes
    ----------
    path : of the video, the folder, or the store registered/NAME.zarr
    times : when each frame is shown, s from the first
    images : the files of a folder of frames, in order
    """

    path: Path
    times: list[float]
    images: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """The file's or folder's name without suffix."""
        return self.path.name if self.images else self.path.stem

    def pictures(self) -> Iterator[RGB]:
        """The frames (H, W, 3), one after another; BadInput or StoreError where one is damaged."""
        if self.images:
            yield from map(read_image, self.images)
        elif is_video(self.path):
            yield from read_frames(self.path)
        else:
            sequence = RegisteredSequence(self.path)
            triangles = store.open(TEMPLATE.path(self.path.parents[1]))["triangles"][...]
            for row in range(len(sequence.frame_ids)):
                vertices = sequence.vertices(row)
                yield render(vertices, triangles, shape=PORTRAIT, frame=FACE_FRAME)


def open_sequence(path: Path, fps: float) -> Sequence:
    """The sequence of a path.

    Parameters
    ----------
    path : a video, a folder of images (ordered by the numbers in their names), or a registered
        sequence of a build
    fps : frames per second of what does not state them

    Raises
    ------
    BadInput
        It is none of these, or its name cannot be a folder's.
    """
    if path.suffix == ".zarr":
        sequence = Sequence(path, _regular(len(RegisteredSequence(path).frame_ids), fps))
    elif path.is_dir():
        found = [p for p in find_files(path, "*") if p.suffix.lower() in _IMAGES and p.is_file()]
        images = tuple(sorted(found, key=_number))
        sequence = Sequence(path.resolve(), _regular(len(images), fps), images)
    elif is_video(path):
        sequence = Sequence(path, frame_seconds(path, fps))
    else:
        remedy = "give a video, a folder of images, or registered/NAME.zarr of a build"
        raise BadInput(path, "is no sequence that can be played", remedy)
    if not sequence.times:
        raise BadInput(path, "has no frame", "give a folder of images, or another file")
    if not _NAME.fullmatch(sequence.name):
        remedy = "use letters, digits and . _ + - only: annotations lie in a folder of its name"
        raise BadInput(path, f"is named {sequence.name!r}", remedy)
    return sequence


def _regular(count: int, fps: float) -> list[float]:
    return [number / fps for number in range(count)]


def _number(path: Path) -> tuple[list[int], str]:
    """Sorts frame10 after frame9."""
    return [int(digits) for digits in re.findall(r"\d+", path.stem)], path.name


class FrameCache:
    """The frames of sequences as JPEG files in a folder that is removed with it.

    A sequence is decoded from its beginning once a frame of it is asked for, in a thread of its
    own: while it plays no frame waits for a seek, and it starts with its first frame.
    """

    def __init__(self, sequences: list[Sequence]) -> None:
        self.sequences = sequences
        self._folder = tempfile.TemporaryDirectory(prefix="affect4d-frames-")
        self._counts: dict[int, int] = {}
        self._ended: dict[int, BadInput | None] = {}
        self._changed = threading.Condition()
        self._is_closed = False

    def frame(self, sequence: int, index: int) -> bytes:
        """JPEG bytes of a frame, once it is decoded.

        Raises
        ------
        BadInput
            There is no such frame, or the sequence is damaged before it.
        """
        if not 0 <= sequence < len(self.sequences):
            raise BadInput(sequence, "there is no such sequence", "reload the page")
        with self._changed:
            if sequence not in self._counts:
                self._counts[sequence] = 0
                threading.Thread(target=self._decode, args=[sequence], daemon=True).start()
            self._changed.wait_for(
                lambda: index < self._counts[sequence] or sequence in self._ended
            )
            if not 0 <= index < self._counts[sequence]:
                path, remedy = self.sequences[sequence].path, "copy it again"
                raise self._ended.get(sequence) or BadInput(path, f"has no frame {index}", remedy)
        return self._path(sequence, index).read_bytes()

    def close(self) -> None:
        """Remove the files."""
        self._is_closed = True
        with self._changed:
            self._changed.wait_for(lambda: self._counts.keys() == self._ended.keys())
        self._folder.cleanup()

    def _decode(self, sequence: int) -> None:
        problem = None
        try:
            for index, picture in enumerate(self.sequences[sequence].pictures()):
                if self._is_closed:
                    break
                self._path(sequence, index).write_bytes(encode_jpeg(_shrink(picture), QUALITY))
                with self._changed:
                    self._counts[sequence] = index + 1
                    self._changed.notify_all()
        except (BadInput, OSError) as error:
            problem = as_bad_input(error, self.sequences[sequence].path)
        except store.StoreError as error:
            problem = BadInput(self.sequences[sequence].path, error, "build it again")
        finally:
            with self._changed:
                self._ended[sequence] = problem
                self._changed.notify_all()

    def _path(self, sequence: int, index: int) -> Path:
        return Path(self._folder.name, f"{sequence}_{index}.jpg")


def _shrink(picture: RGB) -> RGB:
    height, width = picture.shape[:2]
    scale = SIDE / max(height, width)
    if scale >= 1:
        return picture
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
