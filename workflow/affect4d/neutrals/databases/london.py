"""The Face Research Lab London Set (DeBruine & Jones 2017): a folder with its own layout."""

from affect4d.neutrals.databases.folder import FolderLayout, find_folder
from affect4d.neutrals.databases.registry import Adapter

ADAPTER = Adapter(FolderLayout, find_folder)
