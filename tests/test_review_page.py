"""The page of the review: what it answers, whom it refuses, its sheet, and its use in a browser."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support.page_server import serving
from support.reviewed_build import PEOPLE, build, used
from typer.testing import CliRunner

from affect4d import store
from affect4d.cli import app
from affect4d.local_page.server import MAX_CONTENT
from affect4d.neutrals.decisions import DecisionFile, count_verdicts
from affect4d.quarantine import BadInput
from affect4d.review.candidates import ReviewedDatabase
from affect4d.review.page import ReviewPage

MANY = 500
browser = pytest.mark.skipif(
    "AFFECT4D_CHROMIUM" not in os.environ, reason="set AFFECT4D_CHROMIUM=1 to run"
)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return build(tmp_path_factory.mktemp("review"))


@contextmanager
def served(results, decisions, reviewer="Anna"):
    page = ReviewPage(ReviewedDatabase(results, "mine"), decisions, reviewer=reviewer)
    with serving(page) as url:
        yield url


def ask(url, name="", content=None, headers=None, path=None):
    """Status and content of an answer; with content it is a POST."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    method = "GET" if content is None else "POST"
    body = None if content is None else json.dumps(content)
    connection.request(method, path or parts.path + name, body, headers or {})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


class TestPage:
    def test_it_shows_neutral_candidates_those_that_are_used_first(self, results, tmp_path):
        with served(results, tmp_path / "d.csv") as url:
            shown = json.loads(ask(url, "candidates")[1])
        assert len(shown["image_ids"]) == 2 * PEOPLE
        assert sorted(shown["image_ids"][:PEOPLE]) == used(results)
        assert set(shown["reasons"][:PEOPLE]) == {"used"}

    def test_a_face_has_the_measures_of_its_selection_and_of_its_fit(self, results, tmp_path):
        copied, image = tmp_path / "results", used(results)[0]
        shutil.copytree(results, copied)
        store.write(
            copied / "fits/mine/000.zarr",
            {"quality": np.array([[12.0, 0.3, 1.0]])},
            {"image_ids": [image], "quality": ["yaw", "error_model", "gate_yaw"]},
            provenance=None,
        )
        shown = ReviewedDatabase(copied, "mine").describe()
        measures = {name: values[0] for name, values in shown["measures"].items()}
        row = pd.read_parquet(copied / "neutrals/mine/candidates.parquet").set_index("image_id")
        assert shown["image_ids"][0] == image
        for name in ("eye_distance", "sharpness", "landmark_error", "yaw", "covered"):
            assert measures.pop(name) == row[name][image]
        assert measures == {"fit_yaw": 12.0, "fit_error_model": 0.3}
        assert shown["measures"]["fit_yaw"][1] is None and shown["measures"]["yaw"][1] is not None

    def test_a_decision_is_on_the_disk_when_it_is_answered(self, results, tmp_path):
        table, image = tmp_path / "d.csv", used(results)[0]
        with served(results, table) as url:
            content = {"after": 0, "decisions": [[image, "reject"]]}
            status, answer = ask(url, "decide", content)
            assert status == 200 and json.loads(answer) == [[image, "reject", "Anna"]]
            assert count_verdicts(DecisionFile(table).read_new()) == {image: {"Anna": "reject"}}
            DecisionFile(table).append("Ben", [(image, "accept")])
            assert json.loads(ask(url, "decisions?after=1")[1]) == [[image, "accept", "Ben"]]
            assert json.loads(ask(url, "agreement")[1])[0]["images"] == 1

    @pytest.mark.parametrize(
        "content",
        [
            [],
            {"after": "0", "decisions": []},
            {"after": 0},
            {"after": 0, "decisions": [["IMAGE"]]},
            {"after": 0, "decisions": [["IMAGE", "keep"]]},
            {"after": 0, "decisions": [["../../etc/passwd", "accept"]]},
            {"after": 0, "decisions": [["IMAGE", ["accept"]]]},
            {"after": 0, "decisions": [["IMAGE\n", "accept"]]},
        ],
    )
    def test_what_is_no_decision_is_refused_and_not_written(self, results, tmp_path, content):
        table = tmp_path / "d.csv"
        content = json.loads(json.dumps(content).replace("IMAGE", used(results)[0]))
        with served(results, table) as url:
            assert ask(url, "decide", content)[0] == 400
        assert not table.exists()

    def test_pictures_are_of_candidates_only(self, results, tmp_path):
        (tmp_path / "secret.jpg").write_bytes(b"secret")
        outside = results.parent / "database/p000/link.jpg"
        outside.unlink(missing_ok=True)
        outside.symlink_to(tmp_path / "secret.jpg")
        image = used(results)[0]
        try:
            with served(results, tmp_path / "d.csv") as url:
                status, content = ask(url, f"picture?image={image}&size=160&overlay=1")
                assert status == 200 and content[:2] == b"\xff\xd8"
                for name in (
                    "../../secret.jpg",
                    str(tmp_path / "secret.jpg"),
                    "mine_p000-link",
                    f"{image}/../x",
                    "",
                ):
                    status, content = ask(url, f"picture?image={quote(name, safe='')}&size=160")
                    assert status == 404 and b"secret" not in content
                assert ask(url, f"picture?image={image}&size=100000")[0] == 400
                assert ask(url, "..%2f..%2faccepted.csv")[0] == 404
        finally:
            outside.unlink()

    def test_foreign_pages_and_strangers_get_nothing(self, results, tmp_path):
        table, image = tmp_path / "d.csv", used(results)[0]
        content = {"after": 0, "decisions": [[image, "accept"]]}
        with served(results, table) as url:
            parts = urlsplit(url)
            for name, sent in (("", None), ("candidates", None), ("decide", content)):
                foreign = {"Origin": "http://evil.example"}
                assert ask(url, name, sent, foreign)[0] == 403
                assert ask(url, name, sent, {"Origin": "null"})[0] == 403
                assert ask(url, name, sent, {"Host": "evil.example"})[0] == 403
                assert ask(url, "", sent, path=f"/{name}") == (404, b"nothing here")
                assert ask(url, "", sent, path=f"/wrong/{name}") == (404, b"nothing here")
            assert not table.exists()
            own = {"Origin": f"http://{parts.netloc}"}
            assert ask(url, "decide", content, own)[0] == 200
            long = {"Content-Length": str(MAX_CONTENT + 1)}
            assert ask(url, "decide", None, long)[0] == 400
            assert ask(url, "decide", ["x" * MAX_CONTENT])[0] == 413

    def test_a_build_without_the_database_says_so(self, results):
        with pytest.raises(BadInput, match="no neutral faces of a database 'other'"):
            ReviewedDatabase(results, "other")

    def test_the_sheet_shows_what_is_used(self, results, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        DecisionFile(Path("reviews/mine/accepted.csv")).append(
            "Anna", [(used(results)[0], "reject")]
        )
        for name in ("sheet.html", "sheet.jpg"):
            done = CliRunner().invoke(app, ["review", "mine", str(results), "--sheet", name])
            assert done.exit_code == 0, done.output
        text = Path("sheet.html").read_text()
        assert text.count("<figure>") == PEOPLE and "Anna: reject" in text
        with Image.open("sheet.jpg") as sheet:
            assert np.asarray(sheet).std() > 10
        done = CliRunner().invoke(app, ["review", "mine", str(results), "--sheet", "sheet.pdf"])
        assert done.exit_code == 1 and "a sheet is one of" in done.output


def start(results, table, reviewer="Anna"):
    """The command in a process of its own; gives it and the page's address."""
    code = "from affect4d.cli import main; main()"
    command = [sys.executable, "-c", code, "review", "mine", str(results), "--no-browser"]
    options = ["--decisions", str(table), "--reviewer", reviewer]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().split()[0]


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


@browser
def test_in_a_browser_500_candidates_by_keyboard_and_no_decision_is_lost(tmp_path):
    from playwright.sync_api import expect, sync_playwright

    results, table = (
        build(tmp_path, people=MANY, images=1, max_images=12),
        tmp_path / "accepted.csv",
    )
    process, url = start(results, table)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        try:
            page, tab = chromium.new_page(), chromium.new_page()
            problems = []
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.goto(url)
            progress = page.locator("#progress")
            expect(progress).to_contain_text(f"0 of {MANY} decided")
            for number in range(MANY - 100):
                page.keyboard.press("r" if number % 5 == 0 else "a")
            page.keyboard.press("u")
            expect(progress).to_contain_text("399 of 500 decided: 319 accepted, 80 rejected")
            expect(page.locator(".saving")).to_have_count(0)
            assert page.locator(".cell").count() < 100  # of 500: those in view
            page.reload()
            expect(progress).to_contain_text("399 of 500 decided: 319 accepted, 80 rejected")
            tab.goto(url)  # at the first one that is open
            expect(tab.locator("#progress")).to_contain_text("399 of 500 decided")
            for _ in range(50):
                tab.keyboard.press("a")
            expect(tab.locator("#progress")).to_contain_text("449 of 500 decided")
            page.bring_to_front()
            expect(progress).to_contain_text("449 of 500 decided")  # one tab sees the other
            page.keyboard.press("End")
            page.keyboard.press("r")
            expect(progress).to_contain_text("450 of 500 decided: 369 accepted, 81 rejected")
            expect(page.locator(".saving")).to_have_count(0)
            kill(process)
            page.keyboard.press("Home")
            page.keyboard.press("r")
            expect(page.locator("#message")).to_contain_text("1 decisions could not be saved")
            expect(progress).to_contain_text("450 of 500 decided: 369 accepted, 81 rejected")
            assert len(count_verdicts(DecisionFile(table).read_new())) == 450
            process, url = start(results, table)
            page.goto(url)
            expect(progress).to_contain_text("450 of 500 decided: 369 accepted, 81 rejected")
            page.locator("#decision").select_option("reject")
            expect(progress).to_contain_text("81 shown")
            page.locator("#subject").fill("p00")
            expect(progress).to_contain_text("2 shown")
            assert not problems
            wrong = chromium.new_page()
            wrong.goto(f"{url.rsplit('/', 2)[0]}/")
            expect(wrong.locator("body")).to_have_text("nothing here")
        finally:
            chromium.close()
            kill(process)


def test_a_reviewer_has_one_name_however_its_accents_are_encoded(results, monkeypatch):
    named = []

    def page(_reviewed, _table, *, reviewer):
        named.append(reviewer)
        raise ValueError("no page is needed")

    monkeypatch.setattr("affect4d.review.page.ReviewPage", page)
    for name in ("Jose\u0301", "Jos\u00e9"):
        CliRunner().invoke(app, ["review", "mine", str(results), "--reviewer", name])
    assert named == ["Jos\u00e9"] * 2
