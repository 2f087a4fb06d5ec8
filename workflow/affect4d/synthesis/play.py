"""A local page on which a point is dragged over the plane, and a photograph's face follows.

It shows the basic expressions and the components of a class, too, and how strongly is asked for.

The server listens on the loopback interface only and answers those alone who know its token and
name it by its own address, so that no other page or machine can ask it for anything. Requests are
GET; what they name is looked up among what the build has, and never taken for a path.
"""

import json
import logging
import math
import secrets
import threading
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit

import jinja2
import numpy as np
from tqdm import tqdm

from affect4d.blendshapes.targets import Atlas, Expressions, component_target, count_components
from affect4d.formats.images import encode_jpeg
from affect4d.quarantine import BadInput

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
QUALITY = 90
STRONGEST = 2.0  # as far as the settings' own intensity goes
NAMED = 32  # expressions and components kept ready


class Game:
    """A photograph whose face takes any place of the plane.

    All classes' means are read and settled at the start (some 12 ms each), so that none is waited
    for while a point is dragged.

    Parameters
    ----------
    photograph : affect4d.synthesis.single.PhotographEditor
    folder : Path of the build's `blendshapes`

    Raises
    ------
    affect4d.store.StoreError
        The atlas or the expressions are missing or damaged.
    """

    def __init__(self, photograph, folder):
        self._photograph, self._folder = photograph, folder
        self._atlas = atlas = Atlas(folder / "atlas.zarr")
        self._expressions = Expressions(folder / "expressions.zarr")
        self._settle = photograph.editor.scene.anatomy.smooth_and_taper
        own = tqdm(atlas.own.tolist(), "classes", disable=None)
        self._settled = {index: self._settle(atlas.mean(index)) for index in own}
        self._turn = threading.Lock()
        self._named = lru_cache(NAMED)(self._read)
        self._count = lru_cache(partial(count_components, folder))

    def plane(self):
        """What the page draws: edges of the classes, each one's centre and status; expressions."""
        grid = self._atlas.grid
        classes = zip(grid.centres.tolist(), self._atlas.status, strict=True)
        return {
            "width": (grid.high - grid.low) / grid.n,
            "classes": [{"centre": centre, "status": status} for centre, status in classes],
            "expressions": self._expressions.usable,
        }

    def face(self, asked):
        """JPEG bytes of the photograph with what a request asks for, and its label.

        Parameters
        ----------
        asked : dict of str
            `v` and `a`, a place of the plane, or `expression`, its name, or `component`, CLASS:K;
            `strength` scales the deformation, up to STRONGEST.

        Raises
        ------
        ValueError
            A number is missing, not finite or out of range.
        BadInput
            No class around the place has data; there is no such expression or component.
        """
        strength = _number(asked.get("strength", "1"))
        if not 0 <= strength <= STRONGEST:
            raise ValueError(f"strength lies between 0 and {STRONGEST}")
        with self._turn:
            target = self._target(asked)
            moved = replace(target, deformation=np.float32(strength) * target.deformation)
            image, record = self._photograph.impose_settled(moved)
            label = {name: record[name] for name in ("class", "interpolated")}
            for name in ("valence", "arousal"):  # JSON has no NaN
                label[name] = None if math.isnan(record[name]) else record[name]
            label |= {"doubt": record["reason"], "components": self._count(record["class"])}
        return encode_jpeg(image, QUALITY), label

    def _target(self, asked):
        for kind in ("expression", "component"):
            if kind in asked:
                return self._named(kind, asked[kind])
        valence, arousal = (_number(asked.get(axis, "")) for axis in "va")
        return self._atlas.between(valence, arousal, self._settled.__getitem__)

    def _read(self, kind, name):
        """The settled Target of an expression or component."""
        if kind == "expression":
            target = self._expressions.target(name)
        else:
            model, _, number = name.rpartition(":")
            if not number.isdecimal():
                raise ValueError("a component is CLASS:K")
            target = component_target(self._folder, model, int(number))
        return replace(target, deformation=self._settle(target.deformation))


def _number(text):
    """A finite number; ValueError otherwise."""
    number = float(text or "nan")
    if not math.isfinite(number):
        raise ValueError("give v and a, two numbers, or an expression or a component")
    return number


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
            picture, label = self.game.face({name: own[0] for name, own in query.items()})
        except BadInput as problem:
            self._refuse(HTTPStatus.NOT_FOUND, f"{problem.rule}; {problem.remedy}")
            return
        except ValueError as problem:
            self._refuse(HTTPStatus.BAD_REQUEST, str(problem))
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
