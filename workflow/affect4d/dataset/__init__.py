"""The dataset: synthesized images published as Parquet shards with labels, card and checksums.

Every neutral image is a row beside the images made from it; splits are by subject.
"""

from affect4d.dataset.publish import publish_dataset

__all__ = ["publish_dataset"]
