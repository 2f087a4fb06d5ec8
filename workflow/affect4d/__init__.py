"""From valence-arousal annotated 4D scans and neutral photographs to labelled image datasets."""

__version__ = "0.1.0"
