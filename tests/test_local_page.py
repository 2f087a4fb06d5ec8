"""A page that this machine serves to itself: whom it refuses, whatever is sent."""

import errno
import http.client
import socket
import socketserver
import stat
import threading
import webbrowser
from functools import partial
from urllib.parse import urlsplit

import pytest
from support.page_server import serving
from support.play_page import ask, play_session
from typer.testing import CliRunner

from affect4d.cli import app
from affect4d.local_page import server as page_server
from affect4d.local_page.server import HOST, MAX_CONNECTIONS, PageServer, check_port, link_file
from affect4d.quarantine import BadInput
from affect4d.store import StoreError
from affect4d.synthesis import play, request


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return play_session(tmp_path_factory.mktemp("blendshapes"))


@pytest.fixture(scope="module")
def url(session):
    with serving(session) as url:
        yield url


def test_it_listens_to_this_machine_alone(url):
    assert urlsplit(url).hostname == HOST == "127.0.0.1"
    assert len(urlsplit(url).path.strip("/")) >= 32


@pytest.mark.parametrize(
    "path", ["/", "/face?v=0.5&a=0.4", "/wrong/", "/wrong/face?v=0.5&a=0.4", "//", "/%00/"]
)
def test_without_the_token_there_is_nothing(url, path):
    assert ask(url, path)[::2] == (404, b"nothing here")


def test_another_host_is_refused(url):
    """A page elsewhere that resolves its own name to this machine knows neither name nor token."""
    path = urlsplit(url).path
    for host in ("evil.example", "evil.example:80", f"127.0.0.1.evil:{urlsplit(url).port}"):
        assert ask(url, path, host=host)[0] == 403
    assert ask(url, path, host=f"localhost:{urlsplit(url).port}")[0] == 200


def test_other_methods_are_refused(url):
    for method in ("PUT", "DELETE", "OPTIONS"):
        assert ask(url, urlsplit(url).path, method=method)[0] == 501
    assert ask(url, urlsplit(url).path, method="POST")[0] == 411


def test_the_page_may_load_nothing_from_elsewhere(url):
    _, headers, content = ask(url, urlsplit(url).path)
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert headers["Cache-Control"] == "no-store" and headers["Referrer-Policy"] == "no-referrer"
    assert b"http://" not in content and b"https://" not in content


def raw(url, content):
    """What the server sends back for these bytes before it closes the connection."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall(content.replace(b"HOST", parts.netloc.encode()))
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b""))


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET http://[::1/ HTTP/1.1",
        b"GET //[::1/ HTTP/1.1",
        b"GET //[v1.x]/ HTTP/1.1",
        b"GET http://a]b/ HTTP/1.1",
        b"GET //\xe2\x84\x80/ HTTP/1.1",
        b"GET /\xff\xfe/ HTTP/1.1",
        b"GET /\x00\x1b[31m/ HTTP/1.1",
        b"GET / HTTP/9.9",
        b"GET",
        b"GET /",
        b"\x16\x03\x01\x02",
        b"GET /" + 70_000 * b"x" + b"/ HTTP/1.1",
    ],
)
def test_a_malformed_request_is_refused_without_a_word_on_the_terminal(
    url, capfd, caplog, request_line
):
    answer = raw(url, request_line + b"\r\nHost: HOST\r\nConnection: close\r\n\r\n")
    assert b" 200 " not in answer and b"Traceback" not in answer
    assert ask(url, urlsplit(url).path)[0] == 200
    assert "".join(capfd.readouterr()) == "" and not caplog.records


@pytest.mark.parametrize("header", [b"Content-Length: 40", b"Transfer-Encoding: chunked"])
def test_content_of_a_request_never_counts_as_another(url, header):
    path = urlsplit(url).path.encode()
    hidden = b"GET " + path + b"plane HTTP/1.1\r\nHost: HOST\r\n\r\n"
    answer = raw(url, b"GET / HTTP/1.1\r\nHost: HOST\r\n" + header + b"\r\n\r\n" + hidden)
    assert answer.count(b"HTTP/1.1 ") == 1 and b"400" in answer.splitlines()[0]


def test_what_fails_in_the_build_is_one_line(url, session, monkeypatch, capfd):
    lines = []
    monkeypatch.setattr(page_server.log, "warning", lambda text, *of: lines.append(text % of))
    failures = iter(
        [StoreError("atlas.zarr", "is damaged", "rebuild it"), RuntimeError("\x1b[31m\nsecond")]
    )

    def fail(request):
        raise next(failures)

    monkeypatch.setattr(session, "face", fail)
    path = f"{urlsplit(url).path}face?v=0&a=0"
    status, _, content = ask(url, path)
    assert status == 500 and b"is damaged" in content
    with pytest.raises(http.client.RemoteDisconnected):
        ask(url, path)
    [line] = lines
    assert "RuntimeError" in line and line.isprintable()
    assert "Traceback" not in capfd.readouterr().err


def test_idle_connections_are_few_and_the_page_comes_back(session):
    server = PageServer(session)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    before = threading.active_count()
    address = (HOST, server.server_port)
    idle = [socket.create_connection(address) for _ in range(3 * MAX_CONNECTIONS)]
    try:
        for refused in idle[MAX_CONNECTIONS:]:
            assert refused.recv(1) == b""  # it waits until the server has closed this one
        assert threading.active_count() <= before + MAX_CONNECTIONS
    finally:
        for connection in idle:
            connection.close()
    server._free.acquire()  # one of them has ended
    server._free.release()
    assert ask(server.url, urlsplit(server.url).path)[0] == 200
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_connection_that_says_nothing_is_closed(session, monkeypatch):
    monkeypatch.setattr(page_server._Handler, "timeout", 0.01)
    server = PageServer(session)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with socket.create_connection((HOST, server.server_port)) as connection:
        assert connection.recv(1) == b""
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_port_in_use_is_one_line_with_a_remedy(session):
    for listens in (check_port, partial(PageServer, session)):
        with PageServer(session) as server, pytest.raises(BadInput) as caught:
            listens(server.server_port)
        assert "the port is in use; choose another --port" in str(caught.value)
        assert "\n" not in str(caught.value)
    check_port(server.server_port)  # free again


def test_a_port_of_the_system_is_one_line_with_a_remedy(session, monkeypatch):
    def refuse(_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socketserver.TCPServer, "server_bind", refuse)
    with pytest.raises(BadInput, match="the port is the system's; choose another --port"):
        PageServer(session, 80)


def test_the_browser_is_given_a_file_of_this_user_alone(session):
    with PageServer(session) as server, link_file(server.url) as path:
        assert server.token not in path.as_uri()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert f"url={server.url}" in path.read_text()
    assert not path.parent.exists()


def test_no_command_line_holds_the_token(session, monkeypatch, tmp_path):
    """The command starts what the user calls a browser, here a program that notes its arguments."""
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\n')
    browser.chmod(0o755)
    monkeypatch.setattr(webbrowser, "open", webbrowser.GenericBrowser(str(browser)).open)
    monkeypatch.setattr(request, "open_photograph", lambda *_, **__: session.photograph)
    monkeypatch.setattr(play, "PlaySession", lambda *_: session)

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(PageServer, "serve_forever", interrupt)
    done = CliRunner().invoke(app, ["play", "me.jpg", str(tmp_path)])
    assert done.stderr.startswith(f"affect4d: loading me.jpg and the classes of {tmp_path}")
    token = urlsplit(done.stdout.split()[0]).path.strip("/")
    arguments = (tmp_path / "arguments").read_text()
    assert done.exit_code == 0 and len(token) >= 32
    assert arguments.startswith("file://") and token not in arguments
