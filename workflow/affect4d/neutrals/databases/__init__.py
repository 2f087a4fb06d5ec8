"""Adapters: the only code that knows how a database of photographs lies on disk.

Each is a function (name, root, layout, quarantine) -> list of Candidate; what it cannot use goes
into quarantine. `layout` is the content of the database's YAML file.
"""

from affect4d.neutrals.candidates import drop_duplicates
from affect4d.neutrals.databases.afew_va import find_afew_va
from affect4d.neutrals.databases.embedded import find_embedded
from affect4d.neutrals.databases.folder import find_folder
from affect4d.neutrals.databases.layout import read_layout

_ADAPTERS = {"afew_va": find_afew_va, "embedded": find_embedded, "folder": find_folder}


def find_candidates(name, adapter, root, layout, quarantine):
    """Every usable image of a database, sorted by image_id.

    Parameters
    ----------
    name : str, the database's name
    adapter : "embedded", "folder" or "afew_va"
    root : Path of the database, None for "embedded"
    layout : Path of its YAML file
    quarantine : affect4d.formats.quarantine.Quarantine

    Returns
    -------
    list of Candidate

    Raises
    ------
    BadInput
        The root or the layout file is missing or broken.
    """
    found = _ADAPTERS[adapter](name, root, read_layout(layout, adapter), quarantine)
    return sorted(drop_duplicates(found, quarantine), key=lambda candidate: candidate.image_id)
