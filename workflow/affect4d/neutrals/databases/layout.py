"""What layout files have in common: the file-name patterns, codes and ranges of a database."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression ({error})") from None
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]


class Layout(BaseModel):
    """The content of a layout file; an adapter derives its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)
