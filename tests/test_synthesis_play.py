"""The page over the plane: what it answers, whom it refuses, and that a browser can play."""

import errno
import http.client
import io
import json
import os
import shutil
import socket
import socketserver
import stat
import threading
import webbrowser
from functools import partial
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from support.faces import (
    morphable_model,
    photographed,
    write_atlas,
    write_components,
    write_expressions,
)
from typer.testing import CliRunner

from affect4d.blendshapes.components import component_target
from affect4d.cli import app
from affect4d.local_page import server as page_server
from affect4d.local_page.server import HOST, MAX_CONNECTIONS, PageServer, check_port, link_file
from affect4d.quarantine import BadInput
from affect4d.store import StoreError
from affect4d.synthesis import play, request
from affect4d.synthesis.play import PlaySession
from affect4d.synthesis.single import PhotographEditor

WAITS_FOR_ANOTHER = """async shown => {
    for (let k = 0; k < 500; k += 1) {
        if (document.getElementById("face").toDataURL() !== shown) return true;
        await new Promise(resolve => setTimeout(resolve, 20));
    }
    return false;
}"""


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    folder = tmp_path_factory.mktemp("blendshapes")
    write_atlas(folder / "atlas.zarr")
    write_expressions(folder / "expressions.zarr")
    write_components(folder / "v+0.5_a+0.5.zarr")
    return PlaySession(PhotographEditor(*photographed(), morphable_model(), crop=True), folder)


@pytest.fixture(scope="module")
def url(session):
    server = PageServer(session)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.url
    server.shutdown()
    server.server_close()
    thread.join()


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


def decoded(content):
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture).astype(int)


def test_a_face_is_that_of_its_place(url, session):
    root = urlsplit(url).path
    status, headers, content = ask(url, f"{root}face?v=0.55&a=0.41")
    assert status == 200 and headers["Content-Type"] == "image/jpeg"
    label = json.loads(headers["X-Label"])
    assert label["class"] == "v+0.5_a+0.5" and not label["interpolated"]
    assert [label["valence"], label["arousal"]] == [0.55, 0.41]
    image, _ = session.photograph.impose(session.atlas.target(0.55, 0.41))
    assert np.abs(decoded(content) - image).mean() < 3
    assert ask(url, f"{root}face?v=-0.52&a=0.33")[2] != content
    assert (label["components"], label["rejection"]) == (
        ["right mouth corner", "left mouth corner"],
        "",
    )


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("expression=happiness", lambda session: session.expressions.target("happiness")),
        (
            "component=v%2B0.5_a%2B0.5:2",
            lambda session: component_target(
                session.folder,
                "v+0.5_a+0.5",
                "left mouth corner",
                regions=session.photograph.editor.scene.anatomy.regions,
            ),
        ),
    ],
)
def test_expressions_and_components_are_faces_too(url, session, query, target):
    status, headers, content = ask(url, f"{urlsplit(url).path}face?{query}")
    label = json.loads(headers["X-Label"])
    assert status == 200 and label["class"] == target(session).name
    assert label["valence"] is label["arousal"] is None and label["components"] == []
    image, _ = session.photograph.impose(target(session))
    assert np.abs(decoded(content) - image).mean() < 3


def test_strength_scales_the_deformation(url, session):
    root = urlsplit(url).path
    still, half, full, twice = (
        decoded(ask(url, f"{root}face?expression=happiness&strength={strength}")[2])
        for strength in (0, 0.5, 1, 2)
    )
    assert np.abs(still - session.photograph.editor.scene.image).mean() < 3
    apart = [np.abs(face - still).sum() for face in (half, full, twice)]
    assert apart[0] < apart[1] < apart[2]


def test_blends_and_the_class_s_mean_can_be_chosen(url, session):
    root = urlsplit(url).path
    place = f"{root}face?v=0.5&a=0.5"
    other = session.photograph.with_blend("poisson")
    assert other.editor.settings.blend == "poisson" and other.editor.scene is (
        session.photograph.editor.scene
    )
    target = session.atlas.between(0.5, 0.5)
    for name, photograph in (("warp", session.photograph), ("poisson", other)):
        shown = decoded(ask(url, f"{place}&blend={name}")[2])
        assert np.abs(shown - photograph.impose(target)[0]).mean() < 3
    status, headers, content = ask(url, f"{place}&mean=1")
    label = json.loads(headers["X-Label"])
    assert status == 200 and [label["valence"], label["arousal"]] == [0.55, 0.41]
    image, _ = session.photograph.impose(session.atlas.target(0.5, 0.5))
    assert np.abs(decoded(content) - image).mean() < 3
    assert ask(url, f"{place}&blend=paste")[0] == 400
    assert json.loads(ask(url, f"{root}plane")[2])["blends"] == ["warp", "poisson"]


