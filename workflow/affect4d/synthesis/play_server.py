"""The server of the page of `play`.

It listens on the loopback interface only and answers those alone who know its token and name it by
its own address, so that no other page or machine can ask it for anything. Requests are GET.
"""

import errno
import html
import json
import logging
import secrets
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jinja2

from affect4d.quarantine import BadInput, printable
from affect4d.store import StoreError
from affect4d.synthesis.play import PlaySession

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
MAX_CONNECTIONS = 32  # at a time, one thread each; a browser opens six
FIRST_REQUEST_S = 5  # seconds within which a connection sends a request with the token
IDLE_S = 60  # seconds for which one that knows the token may then be idle
TOKEN_BYTES, NONCE_BYTES = 24, 16  # random bytes, beyond guessing
_PORT_ERRORS = {errno.EADDRINUSE: "the port is in use", errno.EACCES: "the port is the system's"}
_LINK = """<!doctype html>
<meta charset="utf-8"><meta http-equiv="refresh" content="0;url={url}">
<title>affect4d play</title><p><a href="{url}">affect4d play</a></p>
"""


class PageServer(ThreadingHTTPServer):
    """A server of the page, not yet running: call `serve_forever` and `server_close`.

    Parameters
    ----------
    session : that answers the page
    port : 0 for any that is free

    Attributes
    ----------
    url : of the page, with the token

    Raises
    ------
    BadInput
        The port is in use, or is not for this user.
    """

    daemon_threads = True
    request_queue_size = MAX_CONNECTIONS  # those that wait to be accepted

    def __init__(self, session: PlaySession, port: int = 0) -> None:
        self.session = session
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        self._free = threading.Semaphore(MAX_CONNECTIONS)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            rule = _PORT_ERRORS.get(error.errno or 0, f"cannot listen ({error.strerror})")
            remedy = "choose another --port, or 0 for any that is free"
            raise BadInput(f"{HOST}:{port}", rule, remedy) from None
        self.hosts = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}
        self.url = f"http://{HOST}:{self.server_port}/{self.token}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread of its own, or close it where there are too many."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread was started
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a connection until it ends."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """One line about what ended a connection, unless it was merely cut."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            log.warning("play: a request failed (%s)", printable(repr(error)))


@contextmanager
def link_file(url: str) -> Iterator[Path]:
    """A page that only this user can read, and that leads to `url`.

    A browser is started with its path: everybody on the machine can read a command line, and
    `url` has the token. It is removed at the end.
    """
    with tempfile.TemporaryDirectory(prefix="affect4d-play-") as folder:
        path = Path(folder, "play.html")
        path.touch(0o600, exist_ok=False)
        path.write_text(_LINK.format(url=html.escape(url)), encoding="utf-8")
        yield path


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    timeout = FIRST_REQUEST_S
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each picture waits 40 ms for the headers' acknowledgement

    def do_GET(self) -> None:
        """Answer the page's requests; everybody else learns nothing."""
        path, _, query = self.path.partition("?")  # urlsplit refuses some authorities
        _, token, page, *_ = (*path.split("/"), "", "")
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # or the content would count as the next request
            self._refuse(HTTPStatus.BAD_REQUEST, "a request has no content")
        elif self.headers.get("Host") not in self.server.hosts:
            self._refuse(HTTPStatus.FORBIDDEN, "ask for this server by its own address")
        elif not secrets.compare_digest(token.encode(), self.server.token.encode()):
            self._refuse(HTTPStatus.NOT_FOUND, "nothing here")
        else:
            self.connection.settimeout(IDLE_S)
            self._answer(page, query)

    def _answer(self, page: str, query: str) -> None:
        """Answer a request that knows the token."""
        if page == "":
            self._page()
        elif page == "plane":
            self._send("application/json", json.dumps(self.server.session.plane()).encode())
        elif page == "face":
            self._face(parse_qs(query))
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
            picture, label = self.server.session.face(request)
        except BadInput as problem:
            self._refuse(HTTPStatus.NOT_FOUND, f"{problem.rule}; {problem.remedy}")
            return
        except ValueError as problem:
            self._refuse(HTTPStatus.BAD_REQUEST, str(problem))
            return
        except (StoreError, OSError) as problem:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(problem))
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
