"""A first table from a tree of scans: what names say, what is left out, and that it loads."""

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from affect4d.cli import app
from affect4d.config.gallery import Manifest, Settings
from affect4d.gallery.checks import find_problems
from affect4d.gallery.draft import draft_table, write_draft
from affect4d.gallery.jobs import file_states
from affect4d.gallery.user_table import TABLE_COLUMNS, read_table
from affect4d.quarantine import BadInput


def grow(root, *paths):
    """Files of these paths, with a little in them."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def drafted(root, pattern=None):
    """The draft's rows as a table, and what the manifest source finds wrong with them."""
    table = root.parent / "scans.csv"
    table.unlink(missing_ok=True)
    write_draft(draft_table(root, pattern), table)
    manifest = Manifest(root=str(root), table=str(table))
    read = read_table(Settings(source="manifest", manifest=manifest))
    rows = read.to_pandas()
    return rows, find_problems(rows, manifest, file_states(read, str(root)))


@pytest.fixture
def root(tmp_path):
    (tmp_path / "db").mkdir()
    return tmp_path / "db"


def test_folders_are_subject_session_and_sequence_and_numbers_count_the_frames(root):
    for frame in (2, 10, 1):
        stem = f"anna/2/smile/frame_{frame}"
        grow(root, *(f"{stem}.{end}" for end in ("obj", "jpg", "pts")))
    rows, problems = drafted(root)
    assert not problems
    assert list(rows["frame_id"]) == [f"anna_2_smile/{n:05d}" for n in (1, 2, 10)]
    assert rows[["subject", "session", "sequence"]].drop_duplicates().to_numpy().tolist() == [
        ["anna", "2", "anna_2_smile"]
    ]
    assert rows["is_neutral"].tolist() == ["true", "false", "false"]
    assert set(rows["is_apex"]) == {"false"} and set(rows["valence"]) == {""}
    last = rows.iloc[-1]
    assert [last["mesh"], last["texture"], last["landmarks"]] == [
        f"anna/2/smile/frame_10.{end}" for end in ("obj", "jpg", "pts")
    ]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["s1/talk_01.ply", "s1/talk_02.ply", "s1/walk_01.ply"], {"s1_1_talk", "s1_1_walk"}),
        (["s1/a/01.ply", "s1/a/02.ply", "s2/a/01.ply"], {"s1_1_a", "s2_1_a"}),
        (["s1_smile_01.obj", "s1_smile_02.obj", "s2_smile_01.obj"], {"s1_smile", "s2_smile"}),
        (["01/neutral/mesh.obj", "01/happy/mesh.obj"], {"01_1_neutral", "01_1_happy"}),
        (["p/x/talk1_001.obj", "p/x/talk1_002.obj", "p/x/talk2_001.obj"],
         {"p_1_x_talk1", "p_1_x_talk2"}),
        (["001.ply", "002.ply"], {"db_1"}),
        (["b/c/d/e/1.bnt"], {"b_c_d_e"}),
    ],
)  # fmt: skip
def test_layouts(root, paths, names):
    grow(root, *paths)
    rows, _ = drafted(root)
    assert set(rows["sequence"]) == names and len(rows) == len(paths)
    assert rows.groupby("sequence")["is_neutral"].apply(lambda v: (v == "true").sum()).eq(1).all()


def test_a_pattern_says_what_levels_and_names_mean(root):
    grow(root, "F0001/F0001_AN01WH_F3D.wrl", "F0001/F0001_AN02WH_F3D.wrl", "x/other.wrl")
    grow(root, "F0001/F0001_AN01WH_F3D.bmp", "F0001/F0001_AN01WH_F3D.bnd")
    pattern = "{subject}/{subject}_{expression}{frame}*"
    rows, _ = drafted(root, pattern)
    assert rows["frame_id"].tolist() == ["F0001_1_AN/00001", "F0001_1_AN/00002"]
    assert set(rows["expression"]) == {"AN"}
    assert rows["texture"].tolist() == ["F0001/F0001_AN01WH_F3D.bmp", ""]
    assert rows["landmarks"].tolist() == ["F0001/F0001_AN01WH_F3D.bnd", ""]
    assert draft_table(root, pattern).ignored == [("x/other.wrl", "the pattern does not fit")]


@pytest.mark.parametrize(
    ("pattern", "rule"),
    [("{person}/*", "unknown {person}"), ("{frame}", "no {subject}"), ("{subject}", "fits no")],
)
def test_a_pattern_that_cannot_be_used(root, pattern, rule):
    grow(root, "a/1.obj")
    with pytest.raises(BadInput, match=rule):
        draft_table(root, pattern)


