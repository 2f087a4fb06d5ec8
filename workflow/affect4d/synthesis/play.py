"""A local page on which a point is dragged over the plane, and a photograph's face follows.

The server listens on the loopback interface only and answers those alone who know its token and
name it by its own address, so that no other page or machine can ask it for anything. No request
names a file. Requests are GET; a face is made for two numbers.
"""

import json
import logging
import math
import secrets
import threading
from contextlib import suppress
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit

import jinja2
import numpy as np
from tqdm import tqdm

from affect4d.formats.images import encode_jpeg
from affect4d.formats.quarantine import BadInput

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
QUALITY = 90


class Game:
    """A photograph whose face takes any place of the plane.

    All classes' means are read and settled at the start (some 12 ms each), so that none is waited
    for while a point is dragged.

    Parameters
    ----------
    photograph : affect4d.synthesis.single.PhotographEditor
    atlas : affect4d.synthesis.Atlas
    """

    def __init__(self, photograph, atlas):
        self._photograph, self._atlas = photograph, atlas
        settle = photograph.editor.scene.anatomy.settle
        own = tqdm(atlas.own.tolist(), "classes", disable=None)
        self._settled = {index: settle(atlas.mean(index)) for index in own}
        self._turn = threading.Lock()

    def plane(self):
        """What the page draws: edges of the classes, and each one's centre and status."""
        grid = self._atlas.grid
        classes = zip(grid.centres.tolist(), self._atlas.status, strict=True)
        return {
            "width": (grid.high - grid.low) / grid.n,
            "classes": [{"centre": centre, "status": status} for centre, status in classes],
        }

    def face(self, valence, arousal):
        """JPEG bytes of the photograph at a place of the plane, and its label.

        Raises
        ------
        BadInput
            No class around the place has data.
        """
        with self._turn:
            target = self._atlas.between(valence, arousal, self._settled.__getitem__)
            image, record = self._photograph.impose_settled(target)
        label = {name: record[name] for name in ("class", "valence", "arousal", "interpolated")}
        label |= {"doubt": record["reason"]}
        return encode_jpeg(image, QUALITY), label


def serve(game, port=0):
    """A server of the page, not yet running, and the address to open.

    Parameters
    ----------
    game : Game
    port : int, 0 for any that is free

    Returns
    -------
    server : http.server.ThreadingHTTPServer; call `serve_forever` and `server_close`
    url : str
    """
    token = secrets.token_urlsafe(24)
    hosts: set[str] = set()
    handler = type("Handler", (_Handler,), {"game": game, "token": token, "hosts": hosts})
    server = ThreadingHTTPServer((HOST, port), handler)
    hosts |= {f"{name}:{server.server_port}" for name in (HOST, "localhost")}
    server.daemon_threads = True
    return server, f"http://{HOST}:{server.server_port}/{token}/"


class _Handler(BaseHTTPRequestHandler):
    game: Game
    token: str
    hosts: set[str]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each picture waits 40 ms for the headers' acknowledgement

    def do_GET(self):
        """Answer the page's requests; everybody else learns nothing."""
        address = urlsplit(self.path)
        _, token, *rest = (*address.path.split("/"), "", "")
        if self.headers.get("Host") not in self.hosts:
            self._refuse(HTTPStatus.FORBIDDEN, "ask for this server by its own address")
        elif not secrets.compare_digest(token.encode(), self.token.encode()):
            self._refuse(HTTPStatus.NOT_FOUND, "nothing here")
        elif rest[0] == "":
            self._page()
        elif rest[0] == "plane":
            self._send("application/json", json.dumps(self.game.plane()).encode())
        elif rest[0] == "face":
            self._face(parse_qs(address.query))
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "nothing here")

    def _page(self):
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
            "img-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        page = _template().render(nonce=nonce).encode()
        self._send("text/html; charset=utf-8", page, {"Content-Security-Policy": policy})

    def _face(self, query):
        try:
            place = [float(query[name][0]) for name in ("v", "a")]
        except (KeyError, ValueError):
            place = [math.nan]
        if not np.isfinite(place).all():
            self._refuse(HTTPStatus.BAD_REQUEST, "give v and a, two numbers")
            return
        try:
            picture, label = self.game.face(*place)
        except BadInput as problem:
            self._refuse(HTTPStatus.NOT_FOUND, f"{problem.rule}; {problem.remedy}")
            return
        self._send("image/jpeg", picture, {"X-Label": json.dumps(label)})

    def _refuse(self, status, why):
        self._send("text/plain; charset=utf-8", why.encode(), status=status)

    def _send(self, kind, content, headers=None, status=HTTPStatus.OK):
        self.send_response(status)
        shared = {"Content-Type": kind, "Content-Length": str(len(content))}
        shared |= {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        shared |= {"Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin"}
        for name, value in (shared | (headers or {})).items():
            self.send_header(name, value)
        with suppress(ConnectionError):  # the page was closed meanwhile
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format, *args):
        """Keep requests, which hold the token, out of logs."""


@lru_cache(maxsize=1)
def _template():
    text = files("affect4d.synthesis").joinpath("play.html.j2").read_text(encoding="utf-8")
    return jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(text)
