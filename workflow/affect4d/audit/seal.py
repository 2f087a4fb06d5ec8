"""The seal of a build: one Merkle root over all manifests, signed with an SSH key.

Whoever rewrites a build consistently cannot sign its new root. The root and the signature also
stand in the dataset card and in the RO-Crate. For this the card, the checksums, the crate's
metadata and their two manifests change; the root covers them as they were before.
"""

import hashlib
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from affect4d import store
from affect4d.artifacts.dataset import CARD, CHECKSUMS, DATASET
from affect4d.artifacts.declaration import File
from affect4d.artifacts.provenance import CRATE, CRATE_METADATA, SEAL, SIGNATURE
from affect4d.audit.verdict import Finding, Kind
from affect4d.provenance.lineage import Build, load_build
from affect4d.store import StoreError
from affect4d.store.manifest import SUFFIX
from affect4d.store.regular import read_regular

NAMESPACE = "affect4d-build"  # what an SSH signature is for; one for e-mail, say, does not count
FORMAT = "affect4d-seal-1"
_CARD_SECTION = "\n## Seal\n"
_ENTITY = "#seal"
_REMEDY = "compare with a copy that is sealed, or build again and seal"
_DATASET_MANIFEST, _CRATE_MANIFEST = DATASET.name() + SUFFIX, CRATE.name() + SUFFIX
_CHANGED = (CARD.name(), CHECKSUMS.name(), _DATASET_MANIFEST)  # what a seal changes


def merkle_root(leaves: list[bytes]) -> str:
    """The root of the hash tree over leaves, as RFC 6962 defines it, in hexadecimal digits."""
    return _tree(leaves).hex()


def _tree(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + _tree(leaves[:half]) + _tree(leaves[half:])).digest()


def seal_build(results: Path, key: Path) -> str:
    """Sign the build's Merkle root; write it, and put both into the card and the RO-Crate.

    Parameters
    ----------
    results : of a build that an audit found intact
    key : a private SSH key, or a public one whose private key an agent holds

    Returns
    -------
    str
        The Merkle root.

    Raises
    ------
    StoreError
        A manifest is damaged, or ssh-keygen refuses to sign.
    """
    root = Path(results)
    for file in (SEAL, SIGNATURE):
        file.path(root).unlink(missing_ok=True)
    _unseal_texts(root)
    build = _load(root)
    leaves = _leaves(build)
    statement = {"format": FORMAT, "manifests": len(leaves), "merkle_root": merkle_root(leaves)}
    content = store.canonical(statement)
    signature = _sign(content, key)
    _seal_texts(root, statement, signature)
    for file, text in ((SIGNATURE, signature.encode()), (SEAL, content)):
        _replace(file.path(root), text)
    return str(statement["merkle_root"])


def check_seal(build: Build, signers: Path | None) -> Iterator[Finding]:
    """Compare the sealed root with the build's, and the signature with those who may sign.

    Parameters
    ----------
    build : all manifests
    signers : a file of allowed signers (`man ssh-keygen`); with it, a build without a seal is a
        finding; without it only the signature's form is checked
    """
    file = SEAL.path(build.root)
    if not file.is_file():
        if signers is not None:
            yield _finding("there is no seal, or it was taken away")
        return
    try:
        content = read_regular(file)
        stated = json.loads(content)
        _verify(content, SIGNATURE.path(build.root), signers)
        leaves = _leaves(build)
        if stated["format"] != FORMAT or stated["merkle_root"] != merkle_root(leaves):
            yield _finding("the Merkle root of the manifests is another than the sealed one")
        elif any(stated["merkle_root"] not in text for text in _texts(build.root)):
            yield _finding("the dataset card or the RO-Crate states another seal")
    except (StoreError, OSError, ValueError, KeyError, TypeError) as error:
        yield _finding(f"cannot be verified ({error})")


def describe_seal(root: Path, signers: Path | None) -> Iterator[str]:
    """A note on who sealed a build, if anybody did."""
    if SEAL.path(root).is_file() and signers is None:
        yield "the build is sealed; --signers FILE says by whom: without it anybody may have"


