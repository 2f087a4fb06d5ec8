"""The template of a build, as registration used it: the given one, or the gallery's own mean.

Whatever follows reads it here, so that no stage mixes the two.
"""

from pathlib import Path

from affect4d import store
from affect4d.artifacts.registration import TEMPLATE
from affect4d.template.template import Template, make_template


def read_template(root: Path) -> Template:
    """The template that a build's scans are registered to.

    Parameters
    ----------
    root : the results folder

    Raises
    ------
    affect4d.store.StoreError
        Rule `registration_template` has not made it, or it is damaged.
    """
    stored = store.open(TEMPLATE.path(root))
    return make_template(*(stored[name][...] for name in ("vertices", "triangles", "landmarks")))
