"""The page over the plane: what it answers, whom it refuses, and that a browser can play."""

import http.client
import io
import json
import os
import shutil
import threading
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

from affect4d.blendshapes.targets import component_target
from affect4d.synthesis.play import HOST, PlaySession, serve
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
    server, address = serve(session)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield address
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
    assert (label["components"], label["rejection"]) == (2, "")


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("expression=happiness", lambda session: session.expressions.target("happiness")),
        (
            "component=v%2B0.5_a%2B0.5:2",
            lambda session: component_target(session.folder, "v+0.5_a+0.5", 2),
        ),
    ],
)
def test_expressions_and_components_are_faces_too(url, session, query, target):
    status, headers, content = ask(url, f"{urlsplit(url).path}face?{query}")
    label = json.loads(headers["X-Label"])
    assert status == 200 and label["class"] == target(session).name
    assert label["valence"] is label["arousal"] is None and label["components"] == 0
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


def test_a_place_without_data_says_so(url):
    status, _, content = ask(url, f"{urlsplit(url).path}face?v=0&a=-0.9")
    assert status == 404 and b"is empty; the nearest class with data is" in content


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
        ("face?component=x:" + 5000 * "9", 400),
    ],
)
def test_no_request_leaves_the_page(url, path, status):
    found, _, content = ask(url, urlsplit(url).path + path)
    assert found == status and b"root:" not in content


def test_other_methods_are_refused(url):
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(url, urlsplit(url).path, method=method)[0] == 501


def test_the_page_may_load_nothing_from_elsewhere(url):
    _, headers, content = ask(url, urlsplit(url).path)
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert headers["Cache-Control"] == "no-store" and headers["Referrer-Policy"] == "no-referrer"
    assert b"http://" not in content and b"https://" not in content


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
        component = page.get_by_role("button", name="2", exact=True)
        component.click()
        expect(label).to_contain_text("component v+0.5_a+0.5:2")
        assert component.get_attribute("aria-pressed") == "true"
        component.click()
        expect(label).to_contain_text("class v+0.5_a+0.5")
        expected = {"404"}  # the place without data is refused
        assert not [line for line in problems if not any(code in line for code in expected)]
        browser.close()