def unsealed_manifest(root: Path, name: str) -> dict[str, Any]:
    """The content of a manifest as it was before the build was sealed, without its digest.

    Raises
    ------
    StoreError
        A file that a seal changes is missing.
    """
    content: dict[str, Any] = json.loads(read_regular(root / name))
    content.pop("digest")
    if name == _DATASET_MANIFEST:
        _restate(content, root, {CARD: _card(root), CHECKSUMS: _checksums(root)})
    elif name == _CRATE_MANIFEST:
        _restate(content, root, {CRATE_METADATA: _metadata(root)})
        # The crate was made from the dataset as it was.
        content["inputs"].pop(_DATASET_MANIFEST, None)
        content.pop("fingerprint", None)
    return content


def _leaves(build: Build) -> list[bytes]:
    places = {name: name for name in (*build.manifests, *build.unreadable)}
    places |= {name: build.relative(manifest.path) for name, manifest in build.left_out.items()}
    return [
        name.encode() + b"\0" + store.canonical(unsealed_manifest(build.root, place))
        for name, place in sorted(places.items())
    ]


def _load(root: Path) -> Build:
    build = load_build(root)
    for error in build.unreadable.values():
        raise error
    return build


def _restate(content: dict[str, Any], root: Path, files: dict[File, bytes]) -> None:
    """Give files of a manifest the size and digest of other content."""
    folder = Path(content["artifact"]).parent
    for file, text in files.items():
        path = Path(os.path.relpath(file.name(), folder)).as_posix()
        for entry in content["files"]:
            if entry["path"] == path:
                entry |= {"size": len(text), "sha256": hashlib.sha256(text).hexdigest()}


def _read(root: Path, file: File) -> bytes:
    path = file.path(root)
    return read_regular(path) if path.is_file() else b""


def _card(root: Path) -> bytes:
    """The card without its section on the seal."""
    return _read(root, CARD).partition(_CARD_SECTION.encode())[0]


def _checksums(root: Path) -> bytes:
    """The checksums with that of the card without its section on the seal."""
    name = CARD.name().removeprefix(f"{DATASET.name()}/")
    line = f"{hashlib.sha256(_card(root)).hexdigest()}  {name}"
    text = _read(root, CHECKSUMS).decode()
    return re.sub(rf"^[0-9a-f]{{64}}  {re.escape(name)}$", line, text, flags=re.M).encode()


def _metadata(root: Path) -> bytes:
    """The crate's metadata without the seal and without what it says of the files that change."""
    text = _read(root, CRATE_METADATA)
    if not text:
        return b""
    content = json.loads(text)
    left_out = {_ENTITY, *_CHANGED}
    content["@graph"] = [each for each in content["@graph"] if each["@id"] not in left_out]
    return store.canonical(content)


def _texts(root: Path) -> list[str]:
    """The card and the crate's metadata, where the build has them."""
    texts = [_read(root, file).decode() for file in (CARD, CRATE_METADATA)]
    return [text for text in texts if text]


def _unseal_texts(root: Path) -> None:
    """Take an earlier seal out of the card and the crate."""
    if any(_CARD_SECTION in text or f'"{_ENTITY}"' in text for text in _texts(root)):
        _write_texts(root, _card(root), None)


def _seal_texts(root: Path, statement: dict[str, Any], signature: str) -> None:
    about = (
        f"{_CARD_SECTION}\nMerkle root over the {statement['manifests']} manifests of the build: "
        f"`{statement['merkle_root']}`\n\nIts SSH signature (namespace `{NAMESPACE}`, of "
        f"`{SEAL.name()}`):\n\n```\n{signature}```\n"
    )
    entity = {
        "@id": _ENTITY,
        "@type": "PropertyValue",
        "name": "merkle_root",
        "value": statement["merkle_root"],
        "description": f"Signed with SSH, namespace {NAMESPACE}: {signature}",
        "subjectOf": {"@id": "./"},
    }
    _write_texts(root, _card(root) + about.encode(), entity)


