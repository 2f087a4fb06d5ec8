"""WebDataset shards: tar files with one sample per neutral image and all images made from it.

A sample is some files of one name: `000007.json`, which holds the columns of its images, and
`000007.000.jpg`, `000007.001.jpg`, ..., the neutral one first: the bytes that the Parquet shards
hold. The archives are ustar without time or owner, so the same dataset gives the same bytes.
"""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from affect4d.artifacts.dataset import SPLITS, TAR
from affect4d.dataset.shards import Encoded

_OF_SAMPLE = ("neutral_image_id", "database", "subject", "kind", "split")


def write_tars(
    folder: Path, rows: pd.DataFrame, names: list[str], *, encoded: Encoded, shard_rows: int
) -> None:
    """Write `{split}-000000.tar`, ... for every split that has rows.

    Parameters
    ----------
    folder : of the dataset
    rows : the dataset's rows, with `split`
    names : of the columns that a sample's JSON holds
    encoded : gives the images of some of the rows
    shard_rows : images after which a shard is full, as soon as its last sample is complete
    """
    for split in SPLITS:
        samples = list(_samples(rows[rows["split"] == split]))
        ends = pd.Series([len(sample) for sample in samples], dtype=int).cumsum()
        shards = pd.Series(samples, dtype=object).groupby((ends - 1) // shard_rows, sort=True)
        for number, (_, part) in enumerate(shards):
            path = folder / "webdataset" / Path(TAR.name(shard=f"{split}-{number:06d}")).name
            path.parent.mkdir(exist_ok=True)
            with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
                for key, sample in part.items():
                    _add_sample(archive, f"{key:06d}", sample[names], encoded=encoded(sample))


def _samples(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The rows of each neutral image, itself first."""
    for _, sample in rows.groupby(["database", "neutral_image_id"], sort=True):
        yield sample.sort_values(["class", "sample", "image_id"])


def _add_sample(
    archive: tarfile.TarFile, key: str, sample: pd.DataFrame, *, encoded: list[dict[str, bytes]]
) -> None:
    suffix = Path(str(encoded[0]["path"])).suffix
    files = [f"{number:03d}{suffix}" for number in range(len(sample))]
    described = sample.drop(columns=[*_OF_SAMPLE]).assign(file=files).astype(object)
    about = {name: sample[name].iloc[0] for name in _OF_SAMPLE}
    about["images"] = described.where(described.notna(), None).to_dict("records")
    text = json.dumps(about, sort_keys=True, ensure_ascii=False)
    _add(archive, f"{key}.json", text.encode())
    for name, image in zip(files, encoded, strict=True):
        _add(archive, f"{key}.{name}", image["bytes"])


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)  # of mode 644, time and owner 0
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
