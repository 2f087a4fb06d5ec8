"""From valence-arousal annotated 4D scans and neutral photographs to labelled image datasets."""

from affect4d.kernel_cache import ensure_cache_folder

ensure_cache_folder()
