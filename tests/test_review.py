"""The review of neutral faces: decisions that survive, who agrees, the page and its sheet."""

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
from support.contexts import context
from support.database_layouts import put
from support.page_server import serving
from typer.testing import CliRunner

from affect4d import store
from affect4d.cli import app
from affect4d.config.neutrals import Database, Settings
from affect4d.local_page.server import MAX_CONTENT
from affect4d.neutrals.build import build_neutrals
from affect4d.neutrals.decisions import (
    Decision,
    DecisionFile,
    count_verdicts,
    describe_inspection,
    is_rejected,
)
from affect4d.quarantine import BadInput
from affect4d.review.agreement import fleiss_kappa, measure_agreement
from affect4d.review.candidates import ReviewedDatabase
from affect4d.review.page import ReviewPage

PEOPLE = 12
MANY = 500
browser = pytest.mark.skipif(
    "AFFECT4D_CHROMIUM" not in os.environ, reason="set AFFECT4D_CHROMIUM=1 to run"
)


def build(root, people=PEOPLE, images=2, decisions=None, **settings):
    """The neutral faces of a folder per person; gives the results folder."""
    for person in range(people):
        for image in range(images):
            put(root / "database" / f"p{person:03d}" / f"{image}.jpg", person)
    database = Database(
        adapter="folder_per_person",
        root=str(root / "database"),
        decisions=None if decisions is None else str(decisions),
    )
    stage = Settings(databases={"mine": database}, **{"max_images": people} | settings)
    results = root / "results"
    run = context(
        results, "neutrals", item="mine", settings={"neutrals": stage.model_dump(mode="json")}
    )
    build_neutrals("mine", stage, run)
    return results


def used(results):
    rows = pd.read_csv(results / "neutrals/mine/accepted.csv")
    return rows["image_id"].tolist()


def reasons(results):
    rows = pd.read_parquet(results / "neutrals/mine/candidates.parquet")
    return dict(zip(rows["image_id"], rows["reason"], strict=True))


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


def rows_of(*rows):
    return [Decision(*row, "2026-01-01T00:00:00Z") for row in rows]


class TestDecisions:
    def test_the_last_one_of_each_reviewer_counts_and_undo_takes_it_back(self):
        rows = rows_of(
            ("a", "accept", "Anna"),
            ("a", "reject", "Anna"),
            ("a", "accept", "Ben"),
            ("b", "reject", "Anna"),
            ("b", "undo", "Anna"),
            ("c", "undo", "Anna"),
            ("a", "undo", "Anna"),
        )
        assert count_verdicts(rows) == {"a": {"Anna": "accept", "Ben": "accept"}}

    def test_a_tie_is_no_acceptance(self):
        assert is_rejected({"Anna": "accept", "Ben": "reject"})
        assert not is_rejected({"Anna": "accept", "Ben": "reject", "Chloé": "accept"})
        assert not is_rejected({})

    def test_what_is_appended_is_read_and_others_may_append_too(self, tmp_path):
        one, other = (DecisionFile(tmp_path / "reviews/accepted.csv") for _ in range(2))
        assert one.read_new() == []
        one.append("Anna, the first", [("a", "accept"), ("b", "reject")])
        other.append("Ben", [("a", "reject")])
        assert [row[:3] for row in one.read_new()] == [
            ("a", "accept", "Anna, the first"),
            ("b", "reject", "Anna, the first"),
            ("a", "reject", "Ben"),
        ]
        assert one.read_new() == []
        assert len(other.read_new()) == 3

    def test_a_table_that_a_larger_one_replaced_is_refused(self, tmp_path):
        path, other = tmp_path / "accepted.csv", tmp_path / "other.csv"
        DecisionFile(path).append("Anna", [("a", "accept")])
        known = DecisionFile(path)
        known.read_new()
        DecisionFile(other).append("Ben", [("a", "reject"), ("b", "reject"), ("c", "reject")])
        other.replace(path)
        with pytest.raises(BadInput, match="was replaced meanwhile"):
            known.read_new()

    def test_a_row_cut_anywhere_costs_no_other(self, tmp_path):
        path = tmp_path / "accepted.csv"
        DecisionFile(path).append("Anna", [("a", "accept"), ("b", "reject")])
        content = path.read_bytes()
        start = content.rindex(b"b,reject")
        for cut in range(start, len(content)):
            path.write_bytes(content[:cut])
            DecisionFile(path).append("Anna", [("c", "accept")])
            read = {row.image_id: row.decision for row in DecisionFile(path).read_new()}
            assert read.pop("b", "reject") == "reject"
            assert read == {"a": "accept", "c": "accept"}

    def test_a_table_that_a_person_saved_again_is_read(self, tmp_path):
        path = tmp_path / "accepted.csv"
        text = "\ufeffimage_id,decision,reviewer,time\r\na,reject,José,2026-01-02\r\nb,,,\r\n"
        path.write_bytes(text.encode())
        assert count_verdicts(DecisionFile(path).read_new()) == {"a": {"José": "reject"}}

    @pytest.mark.parametrize("content", [b"image;decision\n", b"\x00\xff\x00", b"x" * 300])
    def test_another_file_is_refused(self, tmp_path, content):
        path = tmp_path / "accepted.csv"
        path.write_bytes(content)
        with pytest.raises(BadInput, match="first line is not image_id,decision,reviewer,time"):
            DecisionFile(path).read_new()

    def test_a_pipe_is_refused(self, tmp_path):
        os.mkfifo(tmp_path / "accepted.csv")
        with pytest.raises(OSError, match="no regular file"):
            DecisionFile(tmp_path / "accepted.csv").read_new()


