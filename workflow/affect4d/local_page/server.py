"""The server of one page.

It listens on the loopback interface only and answers those alone who know its token and name it by
its own address, so that no other page or machine can ask it for anything. Requests are GET, or POST
with JSON of a bounded size.
"""

import errno
import html
import json
import logging
import secrets
import socket
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qs

import jinja2

from affect4d.quarantine import BadInput, printable
from affect4d.store import StoreError

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
MAX_CONNECTIONS = 32  # at a time, one thread each; a browser opens six
NOTHING = "nothing here"
FIRST_REQUEST_S = 5  # seconds within which a connection sends a request with the token
IDLE_S = 60  # seconds for which one that knows the token may then be idle
TOKEN_BYTES, NONCE_BYTES = 24, 16  # random bytes, beyond guessing
MAX_CONTENT = 1 << 20  # bytes of a POST: what a page saves at a time takes some 10 kB
MAX_DISCARDED = 2 * MAX_CONTENT  # bytes of a refused request's content that are read nevertheless
_PORT_ERRORS = {errno.EADDRINUSE: "the port is in use", errno.EACCES: "the port is the system's"}
_LINK = """<!doctype html>
<meta charset="utf-8"><meta http-equiv="refresh" content="0;url={url}">
<title>affect4d</title><p><a href="{url}">affect4d</a></p>
"""


class Answer(NamedTuple):
    """What a page's request gets: the content's media type, the content, headers of its own."""

    kind: str
    content: bytes
    headers: Mapping[str, str] = {}


class Page(Protocol):
    """A page and what it may ask for.

    Both methods are called by several threads at a time; they return None where there is nothing of
    that name. BadInput is answered as "not found", ValueError as "bad request", StoreError and
    OSError as this machine's failure, each with its message.

    Attributes
    ----------
    template : package and name of the page's template, which is given `nonce` and `page`
    """

    template: tuple[str, str]

    def get(self, name: str, query: Mapping[str, str]) -> Answer | None:
        """Answer a request that changes nothing."""

    def post(self, name: str, content: Any) -> Answer | None:
        """Answer a request with content, a JSON value."""


def json_answer(value: Any) -> Answer:
    """An answer in JSON, which has no NaN."""
    return Answer("application/json", json.dumps(value, allow_nan=False).encode())


