"""How the documentation is built: `make docs`, or sphinx-build -W docs build/site."""

import re
from importlib.metadata import version as installed

project = "affect4d"
copyright = "affect4d maintainers"
release = version = installed("affect4d")
html_theme = "furo"
default_role = "code"
html_title = f"affect4d {release}"
exclude_patterns = ["pictures"]

extensions = [
    "myst_parser",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
myst_heading_anchors = 3
# the pages are written for the repository too: links to files outside docs stay as they are there
# several classes have an attribute `path` or `name`: a name alone links to any of them
suppress_warnings = ["myst.xref_missing", "ref.python"]

apidoc_modules = [
    {"path": "../workflow/affect4d", "destination": "api", "separate_modules": False},
]
autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    "exclude-members": "model_config",
}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
# what only the detector's or menpo's users have installed
autodoc_mock_imports = ["distributed", "mediapipe"]
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True


def _escape(app, what, name, obj, options, lines):
    """Docstrings are plain text: |x| is a norm, * a product, weights_ an attribute; no markup."""
    lines[:] = [re.sub(r"[|*]|(?<=\w)_(?=\W|$)", r"\\\g<0>", line) for line in lines]


def _skip(app, what, name, obj, skip, options):
    """Leave out the methods that scikit-learn adds to every estimator."""
    return skip or (name.startswith("set_") and name.endswith("_request"))


def setup(app):
    """Called by Sphinx; before napoleon, which reads docstrings at priority 500."""
    app.connect("autodoc-process-docstring", _escape, priority=400)
    app.connect("autodoc-skip-member", _skip)
