"""Whether the detector of landmarks is installed; asked where the workflow is parsed."""

from importlib.util import find_spec


def has_detector() -> bool:
    """Whether MediaPipe is installed."""
    return find_spec("mediapipe") is not None
