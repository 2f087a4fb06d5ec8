"""Files that operating systems put into folders unasked: never data, and never damage."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePath

_SYSTEM = re.compile(
    # macOS
    r"\._.*|\.DS_Store|\.AppleDouble|__MACOSX|\.localized|\.apdisk|\.fseventsd|\.TemporaryItems"
    r"|\.Spotlight-V100|\.Trashes|\.DocumentRevisions-V100|\.VolumeIcon\.icns|Icon\r"
    # Windows
    r"|(?i:thumbs\.db|ehthumbs(_vista)?\.db|desktop\.ini|\$recycle\.bin|system volume information)"
    # Linux, NFS (a deleted file that is still open), Synology
    r"|\.directory|\.Trash-[0-9]+|lost\+found|\.nfs[0-9a-fA-F]+|@eaDir",
    re.DOTALL,
)


def is_system_file(name: str) -> bool:
    """Whether a file or folder of that name comes from an operating system."""
    return _SYSTEM.fullmatch(name) is not None


def is_hidden(relative: PurePath | str) -> bool:
    """Whether a source's file is none of its data: it, or a folder of its path, is hidden.

    Parameters
    ----------
    relative : path below the source's root
    """
    return any(
        part.startswith(".") or is_system_file(part)
        for part in PurePath(relative).parts
        if part not in (".", "..")
    )


def find_files(folder: Path, pattern: str) -> Iterator[Path]:
    """The paths below a folder that a glob pattern fits, sorted, without those of systems."""
    for path in sorted(folder.glob(pattern)):
        if not any(map(is_system_file, path.relative_to(folder).parts)):
            yield path
