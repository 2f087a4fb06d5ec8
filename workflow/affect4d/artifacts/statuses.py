"""The statuses of frames, classes and places of the plane, as the tables and stores write them."""

# frames
USED, UNANNOTATED, QUARANTINED = "used", "unannotated", "quarantined"
FLAGGED, UNREGISTERED = "flagged", "unregistered"

# classes
OK, INSUFFICIENT, EMPTY = "ok", "insufficient", "empty"

# places of the plane, and classes of the atlas
INTERPOLATED, EXTRAPOLATED = "interpolated", "extrapolated"
STATUSES = [EMPTY, INSUFFICIENT, OK, INTERPOLATED]
