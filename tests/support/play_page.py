"""A page over the plane, and how tests ask it."""

import http.client
from urllib.parse import urlsplit

from affect4d.synthesis.play import PlaySession
from affect4d.synthesis.single import PhotographEditor
from support.faces import (
    morphable_model,
    photographed,
    write_atlas,
    write_components,
    write_expressions,
)


def play_session(folder):
    """A PlaySession of a photograph, over blendshapes written into a folder."""
    write_atlas(folder / "atlas.zarr")
    write_expressions(folder / "expressions.zarr")
    write_components(folder / "v+0.5_a+0.5.zarr")
    return PlaySession(PhotographEditor(*photographed(), morphable_model(), crop=True), folder)


def ask(url, path, host=None, method="GET"):
    """Status, headers and content of an answer; `path` follows the token."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or parts.netloc)
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, answer.headers, answer.read()
    connection.close()
    return found
