"""Whether an artifact that is there is the one that the workflow at hand would make."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from affect4d.store.regular import read_regular


def differs(manifest: Path, settings: Mapping[str, Any], code: str) -> bool:
    """Whether an artifact is there and was made with other settings or another code.

    Parameters
    ----------
    manifest : of the artifact; its digest is the audit's to check
    settings : the sections that its rule depends on, as JSON values
    code : digest of the modules that its rule runs
    """
    try:
        recorded = json.loads(read_regular(manifest))
        stated = recorded["settings"]
        return bool(
            recorded["code"] != code
            or any(name not in stated or stated[name] != value for name, value in settings.items())
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