class TestSelection:
    def test_a_rejected_face_gives_way_to_the_person_s_other_one(self, tmp_path):
        chosen = used(build(tmp_path, people=2))
        table = tmp_path / "accepted.csv"
        DecisionFile(table).append("Anna", [(chosen[0], "reject")])
        results = build(tmp_path, people=2, decisions=table)
        assert chosen[0] not in used(results) and chosen[1] in used(results)
        assert len(used(results)) == 2
        assert reasons(results)[chosen[0]] == "rejected by Anna"

    def test_accepted_faces_go_first(self, tmp_path):
        results = build(tmp_path, people=3, max_images=1)
        last = sorted(reasons(results))[-1]
        assert last not in used(results)
        table = tmp_path / "accepted.csv"
        DecisionFile(table).append("Anna", [(last, "accept"), ("gone", "accept")])
        assert used(build(tmp_path, people=3, max_images=1, decisions=table)) == [last]

    def test_the_card_says_who_inspected(self, tmp_path):
        table = tmp_path / "accepted.csv"
        assert describe_inspection(["a", "b"], None) == "not inspected"
        DecisionFile(table).append("Anna", [("a", "accept")])
        assert describe_inspection(["a", "b"], table) == "1 of 2 inspected by 1 reviewer"
        DecisionFile(table).append("Ben", [("a", "accept"), ("b", "accept")])
        assert describe_inspection(["a", "b"], table) == "inspected by 2 reviewers"
        assert describe_inspection(["c"], table) == "not inspected"


class TestAgreement:
    def test_fleiss_kappa_is_the_textbook_s(self):
        """Fleiss' layout as in Wikipedia's worked example: 14 raters, 10 subjects, kappa .210."""
        counts = [
            [0, 0, 0, 0, 14],
            [0, 2, 6, 4, 2],
            [0, 0, 3, 5, 6],
            [0, 3, 9, 2, 0],
            [2, 2, 8, 1, 1],
            [7, 7, 0, 0, 0],
            [3, 2, 6, 3, 0],
            [2, 5, 3, 2, 2],
            [6, 5, 2, 1, 0],
            [0, 2, 2, 3, 7],
        ]
        assert fleiss_kappa(counts) == pytest.approx(0.210, abs=5e-4)

    def test_cohen_s_counts_what_both_decided(self):
        """20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no of 50: kappa .4 (Wikipedia's example)."""
        pairs = 20 * ["aa"] + 5 * ["ar"] + 10 * ["ra"] + 15 * ["rr"]
        said = {"a": "accept", "r": "reject"}
        verdicts = {str(k): {"A": said[p[0]], "B": said[p[1]]} for k, p in enumerate(pairs)}
        verdicts["x"] = {"A": "accept"}
        assert measure_agreement(verdicts) == [(("A", "B"), 50, pytest.approx(0.4))]

    def test_three_reviewers_are_compared_in_pairs_and_together(self):
        verdicts = {
            "a": {"A": "accept", "B": "accept", "C": "accept"},
            "b": {"A": "reject", "B": "reject", "C": "reject"},
        }
        found = measure_agreement(verdicts)
        assert [len(each.reviewers) for each in found] == [2, 2, 2, 3]
        assert [each.kappa for each in found] == [pytest.approx(1)] * 4
        del verdicts["b"]
        assert {each.kappa for each in measure_agreement(verdicts)} == {None}


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
