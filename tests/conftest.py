"""The template, what registration makes of it, and ICT-FaceKit: once for all tests of a process."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from support.once import made_once

from affect4d import store
from affect4d.registration import Registrar, prepare
from affect4d.registration.reference import Reference
from affect4d.registration.sequences import store_reference
from affect4d.template.template import load_template

# no test depends on speed: a slow machine draws the same examples, however long they take
settings.register_profile(
    "any_machine", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any_machine")

ARCHIVE = Path(__file__).parents[2] / "shared/data/ict_facekit_subset.tar.xz"


@pytest.fixture(scope="session")
def template():
    return load_template()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, template):
    """A stored template, as the rule leaves it."""

    def prepare_and_store(path):
        store_reference(path, prepare(template), None)

    return made_once(tmp_path_factory, "template.zarr", prepare_and_store)


@pytest.fixture(scope="session")
def reference(prepared):
    return Reference.restore(store.open(prepared))


@pytest.fixture(scope="session")
def registrar(reference):
    return Registrar(reference)


@pytest.fixture(scope="session")
def small_build(tmp_path_factory):
    """A folder with a small build, `results`, and its photograph, which copies of it name as well.

    It is to be read, or copied; what changes the photograph makes a build of its own.
    """
    from support.small_results import build_results  # most tests need nothing of it

    def make(folder):
        folder.mkdir()
        (folder / "photo.jpg").write_bytes(b"jpeg")
        build_results(folder / "results", folder / "photo.jpg")

    return made_once(tmp_path_factory, "small_build", make)


@pytest.fixture(scope="module")
def original(small_build, tmp_path_factory):
    """`results` of a small build whose photograph the tests of a file may change; to be copied."""
    folder = tmp_path_factory.mktemp("build")
    return shutil.copytree(small_build, folder, dirs_exist_ok=True) / "results"


@pytest.fixture
def results(original, tmp_path):
    """A copy of `original` for one test, which may change it."""
    return shutil.copytree(original, tmp_path / "results")


@pytest.fixture(scope="session")
def clone(tmp_path_factory):
    """The root of a clone of ICT-FaceKit, whole or in part; AFFECT4D_ICT names it or an archive."""
    place = Path(os.environ.get("AFFECT4D_ICT", ARCHIVE))
    if place.is_file():
        folder = tmp_path_factory.mktemp("ict")
        shutil.unpack_archive(place, folder)
        place = folder
    found = sorted(place.rglob("FaceXModel/vertex_indices.json")) if place.is_dir() else []
    if not found:
        pytest.skip(f"no ICT-FaceKit in {place}")
    return found[0].parents[1]
