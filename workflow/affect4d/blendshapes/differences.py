"""Difference vectors: a registered frame minus the neutral mesh of its own sequence (rule 2)."""

import hashlib


def spread(frames, most):
    """At most `most` frames, taken in turn from each subject, in the table's order.

    Within a subject the order is that of the digests of the frames' names, so that the choice
    depends neither on the order of the table nor on chance.
    """
    if len(frames) <= most:
        return frames
    digests = [hashlib.sha256(str(name).encode()).hexdigest() for name in frames["frame_id"]]
    ordered = frames.assign(_digest=digests).sort_values("_digest")
    ordered["_turn"] = ordered.groupby("subject").cumcount()
    taken = ordered.sort_values(["_turn", "_digest"]).index[:most]
    return frames.loc[frames.index.isin(taken)]
