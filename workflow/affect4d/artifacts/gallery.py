"""The gallery's tables."""

TASKS = ("posed", "spontaneous")

SCAN_COLUMNS = (
    "frame_id", "subject", "session", "sequence", "task", "frame", "mesh", "texture", "landmarks",
    "markup", "expression", "is_apex", "is_neutral",
)  # fmt: skip

FRAME_COLUMNS = (
    "frame_id", "subject", "session", "sequence", "frame", "mesh", "landmarks", "valence",
    "arousal", "expression", "is_apex", "is_neutral", "task", "texture",
)  # fmt: skip
