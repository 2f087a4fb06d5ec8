"""Neutral faces from databases of photographs: what each file is, which serve, which are bad.

An adapter (`neutrals.databases`) turns a database into one table of candidates; `neutrals.build`
selects and checks them and copies what is accepted, so that later rooms see nothing but PNG
images with 68 landmarks beside them. File names and codes live in one YAML file a database.
"""

from affect4d.neutrals.build import build_neutrals
from affect4d.neutrals.databases import find_candidates
from affect4d.neutrals.selection import select

__all__ = ["build_neutrals", "find_candidates", "select"]