def _write_texts(root: Path, card: bytes, entity: dict[str, Any] | None) -> None:
    """Write card, checksums and crate, and the manifests of both, with their times kept."""
    if CARD.path(root).is_file():
        _replace(CARD.path(root), card)
        name = CARD.name().removeprefix(f"{DATASET.name()}/")
        line = f"{hashlib.sha256(card).hexdigest()}  {name}"
        sums = _read(root, CHECKSUMS).decode()
        sums = re.sub(rf"^[0-9a-f]{{64}}  {re.escape(name)}$", line, sums, flags=re.M)
        _replace(CHECKSUMS.path(root), sums.encode())
        _rewrite_manifest(root, _DATASET_MANIFEST, {CARD, CHECKSUMS})
    if CRATE_METADATA.path(root).is_file():
        content = json.loads(_read(root, CRATE_METADATA))
        graph = [each for each in content["@graph"] if each["@id"] != _ENTITY]
        for each in graph:
            path = root / each["@id"]
            if each["@id"] in _CHANGED and "sha256" in each:
                each |= {"sha256": store.digest(path), "contentSize": str(path.stat().st_size)}
        content["@graph"] = [*graph, *([entity] if entity else [])]
        _replace(CRATE_METADATA.path(root), store.canonical(content))
        _rewrite_manifest(root, _CRATE_MANIFEST, {CRATE_METADATA})


def _rewrite_manifest(root: Path, name: str, files: set[File]) -> None:
    content = json.loads(read_regular(root / name))
    _restate(content, root, {file: _read(root, file) for file in files})
    if name == _CRATE_MANIFEST and _DATASET_MANIFEST in content["inputs"]:
        content["inputs"][_DATASET_MANIFEST] = store.digest(root / _DATASET_MANIFEST)
        described = {key: content[key] for key in ("inputs", "settings", "code", "versions")}
        content["fingerprint"] = hashlib.sha256(store.canonical(described)).hexdigest()
    content.pop("digest")
    content["digest"] = hashlib.sha256(store.canonical(content)).hexdigest()
    _replace(root / name, store.canonical(content))


def _replace(path: Path, content: bytes) -> None:
    """Write a file; one that was there keeps its time, or Snakemake would build what follows."""
    state = path.stat() if path.exists() else None
    with store.atomic(path) as unfinished:
        unfinished.write_bytes(content)
    if state:
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def _sign(content: bytes, key: Path) -> str:
    """The armoured SSH signature of some bytes."""
    arguments = ["-Y", "sign", "-q", "-f", str(key), "-n", NAMESPACE]
    return _run(arguments, content, str(key)).decode()


def _verify(content: bytes, signature: Path, signers: Path | None) -> None:
    """Raise StoreError unless the signature is valid, and that of an allowed signer if named."""
    with tempfile.NamedTemporaryFile(suffix=".sig") as copy:
        copy.write(read_regular(signature))
        copy.flush()
        common = ["-n", NAMESPACE, "-s", copy.name]
        if signers is None:
            _run(["-Y", "check-novalidate", *common], content, signature.name)
            return
        allowed = ["-f", str(signers.absolute())]
        found = _run(["-Y", "find-principals", *allowed, "-s", copy.name], b"", signature.name)
        name = found.decode().splitlines()[0]
        _run(["-Y", "verify", *allowed, "-I", name, *common], content, signature.name)


def _run(arguments: list[str], content: bytes, about: str) -> bytes:
    try:
        process = subprocess.run(["ssh-keygen", *arguments], input=content, capture_output=True)
    except FileNotFoundError:
        what, remedy = "ssh-keygen is not installed", "install OpenSSH's client"
        raise StoreError(Path(about), what, remedy) from None
    if process.returncode:
        lines = (process.stderr + process.stdout).decode("utf-8", "replace").splitlines()
        what = f"ssh-keygen: {lines[0] if lines else 'refuses without a reason'}"
        raise StoreError(Path(about), what, "check the key, the signature or the signers")
    return process.stdout


def _finding(what: str) -> Finding:
    return Finding(Kind.UNRESOLVED, "seal", SEAL.name(), what, _REMEDY)
