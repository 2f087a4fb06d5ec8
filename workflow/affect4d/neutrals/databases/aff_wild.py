"""Aff-Wild and Aff-Wild2: a label per frame of each video, or of each person in it (a track).

Only frames that are labelled neutral become candidates: videos have millions of others.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect4d.database_adapters import Adapter, Source
from affect4d.neutrals.candidates import Candidate, make_image_id, normalise, short_digest
from affect4d.neutrals.databases.labels import join_axes, read_labels
from affect4d.neutrals.databases.layout import Layout, NameMatcher, Pattern
from affect4d.neutrals.databases.listing import Listing, list_files, suffix_of
from affect4d.neutrals.databases.numbering import Base, Numbered, check_base, find_base
from affect4d.neutrals.databases.subjects import Entry, read_subjects, report_unused
from affect4d.neutrals.landmarks import DATABASE, DETECTOR, can_detect
from affect4d.quarantine import BadInput, as_bad_input

Labels: TypeAlias = NDArray[np.float64]  # (N, 2) valence and arousal per frame


class AffWildLayout(Layout):
    """How tracks are laid out.

    Attributes
    ----------
    labels : pattern of label files (.txt) with the group `track`, and `axis` with a file per axis
    track : pattern of a track's name with the groups `video` and `side`
    videos : suffixes
    crops : pattern of single frames with the groups `track` and `frame`
    crop_suffixes : their suffixes
    landmarks : pattern of landmark files (.pts) with the groups `track` and `frame`
    prefer : where frames come from if there are both
    first_crop, first_landmark : the number of the first frame's file
    invalid : label of frames that are not to be used
    tolerance : largest valence and arousal, without sign, of a neutral frame
    evidence : why a frame counts as neutral
    """

    labels: Pattern
    track: Pattern
    videos: list[str]
    crops: Pattern
    crop_suffixes: list[str]
    landmarks: Pattern
    prefer: Literal["videos", "crops"]
    first_crop: Base
    first_landmark: Base
    invalid: float
    tolerance: float
    evidence: str


@dataclass(frozen=True)
class Database:
    """What is known of a database before its tracks are read.

    Attributes
    ----------
    listing : its files
    labels : of each track, and the file they are from
    crops, landmarks : files by number, of each track
    first_crop, first_landmark : the first frame's number, None where it is not known
    """

    listing: Listing
    labels: dict[str, tuple[Path, Labels]]
    crops: dict[str, Numbered]
    landmarks: dict[str, Numbered]
    first_crop: int | None
    first_landmark: int | None


def find_aff_wild(source: Source[AffWildLayout]) -> list[Candidate]:
    """Candidates of every frame that is labelled neutral."""
    layout = source.layout
    listing = list_files(source.root, source.quarantine)
    entries = read_subjects(source, key="video")
    labels = _read_all_labels(source, listing)
    counts = {track: len(values) for track, (_, values) in labels.items()}
    crops = _numbered(listing, layout.crop_suffixes, layout.crops)
    landmarks = _numbered(listing, [".pts"], layout.landmarks)
    database = Database(
        listing, labels, crops, landmarks,
        find_base(crops, counts, layout.first_crop),
        find_base(landmarks, counts, layout.first_landmark),
    )  # fmt: skip
    candidates: list[Candidate] = []
    for track in sorted(labels):
        try:
            candidates += _candidates(source, database, track, entry=entries.get(track))
        except (BadInput, OSError) as error:
            problem = as_bad_input(error, labels[track][0])
            source.quarantine.add(make_image_id(source.name, track), problem)
    report_unused(source, entries, set(labels), what="track")
    return candidates


def _read_all_labels(
    source: Source[AffWildLayout], listing: Listing
) -> dict[str, tuple[Path, Labels]]:
    """The labels of every track; those of one file per axis are joined."""
    matcher = NameMatcher([source.layout.labels])
    axes: dict[str, dict[str, tuple[Path, Labels]]] = defaultdict(dict)
    for name in listing.with_suffix([".txt"]):
        match = matcher.match(name[: -len(suffix_of(name))])
        if match is None:
            continue
        axis, path = match.groupdict().get("axis", ""), source.root / name
        item = make_image_id(source.name, match["track"], axis).strip("_")
        try:
            values = read_labels(path, source.limits.side_file_bytes)
            if values is None or (not axis and values.shape[1] == 1):
                continue
            if axis in axes[match["track"]]:
                other = axes[match["track"]][axis][0]
                raise BadInput(
                    path, f"{other} has labels of the same track", "remove one of the two"
                )
            axes[match["track"]][axis] = path, values
        except BadInput as problem:
            source.quarantine.add(item, problem)
    labels = {}
    for track, found in axes.items():
        try:
            if found:
                labels[track] = _join(source, track, found)
        except BadInput as problem:
            source.quarantine.add(make_image_id(source.name, track), problem)
    return labels


def _join(
    source: Source[AffWildLayout], track: str, found: dict[str, tuple[Path, Labels]]
) -> tuple[Path, Labels]:
    path, _ = next(iter(found.values()))
    if "" in found:
        return found[""]
    joined = join_axes(found)
    lengths = {len(values) for _, values in found.values()}
    if len(lengths) > 1:
        rule = f"valence and arousal have {' and '.join(map(str, sorted(lengths)))} labels"
        _report(source, track, BadInput(path, rule, "the surplus labels are not used"))
    return path, joined


def _report(source: Source[Any], track: str, problem: BadInput) -> None:
    """A row about what is left out although no file of it is bad."""
    source.quarantine.leave_out(make_image_id(source.name, track), problem)


def _numbered(listing: Listing, suffixes: list[str], pattern: str) -> dict[str, Numbered]:
    """Numbered files of each track; the first of two with one number."""
    matcher = NameMatcher([pattern])
    found: dict[str, dict[int, str]] = defaultdict(dict)
    for name in listing.with_suffix(suffixes):
        match = matcher.match(name[: -len(suffix_of(name))])
        if match is not None:
            found[match["track"]].setdefault(int(match["frame"]), name)
    return dict(found)


@dataclass(frozen=True)
class Frames:
    """Where the frames of a track are, and the landmarks on them.

    Attributes
    ----------
    listing : the database's files
    video : the file, "" where crops are used
    numbered : crops, or else landmark files, by number
    first : number of the first frame's file
    side : which of several faces in the video, "left" or "right"; "": the only one
    """

    listing: Listing
    video: str
    numbered: Numbered
    first: int
    side: str

    def find(self, index: int) -> tuple[str, str | None]:
        """Image and landmark file of a frame; "" and None where there are none."""
        file = self.numbered.get(index + self.first)
        if self.video:
            return self.video, file
        return file or "", None if file is None else self.listing.beside(file, [".pts"])


def _candidates(
    source: Source[AffWildLayout], database: Database, track: str, *, entry: Entry | None
) -> Iterator[Candidate]:
    """Candidates of one track."""
    path, labels = database.labels[track]
    neutral = _neutral_frames(source, track, path, labels=labels)
    frames = _locate(source, database, track)
    named = track if entry is None or not entry.subject_id else entry.subject_name
    missing = []
    for index in neutral:
        image, landmarks = frames.find(index)
        if not image or not (landmarks or can_detect()):
            missing.append(index)
            continue
        yield Candidate(
            database=source.name,
            subject_id=normalise(named) or f"id_{short_digest(named)}",
            subject_name=named,
            image_id=make_image_id(source.name, track, f"{index:05d}"),
            path=source.root / image,
            source=image,
            frame=index,
            is_neutral=True,
            evidence=source.layout.evidence,
            landmarks_path=None if landmarks is None else source.root / landmarks,
            landmarks_source=landmarks or "",
            landmarks_by=DETECTOR if landmarks is None else DATABASE,
            valence=float(labels[index, 0]),
            arousal=float(labels[index, 1]),
            clip=track,
            frames=len(labels) if frames.video else 0,
            face=frames.side,
        )
    if missing:
        rule = f"{len(missing)} neutral frames have no image or no landmarks, first {missing[0]}"
        _report(source, track, BadInput(path, rule, "add them, or run `make detector`"))


def _locate(source: Source[AffWildLayout], database: Database, track: str) -> Frames:
    layout, (path, labels) = source.layout, database.labels[track]
    match = NameMatcher([layout.track]).match(track)
    if match is None:
        raise BadInput(path, f"its name does not match {layout.track}", "fix the YAML layout")
    video = _find_video(database.listing, match["video"], layout.videos)
    crops = database.crops.get(track, {})
    if not video and not crops:
        raise BadInput(path, f"{track} has neither a video nor a folder of frames", "copy it")
    if crops and (not video or layout.prefer == "crops"):
        video, numbered, key, base = "", crops, "first_crop", database.first_crop
    else:
        numbered = database.landmarks.get(track, {})
        key, base = "first_landmark", database.first_landmark
    first = check_base(path, numbered, len(labels), base=base, key=key) if numbered else 0
    if numbered and max(numbered) - first + 1 != len(labels):
        rule = f"{len(labels)} labels, files up to frame {max(numbered) - first}"
        _report(source, track, BadInput(path, rule, "what has no partner is not used"))
    side = match.groupdict().get("side") or ""
    return Frames(database.listing, video, numbered, first, side if video else "")


def _neutral_frames(
    source: Source[AffWildLayout], track: str, path: Path, *, labels: Labels
) -> list[int]:
    """Indices of the frames that are labelled neutral; labels that none can have are reported."""
    layout = source.layout
    is_valid = (labels != layout.invalid).all(axis=1)
    is_possible = (np.abs(labels) <= 1).all(axis=1)  # False for NaN
    wrong = np.flatnonzero(is_valid & ~is_possible)
    if len(wrong):
        shown = ", ".join(f"{value:g}" for value in labels[wrong[0]])
        rule = f"{len(wrong)} labels lie outside [-1, 1], the first ({shown}) at frame {wrong[0]}"
        problem = BadInput(path, rule, "annotate the frames again; values are never clipped")
        source.quarantine.add(make_image_id(source.name, track), problem)
    is_neutral = is_valid & (np.abs(labels) <= layout.tolerance).all(axis=1)
    return [int(index) for index in np.flatnonzero(is_neutral)]


def _find_video(listing: Listing, name: str, suffixes: list[str]) -> str:
    """The video of that name, in whatever folder, the first of copies; "" without any."""
    for suffix in suffixes:
        if found := listing.ending_with(f"{name}{suffix}"):
            return found[0]
    return ""


ADAPTER = Adapter(AffWildLayout, find_aff_wild)
