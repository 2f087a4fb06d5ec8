"""The template and the reference scan: data files of menpo3d's source distribution (BSD licence).

Only data are needed, so they are taken out of the distribution, held to their digests, and kept in
the environment: to install menpo3d itself takes a C compiler and viewers that nothing here uses.
`python -m affect4d.template.menpo3d_data` fetches them with pip, once per environment.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from affect4d.quarantine import BadInput

VERSION = "0.8.6"
FOLDER = Path(sys.prefix) / "share" / "affect4d" / f"menpo3d-{VERSION}"
SHA256 = {
    "template.ply": "2c9898e9582ac2fd76131e5757f063315cbe8781ffbd036e2bb5f1bd1fa8215e",
    "template.ljson": "15d5af3e496d10a71306d9a5d41b3ef0bbf1d603a2aee0fc723a17c9284395fd",
    "james.obj": "80cb729b6a751b25794d9d571668ff3c022f111119b307dd93dc8fbed6eed110",
    "james.obj.mtl": "90aa99e8d939fa6e9849e15c7b39a3364b8814a494a7fe59baca0484104c9ca4",
    "james.jpg": "829589c076a9cb7b8904b08cc0b301a01e75d6096bf2ca01ed7a8e9d4a615a77",
    "james.ljson": "02a9e32271c47db90ec51ec0027eb302b68e52f974d6b2856a3f7e55b13b0ee2",
}


def data_file(name: str) -> Path:
    """The path of one of the files in `SHA256`.

    Raises
    ------
    BadInput
        The files were not fetched into this environment.
    """
    path = FOLDER / name
    if not path.is_file():
        raise BadInput(
            path,
            "menpo3d's data are not in this environment",
            f"run {Path(sys.executable).name} -m affect4d.template.menpo3d_data, "
            "or set template.mesh and template.landmarks",
        )
    return path


def fetch() -> None:
    """Download the source distribution and keep the files that have the expected digest.

    pip runs the distribution's setup.py for its metadata, which imports NumPy and Cython.

    Raises
    ------
    BadInput
        pip cannot get the distribution, or a file is not the one that is expected.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-binary", "menpo3d")
        command = (sys.executable, "-m", "pip", "download", *options, "--dest", folder)
        run = subprocess.run(
            [*command, f"menpo3d=={VERSION}"], check=False, capture_output=True, text=True
        )
        archive = Path(folder) / f"menpo3d-{VERSION}.tar.gz"
        if run.returncode or not archive.is_file():
            raise BadInput(
                archive.name,
                f"pip cannot download it ({' '.join(run.stderr.split())[-300:]})",
                "install cython and numpy, and check that pip reaches its index",
            )
        contents = _read(archive)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        # a process that reads meanwhile sees the whole file or none
        unfinished = FOLDER / f".{name}.tmp"
        unfinished.write_bytes(content)
        unfinished.replace(FOLDER / name)


def _read(archive: Path) -> dict[str, bytes]:
    """The contents of the files in `SHA256`, held to their digests."""
    contents = {}
    with tarfile.open(archive) as distribution:
        for name, sha256 in SHA256.items():
            member = distribution.extractfile(f"menpo3d-{VERSION}/menpo3d/data/{name}")
            content = member.read() if member else b""
            if hashlib.sha256(content).hexdigest() != sha256:
                raise BadInput(f"{archive.name}/{name}", "has another digest", "download it again")
            contents[name] = content
    return contents


if __name__ == "__main__":
    try:
        fetch()
    except BadInput as problem:
        sys.exit(str(problem))
