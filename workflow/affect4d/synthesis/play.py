"""A local page on which a point is dragged over the plane, and a photograph's face follows.

It also shows the basic expressions, the components of a class, and a slider for their strength.

The server listens on the loopback interface only and answers those alone who know its token and
name it by its own address, so that no other page or machine can ask it for anything. Requests are
GET; what they name is looked up among what the build has, and never used as a path.
"""

import json
import logging
import math
import secrets
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jinja2
import numpy as np
from tqdm import tqdm

from affect4d.blendshapes.targets import (
    Atlas,
    Expressions,
    Target,
    component_target,
    count_components,
)
from affect4d.formats.images import encode_jpeg
from affect4d.quarantine import BadInput
from affect4d.synthesis.single import PhotographEditor

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
QUALITY = 90  # of JPEG
MAX_STRENGTH = 2.0  # as far as the settings' own intensity goes
MAX_CACHED = 32  # expressions and components in memory
TOKEN_BYTES, NONCE_BYTES = 24, 16  # random bytes, beyond guessing


class PlaySession:
    """A photograph whose face takes the affect of any point of the plane.

    All classes' means are read, smoothed and tapered at the start (about 12 ms each), so that
    dragging a point does not wait for them.

    Parameters
    ----------
    photograph : to edit
    folder : the build's `blendshapes`

    Raises
    ------
    affect4d.store.StoreError
        The atlas or the expressions are missing or damaged.
    """

    def __init__(self, photograph: PhotographEditor, folder: Path) -> None:
        self.photograph, self.folder = photograph, folder
        self.atlas = atlas = Atlas(folder / "atlas.zarr")
        self.expressions = Expressions(folder / "expressions.zarr")
        self._smooth = photograph.editor.scene.anatomy.smooth_and_taper
        classes = tqdm(atlas.own.tolist(), "classes", disable=None)
        self._means = {index: self._smooth(atlas.mean(index)) for index in classes}
        self._lock = threading.Lock()
        self._read_cached = lru_cache(MAX_CACHED)(self._read)
        self._count_components = lru_cache(partial(count_components, folder))

    def plane(self) -> dict[str, Any]:
        """What the page draws: edges of the classes, each one's centre and status; expressions."""
        grid = self.atlas.grid
        classes = zip(grid.centres.tolist(), self.atlas.status, strict=True)
        return {
            "width": (grid.high - grid.low) / grid.n,
            "classes": [{"centre": centre, "status": status} for centre, status in classes],
            "expressions": self.expressions.usable,
        }

    def face(self, request: Mapping[str, str]) -> tuple[bytes, dict[str, Any]]:
        """JPEG bytes of the photograph with what a request asks for, and its label.

        Parameters
        ----------
        request : `v` and `a`, a point of the plane, or `expression`, its name, or `component`,
            CLASS:K; `strength` scales the deformation, up to MAX_STRENGTH

        Raises
        ------
        ValueError
            A number is missing, not finite or out of range.
        BadInput
            No class around the point has data; there is no such expression or component.
        """
        strength = _number(request.get("strength", "1"))
        if not 0 <= strength <= MAX_STRENGTH:
            raise ValueError(f"strength lies between 0 and {MAX_STRENGTH}")
        with self._lock:
            target = self._target(request)
            moved = replace(target, deformation=np.float32(strength) * target.deformation)
            image, record = self.photograph.impose_smooth(moved)
            label = {name: record[name] for name in ("class", "interpolated")}
            for name in ("valence", "arousal"):  # JSON has no NaN
                label[name] = None if math.isnan(record[name]) else record[name]
            label |= {
                "rejection": record["reason"],
                "components": self._count_components(record["class"]),
            }
        return encode_jpeg(image, QUALITY), label

    def _target(self, request: Mapping[str, str]) -> Target:
        """The Target of a request, smoothed and tapered."""
        for kind in ("expression", "component"):
            if kind in request:
                return self._read_cached(kind, request[kind])
        valence, arousal = (_number(request.get(axis, "")) for axis in "va")
        return self.atlas.between(valence, arousal, mean=self._means.__getitem__)

    def _read(self, kind: str, name: str) -> Target:
        """The Target of an expression or component, smoothed and tapered."""
        if kind == "expression":
            target = self.expressions.target(name)
        else:
            model, _, number = name.rpartition(":")
            if not number.isdecimal():
                raise ValueError("a component is CLASS:K")
            target = component_target(self.folder, model, int(number))
        return replace(target, deformation=self._smooth(target.deformation))


def _number(text: str) -> float:
    """A finite number; ValueError otherwise."""
    number = float(text or "nan")
    if not math.isfinite(number):
        raise ValueError("give v and a, two numbers, or an expression or a component")
    return number


def serve(session: PlaySession, port: int = 0) -> tuple[ThreadingHTTPServer, str]:
    """A server of the page, not yet running, and the address to open.

    Parameters
    ----------
    session : that answers the page
    port : 0 for any that is free

    Returns
    -------
    server : call `serve_forever` and `server_close`
    url : of the page
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    hosts: set[str] = set()
    handler = type("Handler", (_Handler,), {"session": session, "token": token, "hosts": hosts})
    server = ThreadingHTTPServer((HOST, port), handler)
    hosts |= {f"{name}:{server.server_port}" for name in (HOST, "localhost")}
    server.daemon_threads = True
    return server, f"http://{HOST}:{server.server_port}/{token}/"


class _Handler(BaseHTTPRequestHandler):
    session: PlaySession
    token: str
    hosts: set[str]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each picture waits 40 ms for the headers' acknowledgement

    def do_GET(self) -> None:
        """Answer the page's requests; everybody else learns nothing."""
        address = urlsplit(self.path)
        _, token, page, *_ = (*address.path.split("/"), "", "")
        if self.headers.get("Host") not in self.hosts:
            self._refuse(HTTPStatus.FORBIDDEN, "ask for this server by its own address")
        elif not secrets.compare_digest(token.encode(), self.token.encode()):
            self._refuse(HTTPStatus.NOT_FOUND, "nothing here")
        elif page == "":
            self._page()
        elif page == "plane":
            self._send("application/json", json.dumps(self.session.plane()).encode())
        elif page == "face":
            self._face(parse_qs(address.query))
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "nothing here")

    def _page(self) -> None:
        nonce = secrets.token_urlsafe(NONCE_BYTES)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
            "img-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        page = _template().render(nonce=nonce).encode()
        self._send("text/html; charset=utf-8", page, {"Content-Security-Policy": policy})

    def _face(self, query: Mapping[str, list[str]]) -> None:
        request = {name: values[0] for name, values in query.items()}
        try:
            picture, label = self.session.face(request)
        except BadInput as problem:
            self._refuse(HTTPStatus.NOT_FOUND, f"{problem.rule}; {problem.remedy}")
            return
        except ValueError as problem:
            self._refuse(HTTPStatus.BAD_REQUEST, str(problem))
            return
        self._send("image/jpeg", picture, {"X-Label": json.dumps(label)})

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self._send("text/plain; charset=utf-8", why.encode(), status=status)

    def _send(
        self,
        kind: str,
        content: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> None:
        self.send_response(status)
        shared = {"Content-Type": kind, "Content-Length": str(len(content))}
        shared |= {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        shared |= {"Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin"}
        for name, value in {**shared, **(headers or {})}.items():
            self.send_header(name, value)
        with suppress(ConnectionError):  # the page was closed meanwhile
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Keep requests, which hold the token, out of logs."""


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    text = files("affect4d.synthesis").joinpath("play.html.j2").read_text(encoding="utf-8")
    return jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(text)
