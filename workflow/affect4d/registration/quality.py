"""What is measured of every registered frame, and the flags that follow from it."""

from dataclasses import astuple, dataclass, fields

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
)


@dataclass(frozen=True)
class Quality:
    """One frame's measures.

    Attributes
    ----------
    landmark_residual : mm, mean leave-one-out residual of the kept landmarks
    landmarks_dropped : number of landmarks dropped or relabelled
    similarity_residual : mm, weighted mean after the similarity
    scale : size of the scan relative to the template, units corrected
    scale_change : size relative to the sequence's median; NaN for a frame by itself
    disagreement : how far the kept landmarks as a whole lie from where landmarks and surface
        together put them, in standard errors of their noise
    flipped : share of the inner face's triangles turned over by the warp
    seen : share of the inner face that was seen
    mirrored : 1 where the landmarks formed a mirror image
    unit : millimetres in one unit of the scan
    jitter : mm, distance of the inner face from the mean of its neighbours; NaN for a single frame
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

    def row(self):
        """The measures in the order of `MEASURES`."""
        return astuple(self)

    def flags(self, settings):
        """Bit mask over `FLAGS` under the thresholds of the registration's settings."""
        raised = (
            self.landmarks_dropped > 0 or self.landmark_residual > settings.max_landmark_residual,
            self.similarity_residual > settings.max_similarity_residual,
            self.flipped > settings.max_flipped,
            self.seen < settings.min_seen,
            self.mirrored > 0,
            self.unit != 1.0,
            not 1.0 / settings.max_scale <= self.scale <= settings.max_scale
            or abs(self.scale_change - 1.0) > settings.max_scale_change,
            self.jitter > settings.max_jitter,
            self.disagreement > settings.max_disagreement,
        )
        return sum(1 << bit for bit, up in enumerate(raised) if up)


MEASURES = tuple(field.name for field in fields(Quality))


def flag_names(flags):
    """Names of the bits set in a mask."""
    return [name for bit, name in enumerate(FLAGS) if int(flags) >> bit & 1]
