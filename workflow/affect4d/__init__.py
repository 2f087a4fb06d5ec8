"""From valence-arousal annotated 4D scans and neutral photographs to labelled image datasets."""

from affect4d.kernel_cache import ensure_cache_folder

__version__ = "0.1.0"

ensure_cache_folder()
