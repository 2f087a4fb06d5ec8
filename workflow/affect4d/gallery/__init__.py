"""The gallery room: where scans and their valence-arousal annotations come from.

Two sources give the same artifacts: `synthetic`, an embedded gallery of synthetic people whose
truth is known, and `manifest`, a table of scans on disk (4DFAB or any other).
"""
