"""What `affect4d check` says of a database before anything is built; no image is opened."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from affect4d.config.neutrals import Database, Settings
from affect4d.neutrals.candidates import Candidate
from affect4d.neutrals.databases.layout import About, NameMatcher
from affect4d.neutrals.databases.listing import Listing, list_files, suffix_of
from affect4d.neutrals.databases.search import find_candidates, read_layout
from affect4d.neutrals.databases.subjects import SUBJECTS
from affect4d.neutrals.selection import Quota, select
from affect4d.quarantine import Quarantine, Row, printable

_EXAMPLES = 3  # of each fault
_ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")
_UNFINISHED = (".part", ".crdownload", ".tmp", ".download", ".filepart")


@dataclass(frozen=True)
class Fault:
    """Something wrong, with all that it concerns.

    Attributes
    ----------
    rule, remedy : as of one line of bad input
    items : files or rows
    """

    rule: str
    remedy: str
    items: list[str]

    def line(self) -> str:
        """One line with examples."""
        shown = ", ".join(self.items[:_EXAMPLES]) + ", ..." * (len(self.items) > _EXAMPLES)
        return f"{len(self.items)} x {self.rule}: {shown}; {self.remedy}"


@dataclass(frozen=True)
class DatabaseReport:
    """What was found.

    Attributes
    ----------
    about : what the owners publish, None for a folder of one's own
    candidates : the images
    selected : those that a build would use, if all can be read
    quota : how many it may use
    faults : what is wrong
    """

    about: About | None
    candidates: list[Candidate]
    selected: list[Candidate]
    quota: str
    faults: list[Fault]

    def text(self) -> str:
        """Lines for a person."""
        usable = [c for c in self.candidates if c.is_neutral and not c.unwanted]
        return "\n".join(
            [
                *self._published(),
                f"images: {_count(self.candidates)}",
                f"neutral, as wanted: {_count(usable)}",
                f"landmarks: {_makers(usable)}",
                f"selected ({self.quota}): {_count(self.selected)}"
                + "".join(f"\n  {c.source}" for c in self.selected[:_EXAMPLES]),
                f"faults: {len(self.faults)}",
                *(f"  {fault.line()}" for fault in self.faults),
            ]
        )

    def _published(self) -> Iterator[str]:
        if self.about is None:
            yield "a folder of your own: whoever is in it has to agree"
            return
        counts = {"images": self.about.images, "people": self.about.subjects}
        stated = ", ".join(f"{n:,} {what}" for what, n in counts.items() if n)
        yield self.about.title
        yield f"licence that its owners ask: {self.about.licence}"
        yield f"published: {stated or 'no counts'}"


def check_database(name: str, root: Path, settings: Settings | None = None) -> DatabaseReport:
    """Find the images of a database, and whatever is wrong with its files' names and tables.

    Parameters
    ----------
    name : an adapter, or the path of a layout of the adapter `folder`
    root : the database's folder
    settings : quotas and limits; the defaults if absent

    Raises
    ------
    BadInput
        The folder, the layout, or a table that the database cannot be read without.
    """
    settings = settings or Settings()
    is_file = name.lower().endswith((".yaml", ".yml"))
    database = Database(
        adapter="folder" if is_file else name, layout=name if is_file else None, root=str(root)
    )
    quarantine, limits = Quarantine("neutrals"), settings.limits.of_files
    candidates = find_candidates(
        "images", database, results=root, quarantine=quarantine, limits=limits
    )
    layout = read_layout(database)
    listing = list_files(root, Quarantine("neutrals"))
    quota: Quota[bool] = Quota(settings.max_per_subject, settings.max_images, settings.min_spacing)
    chosen = [candidate for candidate, _ in select(candidates, lambda _: True, quota).accepted]
    unmatched = _unmatched(listing, candidates, rows=quarantine.rows, known=layout.known)
    return DatabaseReport(
        layout.about,
        candidates,
        chosen,
        f"max_per_subject {quota.per_subject}, max_images {quota.total}",
        [
            *_missing(layout.about, candidates),
            *_quarantined(root, quarantine.rows),
            *_of_files(listing, candidates, unmatched),
            *_without_neutral(candidates),
        ],
    )


def _quarantined(root: Path, rows: Sequence[Row]) -> Iterator[Fault]:
    """One fault per rule that rows break; what rules say of single files is left out."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        file = row.file.removeprefix(f"{root}/")
        groups[row.rule.replace(f"{root}/", ""), row.remedy].append(file)
    for (rule, remedy), items in groups.items():
        yield Fault(rule, remedy, items)


def _unmatched(
    listing: Listing, candidates: Sequence[Candidate], *, rows: Sequence[Row], known: Sequence[str]
) -> list[str]:
    """Files that are neither images nor beside one, nor known to belong to the database."""
    used = {name for c in candidates for name in (c.source, c.landmarks_source)} | {SUBJECTS}
    used |= {row.file.removeprefix(f"{listing.root}/") for row in rows}
    matcher = NameMatcher(known)
    return [
        name
        for name in listing.files
        if printable(name) not in used and name not in used and not matcher.match(name)
    ]


def _of_files(
    listing: Listing, candidates: Sequence[Candidate], unmatched: Sequence[str]
) -> Iterator[Fault]:
    """Faults of files: empty, not unpacked, not complete, without an image, of no known name."""
    empty = [c.source for c in candidates if not c.path.stat().st_size]
    kinds: dict[tuple[str, str], list[str]] = {
        ("the file is empty", "copy it again"): empty,
        ("an archive that is not unpacked", "unpack it here"): [],
        ("a download that is not complete", "download it again"): [],
        ("landmarks without an image of their name", "copy the image"): [],
        ("names that matched nothing", "rename them, or fix the layout"): [],
    }
    archives, downloads, landmarks, others = list(kinds.values())[1:]
    for name in unmatched:
        suffix = suffix_of(name).lower()
        if suffix in _ARCHIVES:
            archives.append(name)
        elif suffix in _UNFINISHED:
            downloads.append(name)
        elif suffix in (".pts", ".ljson", ".tem"):
            landmarks.append(name)
        else:
            others.append(name)
    for (rule, remedy), items in kinds.items():
        if items:
            yield Fault(rule, remedy, items)


def _without_neutral(candidates: Sequence[Candidate]) -> Iterator[Fault]:
    people = {c.subject_id for c in candidates}
    usable = {c.subject_id for c in candidates if c.is_neutral and not c.unwanted}
    if missing := sorted(people - usable):
        yield Fault("people without a neutral image as wanted", "copy theirs", missing)


def _missing(about: About | None, candidates: Sequence[Candidate]) -> Iterator[Fault]:
    """Whether there are fewer images or people than the owners count."""
    if about is None:
        return
    for what, published, found in (
        ("images", about.images, len(candidates)),
        ("people", about.subjects, len({c.subject_id for c in candidates})),
    ):
        if published and found < published:
            rule = f"fewer {what} than published"
            yield Fault(rule, "copy the rest, if you need it", [f"{found:,} of {published:,}"])


def _count(candidates: Sequence[Candidate]) -> str:
    people = len({candidate.subject_id for candidate in candidates})
    return f"{len(candidates):,} of {people:,} people"


def _makers(candidates: Sequence[Candidate]) -> str:
    makers: dict[str, int] = defaultdict(int)
    for candidate in candidates:
        makers[candidate.landmarks_by] += 1
    return ", ".join(f"{n:,} by the {who}" for who, n in sorted(makers.items())) or "none"
