"""The page over the plane: what it answers, and that a browser can play."""

import io
import json
import os
import shutil
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from support.page_server import serving
from support.play_page import ask, play_session

from affect4d.blendshapes.components import component_target

WAITS_FOR_ANOTHER = """async shown => {
    for (let k = 0; k < 500; k += 1) {
        if (document.getElementById("face").toDataURL() !== shown) return true;
        await new Promise(resolve => setTimeout(resolve, 20));
    }
    return false;
}"""


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return play_session(tmp_path_factory.mktemp("blendshapes"))


@pytest.fixture(scope="module")
def url(session):
    with serving(session) as url:
        yield url


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