def test_a_place_without_data_says_so(url):
    status, _, content = ask(url, f"{urlsplit(url).path}face?v=0&a=-0.9")
    assert status == 404 and b"is empty; the nearest class with data is" in content
    assert b"--" not in content


def test_the_plane_names_the_status_of_every_class(url):
    plane = json.loads(ask(url, f"{urlsplit(url).path}plane")[2])
    assert plane["width"] == pytest.approx(0.2) and len(plane["classes"]) == 100
    assert plane["expressions"] == ["happiness"]
    assert [own["centre"] for own in plane["classes"] if own["status"] == "ok"] == [
        [-0.5, 0.3],
        [0.5, 0.5],
    ]


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


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("../../etc/passwd", 404),
        ("..%2f..%2fetc%2fpasswd", 404),
        ("face", 400),
        ("face?v=nan&a=0", 400),
        ("face?v=inf&a=0", 400),
        ("face?v=1e400&a=0", 400),
        ("face?v=x&a=0", 400),
        ("face?v=2&a=0", 404),
        ("face?v=0.55&a=0.41&file=/etc/passwd", 200),
        ("face?v=0.55&a=0.41&strength=2.1", 400),
        ("face?v=0.55&a=0.41&strength=-1", 400),
        ("face?v=0.55&a=0.41&strength=nan", 400),
        ("face?expression=fear", 404),
        ("face?expression=../../etc/passwd", 404),
        ("face?component=v%2B0.5_a%2B0.5:3", 404),
        ("face?component=v%2B0.5_a%2B0.5:0", 404),
        ("face?component=v%2B0.5_a%2B0.5", 400),
        ("face?component=../atlas:1", 404),
        ("face?component=/etc/passwd:1", 404),
        ("face?component=x:" + 5000 * "9", 404),
        ("face?component=v%2B0.5_a%2B0.5:" + 5000 * "9", 400),
    ],
)
def test_no_request_leaves_the_page(url, path, status):
    found, _, content = ask(url, urlsplit(url).path + path)
    assert found == status and b"root:" not in content


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


@pytest.mark.skipif("AFFECT4D_CHROMIUM" not in os.environ, reason="set AFFECT4D_CHROMIUM=1 to run")
def test_in_a_browser_the_face_follows_the_point(url):
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page()
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: line.type == "error" and problems.append(line.text))
        page.goto(url)
        plane = page.locator("#plane")
        box = plane.bounding_box()

        def drag(valence, arousal):
            x = box["x"] + (valence + 1) / 2 * box["width"]
            page.mouse.move(x, box["y"] + (1 - arousal) / 2 * box["height"])

        drag(0.55, 0.41)
        page.mouse.down()
        label = page.locator("#label")
        expect(label).to_contain_text("class v+0.5_a+0.5")
        smile = page.evaluate("document.getElementById('face').toDataURL()")
        drag(-0.52, 0.33)
        expect(label).to_contain_text("class v-0.5_a+0.3")
        assert page.evaluate("document.getElementById('face').toDataURL()") != smile
        drag(0.0, -0.9)
        expect(label).to_contain_text("is empty")
        page.mouse.up()
        drag(0.55, 0.41)  # the button is up: nothing follows
        plane.focus()
        page.keyboard.press("0")
        page.keyboard.press("ArrowRight")
        assert page.evaluate("state.wanted") == [0.02, 0]
        page.get_by_role("button", name="happiness").click()
        expect(label).to_contain_text("not annotated · expression happiness")
        smile = page.evaluate("document.getElementById('face').toDataURL()")
        page.locator("#strength").fill("2")
        assert page.evaluate(WAITS_FOR_ANOTHER, smile)
        drag(0.55, 0.41)
        page.mouse.down()
        expect(label).to_contain_text("class v+0.5_a+0.5")
        page.mouse.up()
        component = page.get_by_role("button", name="left mouth corner", exact=True)
        component.click()
        expect(label).to_contain_text("component v+0.5_a+0.5:left mouth corner")
        assert component.get_attribute("aria-pressed") == "true"
        page.get_by_role("button", name="Before").click()
        expect(label).to_contain_text("The photograph as it is")
        for button, suffix in (("Save image", ".png"), ("Save settings", ".json")):
            with page.expect_download() as download:
                page.get_by_role("button", name=button).click()
            assert download.value.suggested_filename.endswith(suffix)
        settings = json.loads(download.value.path().read_text())
        assert settings["part"] == "component=v+0.5_a+0.5:left mouth corner"
        assert settings["blend"] == "warp" and settings["strength"] == 2
        page.get_by_role("button", name="Before").click()
        component.click()
        expect(label).to_contain_text("class v+0.5_a+0.5")
        expected = {"404"}  # the place without data is refused
        assert not [line for line in problems if not any(code in line for code in expected)]
        browser.close()