@contextmanager
def _port_errors(port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        rule = _PORT_ERRORS.get(error.errno or 0, f"cannot listen ({error.strerror})")
        remedy = "choose another --port, or 0 for any that is free"
        raise BadInput(f"{HOST}:{port}", rule, remedy) from None


def check_port(port: int) -> None:
    """Refuse a port that no page can be served at, before the page is made.

    Raises
    ------
    BadInput
        The port is in use, or is not for this user.
    """
    with _port_errors(port), ThreadingHTTPServer((HOST, port), BaseHTTPRequestHandler):
        pass


class PageServer(ThreadingHTTPServer):
    """A server of the page, not yet running: call `serve_forever` and `server_close`.

    Parameters
    ----------
    page : what is served
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

    def __init__(self, page: Page, port: int = 0) -> None:
        self.page = page
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        self._free = threading.Semaphore(MAX_CONNECTIONS)
        with _port_errors(port):
            super().__init__((HOST, port), _Handler)
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
            log.warning("page: a request failed (%s)", printable(repr(error)))


@contextmanager
def link_file(url: str) -> Iterator[Path]:
    """A page that only this user can read, and that leads to `url`.

    A browser is started with its path: everybody on the machine can read a command line, and
    `url` has the token. It is removed at the end.
    """
    with tempfile.TemporaryDirectory(prefix="affect4d-page-") as folder:
        path = Path(folder, "page.html")
        path.touch(0o600, exist_ok=False)
        path.write_text(_LINK.format(url=html.escape(url)), encoding="utf-8")
        yield path


def serve(server: PageServer, *, browser: bool) -> None:
    """Answer until Ctrl-C; `browser`: open the page in it."""
    with link_file(server.url) as link, suppress(KeyboardInterrupt), server:
        if browser:
            webbrowser.open(link.as_uri())
        server.serve_forever()


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    timeout = FIRST_REQUEST_S
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each picture waits 40 ms for the headers' acknowledgement

    def do_GET(self) -> None:
        """Answer the page's requests; everybody else learns nothing."""
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self._refuse_content(HTTPStatus.BAD_REQUEST, "a request has no content")
        elif self._is_allowed():
            name, query = self._asked()
            if name:
                fields = {key: values[0] for key, values in parse_qs(query).items()}
                self._answer(lambda: self.server.page.get(name, fields))
            else:
                self._page()

    def do_POST(self) -> None:
        """Answer what the page saves."""
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdecimal()):
            self._refuse_content(HTTPStatus.LENGTH_REQUIRED, "say how long the content is")
        elif len(length) > len(str(MAX_CONTENT)) or int(length) > MAX_CONTENT:
            self._refuse_content(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "that is too much")
        elif self._is_allowed():
            content = self.rfile.read(int(length))
            name, _ = self._asked()
            self._answer(lambda: self.server.page.post(name, _parse(content)))

    def _asked(self) -> tuple[str, str]:
        """What a request names after the token, and its query."""
        path, _, query = self.path.partition("?")  # urlsplit refuses some authorities
        return (*path.split("/"), "", "")[2], query

    def _is_allowed(self) -> bool:
        """Whether a request comes from the page; everybody else is refused.

        A refused request's content stays unread: its connection ends.
        """
        token = (*self.path.partition("?")[0].split("/"), "")[1]
        origins = {None, *(f"http://{host}" for host in self.server.hosts)}
        if self.headers.get("Host") not in self.server.hosts:
            self._refuse_content(HTTPStatus.FORBIDDEN, "ask for this server by its own address")
        elif self.headers.get("Origin") not in origins:
            self._refuse_content(HTTPStatus.FORBIDDEN, "another page may ask for nothing")
        elif not secrets.compare_digest(token.encode(), self.server.token.encode()):
            self._refuse_content(HTTPStatus.NOT_FOUND, NOTHING)
        else:
            self.connection.settimeout(IDLE_S)
            return True
        return False

    def _page(self) -> None:
        nonce = secrets.token_urlsafe(NONCE_BYTES)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
            "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        page = self.server.page
        package, name = page.template
        text = files(package).joinpath(name).read_text(encoding="utf-8")
        environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
        content = environment.from_string(text).render(nonce=nonce, page=page).encode()
        headers = {"Content-Security-Policy": policy}
        self._send(Answer("text/html; charset=utf-8", content, headers))

    def _answer(self, ask: Callable[[], Answer | None]) -> None:
        """Send what the page gives to a request that is allowed."""
        try:
            answer = ask()
        except BadInput as problem:
            self._refuse(HTTPStatus.NOT_FOUND, f"{problem.rule}; {problem.remedy}")
        except ValueError as problem:
            self._refuse(HTTPStatus.BAD_REQUEST, str(problem))
        except (StoreError, OSError) as problem:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(problem))
        else:
            if answer is None:
                self._refuse(HTTPStatus.NOT_FOUND, NOTHING)
            else:
                self._send(answer)

    def _refuse_content(self, status: HTTPStatus, why: str) -> None:
        """Refuse a request, and end its connection, or its content would be the next request."""
        self.close_connection = True
        self._refuse(status, why)
        # What stays unread resets the connection, and the answer would be lost on its way.
        remaining, end = MAX_DISCARDED, time.monotonic() + FIRST_REQUEST_S
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while remaining > 0 and time.monotonic() < end:
                read = len(self.rfile.read1(remaining))
                remaining = remaining - read if read else 0

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self._send(Answer("text/plain; charset=utf-8", why.encode()), status)

    def _send(self, answer: Answer, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        shared = {"Content-Type": answer.kind, "Content-Length": str(len(answer.content))}
        shared |= {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        shared |= {"Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin"}
        for name, value in {**shared, **answer.headers}.items():
            self.send_header(name, value)
        with suppress(ConnectionError):  # the page was closed meanwhile
            self.end_headers()
            self.wfile.write(answer.content)

    def log_message(self, format: str, *args: object) -> None:
        """Keep requests, which hold the token, out of logs."""


def _parse(content: bytes) -> Any:
    """The JSON value of a POST; ValueError where it is none."""
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("the content is nested too deep") from None
