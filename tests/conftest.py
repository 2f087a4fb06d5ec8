"""The template and what registration makes of it once, for every test of a process."""

import pytest

from affect4d.formats.template import load_template
from affect4d.registration import Registrar, prepare
from affect4d.registration.sequences import store_reference


@pytest.fixture(scope="session")
def template():
    return load_template()


@pytest.fixture(scope="session")
def reference(template):
    return prepare(template)


@pytest.fixture(scope="session")
def registrar(reference):
    return Registrar(reference)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, reference):
    """A stored template, as the rule leaves it."""
    path = tmp_path_factory.mktemp("registration") / "template.zarr"
    store_reference(path, reference, None)
    return path
