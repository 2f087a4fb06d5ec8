"""The review of neutral faces: decisions that survive, what they select, and who agrees."""

import os

import pandas as pd
import pytest
from support.reviewed_build import build, used

from affect4d.neutrals.decisions import (
    Decision,
    DecisionFile,
    count_verdicts,
    describe_inspection,
    is_rejected,
)
from affect4d.quarantine import BadInput
from affect4d.review.agreement import fleiss_kappa, measure_agreement


def reasons(results):
    rows = pd.read_parquet(results / "neutrals/mine/candidates.parquet")
    return dict(zip(rows["image_id"], rows["reason"], strict=True))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return build(tmp_path_factory.mktemp("review"))


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
