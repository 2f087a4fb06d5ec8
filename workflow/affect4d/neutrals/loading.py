"""One candidate from its files: the image, its landmarks, and what a person should look at."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from affect4d.fitting.detection import detect_faces
from affect4d.fitting.landmark_evidence import describe_mismatch
from affect4d.formats.images import read_photograph
from affect4d.formats.limits import Limits
from affect4d.formats.polygons import Mesh
from affect4d.formats.video import count_frames, is_video, read_frame
from affect4d.neutrals.candidates import Candidate
from affect4d.neutrals.landmarks import DETECTOR
from affect4d.quarantine import BadInput
from affect4d.template.nose_ridge import photograph_vertices

if TYPE_CHECKING:
    from affect4d.registration.registrar import Registrar

_FACE_PX = 32  # side of the faces that are compared: details and noise are averaged out


class Loaded(NamedTuple):
    """What is used of a candidate.

    Attributes
    ----------
    image : (H, W, 3)
    landmarks : (68, 2) pixels counted from 0
    notes : what a person should look at, "" where there is nothing
    scan : the registered scan of which the image is a view, None of a photograph
    """

    image: NDArray[np.uint8]
    landmarks: NDArray[np.float64]
    notes: str
    scan: Mesh | None = None


def load(candidate: Candidate, limits: Limits, registrar: Callable[[], "Registrar"]) -> Loaded:
    """The candidate's image and landmarks as they are used.

    Parameters
    ----------
    candidate : a scan is registered
    limits : what its files may take
    registrar : gives what registers scans

    Raises
    ------
    BadInput
        One of them cannot be used.
    """
    if candidate.image_from != "file":
        return _load_scan(candidate, limits, registrar())
    loaded = read_candidate(candidate, limits)
    is_detected = candidate.landmarks_by == DETECTOR
    mismatch = "" if is_detected else describe_mismatch(loaded.image, loaded.landmarks)
    return loaded._replace(notes="; ".join(filter(None, [loaded.notes, mismatch])))


def read_candidate(candidate: Candidate, limits: Limits) -> Loaded:
    """The candidate's image and landmarks, which are not compared with each other.

    A scan is not registered.

    Raises
    ------
    BadInput
        One of them cannot be used.
    """
    if candidate.image_from != "file":
        from affect4d.neutrals.scans import read_scan  # without the libraries of registration

        scan = read_scan(candidate, limits)
        return Loaded(scan.image, scan.landmarks, "")
    image, note = _read(candidate, limits)
    return Loaded(image, _landmarks(candidate, image, limits), note)


def _load_scan(candidate: Candidate, limits: Limits, registrar: "Registrar") -> Loaded:
    """The view of a scan; its landmarks are the registered scan's."""
    from affect4d.fitting.scan_fits import to_pixels
    from affect4d.neutrals.scans import read_scan, register_scan

    scan = read_scan(candidate, limits)
    mesh = register_scan(scan, registrar, candidate.path)
    assert mesh.uv is not None, "see register_scan"
    template = registrar.template
    at = photograph_vertices(template.vertices, template.landmark_vertices)
    landmarks = to_pixels(mesh.uv[at], scan.image.shape)
    unit = scan.alignment.unit
    note = "" if unit == 1 else f"the scan's unit is taken for {unit:g} mm"
    return Loaded(scan.image, landmarks, note, mesh)


def difference(one: Loaded, other: Loaded) -> float:
    """Mean difference of two faces at 32 x 32 pixels, in grey levels."""
    faces = [_small_face(loaded) for loaded in (one, other)]
    return float(np.abs(faces[0] - faces[1]).mean())


def _read(candidate: Candidate, limits: Limits) -> tuple[NDArray[np.uint8], str]:
    """The image, and a note on it."""
    if not is_video(candidate.path):
        return read_photograph(candidate.path, limits)
    image = read_frame(candidate.path, candidate.frame, limits)
    count = count_frames(candidate.path)
    differs = candidate.frames and count != candidate.frames
    return image, f"{count} frames, {candidate.frames} labels" if differs else ""


def _landmarks(
    candidate: Candidate, image: NDArray[np.uint8], limits: Limits
) -> NDArray[np.float64]:
    if candidate.landmarks_by == DETECTOR:
        faces = detect_faces(image, candidate.path)
        if candidate.face:
            middles = [float(face[:, 0].mean()) for face in faces]
            chosen = np.argmin(middles) if candidate.face == "left" else np.argmax(middles)
            return faces[int(chosen)]
        return faces[0]
    landmarks = candidate.read_landmarks(limits)
    size = np.array([image.shape[1], image.shape[0]])
    if ((landmarks < -size) | (landmarks > 2 * size)).any():
        raise BadInput(
            candidate.landmarks_path or candidate.path,
            f"landmarks lie far outside the image of {size[0]} x {size[1]} pixels",
            "annotate them on this very image",
        )
    return landmarks


def _small_face(loaded: Loaded) -> NDArray[np.float64]:
    """Luminance of the square around the landmarks, (32, 32)."""
    low, high = loaded.landmarks.min(0), loaded.landmarks.max(0)
    side = max(float((high - low).max()), 1.0)
    scale, corner = _FACE_PX / side, (low + high - side) / 2
    matrix = np.array([[scale, 0, -scale * corner[0]], [0, scale, -scale * corner[1]]])
    grey = cv2.cvtColor(loaded.image, cv2.COLOR_RGB2GRAY)
    if scale < 1:  # the pixels of a smaller picture are means over those of a larger
        grey = cv2.GaussianBlur(grey, (0, 0), 0.5 / scale)
    small = cv2.warpAffine(grey, matrix, (_FACE_PX, _FACE_PX), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(small, dtype=np.float64)
