"""The gallery: where scans and their valence-arousal annotations come from.

Three sources give the same artifacts: `synthetic`, an embedded gallery of synthetic people whose
truth is known; `ict_facekit`, the same with the people of a clone of ICT-FaceKit, on a topology of
their own; and `manifest`, a table of scans on disk (4DFAB or any other).
"""
