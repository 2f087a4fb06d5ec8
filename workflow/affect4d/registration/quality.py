"""What is measured of every registered frame, and the flags that follow from it."""

from dataclasses import astuple, dataclass, fields
from math import isnan

from affect4d.config.registration import Settings

# Bit i of a frame's flags has this name.
FLAGS = (
    "landmarks",
    "similarity",
    "folded",
    "unseen",
    "mirrored",
    "unit",
    "scale",
    "jitter",
    "disagreement",
    "unlike",
)

REMEDIES = {
    "landmarks": "mark the face again",
    "similarity": "check the landmarks; their order may be another mark-up's",
    "folded": "check mesh and landmarks",
    "unseen": "nothing, if the scan has holes; else export all of it",
    "mirrored": "export the scan without mirroring it, or put left and right landmarks in order",
    "unit": "export the scan in millimetres",
    "scale": "check the landmarks and the scan's unit",
    "jitter": "check the frames beside it",
    "disagreement": "give mesh and landmarks of the same frame, in the same coordinates",
    "unlike": "check mesh and landmarks; nothing, if the person is so unlike the others",
}


@dataclass(frozen=True)
class Quality:
    """One frame's measures.

    Attributes
    ----------
    landmark_residual : mm, mean leave-one-out residual of the kept landmarks
    landmarks_dropped : number of landmarks dropped or relabelled
    similarity_residual : mm, weighted mean after the similarity
    scale : size of the scan relative to the template, units corrected
    scale_change : size relative to the sequence's median; NaN for a single frame
    disagreement : how far the kept landmarks as a whole lie from where landmarks and surface
        together put them, in standard errors of their noise
    flipped : share of the inner face's triangles turned over by the warp
    seen : share of the inner face that was seen
    mirrored : 1 where the landmarks formed a mirror image
    unit : millimetres in one unit of the scan
    jitter : mm, distance of the inner face from the mean of its neighbours; NaN for a single frame
    unlikeness : deviation of the face, in a sequence of its neutral one, from the template's, over
        the median of the people to whom it is adapted; NaN where it is not
    """

    landmark_residual: float
    landmarks_dropped: float
    similarity_residual: float
    scale: float
    scale_change: float
    disagreement: float
    flipped: float
    seen: float
    mirrored: float
    unit: float
    jitter: float
    unlikeness: float

    def row(self) -> tuple[float, ...]:
        """The measures in the order of `MEASURES`."""
        return astuple(self)

    def flags(self, settings: Settings) -> int:
        """Bit mask over `FLAGS` under the thresholds of the registration's settings."""
        adapted = not isnan(self.unlikeness)
        max_residual = (
            settings.max_adapted_residual if adapted else settings.max_similarity_residual
        )
        raised = (
            self.landmarks_dropped > 0 or self.landmark_residual > settings.max_landmark_residual,
            self.similarity_residual > max_residual,
            self.flipped > settings.max_flipped,
            self.seen < settings.min_seen,
            self.mirrored > 0,
            self.unit != 1.0,
            not 1.0 / settings.max_scale <= self.scale <= settings.max_scale
            or abs(self.scale_change - 1.0) > settings.max_scale_change,
            self.jitter > settings.max_jitter,
            self.disagreement > settings.max_disagreement,
            self.unlikeness > settings.max_unlikeness,
        )
        return sum(1 << bit for bit, is_raised in enumerate(raised) if is_raised)


MEASURES = tuple(field.name for field in fields(Quality))


def flag_names(flags: int) -> list[str]:
    """Names of the bits set in a mask."""
    return [name for bit, name in enumerate(FLAGS) if int(flags) >> bit & 1]


def reasons(settings: Settings) -> dict[str, str]:
    """{flag: what raises it}, under the thresholds of the registration's settings."""
    return {
        "landmarks": "a landmark dropped or relabelled, or a mean residual above "
        f"{settings.max_landmark_residual:g} mm",
        "similarity": f"landmarks over {settings.max_similarity_residual:g} mm from the template's "
        f"({settings.max_adapted_residual:g} mm where it is adapted)",
        "folded": f"more than {settings.max_flipped:g} of the face turned over",
        "unseen": f"less than {settings.min_seen:g} of the face seen",
        "mirrored": "the landmarks are a mirror image",
        "unit": "the scan is not in millimetres",
        "scale": f"more than {settings.max_scale:g} times as large or small as the template, or "
        f"{settings.max_scale_change:.0%} beside its sequence's size",
        "jitter": f"more than {settings.max_jitter:g} mm from the mean of its neighbours",
        "disagreement": "landmarks as a whole beside the surface, or turned against it, by over "
        f"{settings.max_disagreement:g} standard errors",
        "unlike": f"over {settings.max_unlikeness:g} times as far from the adapted template as its "
        "people are in the median",
    }
