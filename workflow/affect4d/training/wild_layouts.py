"""Rendered clips laid out as AFEW-VA's, or as Aff-Wild's: the databases' own adapters read them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import av
import numpy as np

from affect4d.formats.images import write_image
from affect4d.formats.landmarks import write_pts
from affect4d.gallery.synthetic.wild import Clip
from affect4d.neutrals.databases.subjects import SUBJECTS

FRAME_RATE = 25  # frames per second that a video states; nothing reads it


def write_afew_va(folder: Path, clip: Clip) -> None:
    """`NNN/NNN.json` beside `NNN/00000.png`, ...; annotations are whole numbers in [-10, 10]."""
    here, frames = folder / clip.name, {}
    here.mkdir()
    for index, image in enumerate(clip.images):
        write_image(here / f"{index:05d}.png", image)
        valence, arousal = (10 * clip.affect[index]).round().astype(int).tolist()
        frames[f"{index:05d}"] = {
            "valence": valence,
            "arousal": arousal,
            "landmarks": clip.landmarks[index].round(3).tolist(),
        }
    content = {"actor": clip.person, "video_id": clip.name, "frames": frames}
    text = json.dumps(content, indent=1, sort_keys=True)
    (here / f"{clip.name}.json").write_text(text + "\n", encoding="utf-8")


def write_aff_wild(folder: Path, clip: Clip) -> None:
    """`videos/train/NNN.avi` (lossless), `annotations/train/{valence,arousal}/NNN.txt`, landmarks.

    Whom a video shows is in `subjects.csv`, as a user writes it.
    """
    for axis, values in zip(("valence", "arousal"), clip.affect.T, strict=True):
        labels = folder / "annotations/train" / axis / f"{clip.name}.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(labels, values, fmt="%.4f")
    landmarks = folder / "landmarks/train" / clip.name
    landmarks.mkdir(parents=True)
    for index, points in enumerate(clip.landmarks):
        write_pts(landmarks / f"{index:05d}.pts", points)
    video = folder / "videos/train" / f"{clip.name}.avi"
    video.parent.mkdir(parents=True, exist_ok=True)
    _write_video(video, clip)
    subjects = folder / SUBJECTS
    start = "" if subjects.is_file() else "video,subject\n"
    with subjects.open("a", encoding="utf-8") as file:
        file.write(f"{start}{clip.name},{clip.person}\n")


def _write_video(path: Path, clip: Clip) -> None:
    """Encode a clip's images without loss."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=FRAME_RATE)
        stream.height, stream.width = clip.images.shape[1:3]
        stream.pix_fmt = "bgr0"  # without loss, of 8 bits per channel
        for image in clip.images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


WRITERS: Mapping[str, Callable[[Path, Clip], None]] = {
    "afew_va": write_afew_va,
    "aff_wild": write_aff_wild,
}
