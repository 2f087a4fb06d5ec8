"""A folder of scans with its table, as a user has them, and the gallery that is built of it."""

import csv
from pathlib import Path

import pandas as pd

from affect4d.config.gallery import Manifest, Settings, files_root
from affect4d.gallery.frames import write_annotations, write_frames
from affect4d.gallery.jobs import (
    chunks,
    file_states,
    scans_digest,
)
from affect4d.gallery.manifest import read_annotations, write_scans, write_table
from affect4d.gallery.user_table import scan_rows
from support.contexts import context


class Source:
    """A folder of scans with its table, and the build of its gallery."""

    def __init__(self, folder):
        self.folder, self.results = folder / "scans", folder / "results"
        self.settings = Settings(
            source="manifest",
            manifest=Manifest(
                root=str(self.folder), table=str(folder / "t.csv"), sequences_per_job=2
            ),
        )
        self.folder.mkdir()
        self.rows = [
            self._row(subject, kind, frame)
            for subject in ("p1", "p2")
            for kind in ("talk", "fear")
            for frame in range(3)
        ]
        self.write()

    def _row(self, subject, kind, frame):
        posed, sequence = kind == "fear", f"{subject}_1_{kind}"
        for suffix in ("obj", "jpg", "pts"):
            (self.folder / f"{sequence}_{frame}.{suffix}").write_text(sequence)
        return {
            "subject": subject,
            "session": "1",
            "sequence": sequence,
            "frame": str(frame),
            "mesh": f"{sequence}_{frame}.obj",
            "texture": f"{sequence}_{frame}.jpg",
            "landmarks": f"{sequence}_{frame}.pts",
            "valence": "" if posed else str(frame / 4),
            "arousal": "" if posed else "-0.5",
            "expression": "fear" if posed else "",
            "is_apex": "true" if posed and frame == 2 else "false",
            "is_neutral": "true" if frame == 0 else "false",
        }

    def write(self):
        with Path(self.settings.manifest.table).open("w", newline="") as handle:
            writer = csv.DictWriter(handle, list(dict.fromkeys(k for r in self.rows for k in r)))
            writer.writeheader()
            writer.writerows(self.rows)

    def context(self, inputs=(), strict=False):
        return context(self.results, "gallery", strict=strict, inputs=tuple(inputs))

    def build(self, strict=False):
        """Run the four rules; the frames and the quarantine."""
        gallery, settings = self.results / "gallery", self.settings
        write_table(settings, self.context([Path(settings.manifest.table)], strict))
        for chunk in chunks(settings):
            write_scans(chunk, settings, self.context([], strict))
        here = self.context([gallery / "table.manifest.json"], strict)
        write_annotations(read_annotations(settings, here), here)
        manifests = [gallery / f"scans/{chunk}.manifest.json" for chunk in chunks(settings)]
        here = self.context([*manifests, gallery / "annotations.manifest.json"])
        write_frames(list(chunks(settings)), files_root(settings, self.results), here)
        rejected = pd.read_csv(gallery / "quarantine.csv", dtype=str, keep_default_na=False)
        return pd.read_parquet(gallery / "frames.parquet"), rejected

    def scans(self):
        """The bytes of every chunk's table and manifest."""
        found = sorted((self.results / "gallery/scans").glob("*.*"))
        return {path.name: path.read_bytes() for path in found}

    def digests(self):
        """What the scans of each chunk depend on."""
        return {
            chunk: scans_digest(rows, file_states(rows, str(self.folder)))
            for chunk, rows in scan_rows(self.settings).items()
        }
