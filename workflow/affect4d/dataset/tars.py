"""WebDataset shards: tar files with one sample per neutral image and all images made from it.

A sample is some files of one name, which derives from that of its neutral image: `NAME.json`, which
holds the columns of its images, and `NAME.000.jpg`, `NAME.001.jpg`, ..., the neutral one first: the
bytes that the Parquet shards hold. The archives are ustar without time or owner, so the same
dataset gives the same bytes.
"""

import io
import json
import tarfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pandas as pd

from affect4d.artifacts.dataset import TAR
from affect4d.dataset.shards import Encoded, divide_people

KEY_CHARACTERS = 16  # 64 bits: of a billion samples two share a name with a chance of 3 %
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
    shard_rows : most images of a shard, unless it is one person's
    """
    for split, parts in divide_people(rows, shard_rows):
        for number, part in enumerate(parts):
            path = folder / "webdataset" / Path(TAR.name(shard=f"{split}-{number:06d}")).name
            path.parent.mkdir(exist_ok=True)
            with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
                for neutral, sample in _samples(part):
                    key = sha256(neutral.encode()).hexdigest()[:KEY_CHARACTERS]
                    _add_sample(archive, key, sample[names], encoded=encoded(sample))


def _samples(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each neutral image's name, and its rows, itself first."""
    for name, sample in rows.groupby("neutral_image_id", sort=True):
        yield str(name), sample.sort_values(["class", "sample", "image_id"])


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