def test_textures_are_found_in_the_mesh_or_its_material_and_stay_inside(root):
    grow(root, "a/1.obj", "a/2.obj", "a/3.ply", "a/4.obj", "skin.png", "a/t.jpg")
    (root.parent / "secret.png").write_text("")
    (root / "a/1.obj").write_text("# made by hand\nmtllib one.mtl\nv 0 0 0\n")
    (root / "a/one.mtl").write_text("newmtl skin\n  map_Kd t.jpg\n")
    (root / "a/2.obj").write_text("mtllib two.mtl\n")
    (root / "a/two.mtl").write_text("map_Kd ../../secret.png\n")
    (root / "a/3.ply").write_text("ply\nformat ascii 1.0\ncomment TextureFile t.jpg\n")
    (root / "a/4.obj").write_text(f"mtllib {root.parent}/secret.png\n")
    assert drafted(root)[0]["texture"].tolist() == ["a/t.jpg", "", "a/t.jpg", ""]


def test_links_out_of_the_folder_are_not_followed(root):
    grow(root, "a/1.obj")
    grow(root.parent, "elsewhere/2.obj", "elsewhere/1.pts")
    (root / "a/2.obj").symlink_to(root.parent / "elsewhere/2.obj")
    (root / "a/1.pts").symlink_to(root.parent / "elsewhere/1.pts")
    (root / "b").symlink_to(root.parent / "elsewhere")
    (root / "a/3.obj").symlink_to(root / "a/1.obj")
    draft = draft_table(root)
    assert [row["mesh"] for row in draft.rows] == ["a/1.obj", "a/3.obj"]
    assert draft.rows[0]["landmarks"] == ""
    assert draft.ignored == [("a/2.obj", "a link leads out of the folder")]


def test_gaps_other_formats_and_ambiguous_numbers_are_reported(root):
    grow(root, *(f"a/x/{n:03d}.obj" for n in (0, 2, 4, 10)), "a/x/002.ply")
    grow(root, "b/x/1.obj", "b/x/01.obj")
    draft = draft_table(root)
    said = "\n".join(draft.summary())
    assert draft.gaps == {"a_1_x": 2} and draft.renumbered == ["b_1_x"]
    assert [row["frame"] for row in draft.rows] == ["0", "2", "4", "10", "0", "1"]
    assert draft.ignored == [("a/x/002.ply", "another format of a mesh that is in the table")]
    assert "2 subjects, 2 sequences, 6 frames" in said and "guess" in said
    assert "6 frames without landmarks" in said and "a_1_x: 2" in said


def test_names_that_no_file_can_have_stay_apart(root):
    grow(root, "ü/1.obj", "ö/1.obj", "_/1.obj", "A b/1.obj", "A_b/1.obj", "a-b/1.obj")
    rows, _ = drafted(root)
    assert rows["subject"].nunique() == rows["sequence"].nunique() == 6


def test_the_neutral_frame_is_the_first_with_landmarks(root):
    grow(root, "a/x/1.obj", "a/x/2.obj", "a/x/2.pts", "a/x/3.obj", "a/x/3.pts")
    rows, problems = drafted(root)
    assert rows["is_neutral"].tolist() == ["false", "true", "false"]
    assert {index: problem.rule for index, problem in problems.items()} == {
        0: "no landmarks is named"
    }


_name = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12
).filter(lambda name: name not in (".", ".."))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(_name, min_size=1, max_size=5), min_size=1, max_size=6))
def test_whatever_the_tree_its_draft_loads(tmp_path_factory, trees):
    root = tmp_path_factory.mktemp("any") / "db"
    root.mkdir()
    for parts in trees:
        place = root.joinpath(*parts[:-1])
        try:
            place.mkdir(parents=True, exist_ok=True)
            for end in ("obj", "pts"):
                (place / f"{parts[-1]}.{end}").write_text("x")
        except OSError:  # a file is in the way of a folder
            continue
    try:
        draft = draft_table(root)
    except BadInput as problem:
        assert "no mesh" in problem.rule
        return
    rows, problems = drafted(root)
    assert not problems and len(rows) == len(draft.rows)
    assert rows.groupby("sequence")["is_neutral"].apply(lambda v: (v == "true").sum()).eq(1).all()
    assert rows.groupby("sequence")["subject"].nunique().eq(1).all()


def test_the_command_writes_once_and_says_what_to_do(root, tmp_path):
    grow(root, "a/x/1.obj", "a/x/1.pts")
    out = tmp_path / "made.csv"
    call = ["gallery", "draft", str(root), "-o", str(out)]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 0 and "1 subjects, 1 sequences, 1 frames" in done.output
    assert tuple(pd.read_csv(out)) == TABLE_COLUMNS
    before = out.read_bytes()
    again = CliRunner().invoke(app, call)
    assert again.exit_code == 1 and "the file exists" in again.output
    assert out.read_bytes() == before
    nowhere = CliRunner().invoke(app, ["gallery", "draft", str(root / "no")])
    assert nowhere.exit_code == 1 and "no such folder" in nowhere.output


def test_a_draft_is_csv_by_its_name(root):
    grow(root, "a/1.obj")
    with pytest.raises(BadInput, match=r"ends in \.csv"):
        write_draft(draft_table(root), root.parent / "scans.parquet")
    assert not (root.parent / "scans.parquet").exists()
