"""The template that moves to the mean of a gallery's people, and what it depends on."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.contexts import context
from support.registration_scans import Chunk, coarser, deform, scan_of

import affect4d
from affect4d.config.registration import Settings
from affect4d.geometry.similarity import fit_similarity
from affect4d.quarantine import BadInput
from affect4d.registration import Registrar, adaptation, prepare
from affect4d.registration.adaptation import NeutralScan, Sample, adapt, choose_neutral
from affect4d.registration.common_template import read_template
from affect4d.registration.consistency import Likeness, Usual, disagreement
from affect4d.registration.quality import flag_names
from affect4d.registration.reference import Reference
from affect4d.template.ibug68 import INTERNAL

PEOPLE = 5


def distance(one, other, mask):
    """Mean distance (mm) of two faces after a similarity."""
    moved = fit_similarity(one[mask], other[mask]).apply(one[mask])
    return np.linalg.norm(moved - other[mask], axis=1).mean()


def table(people, frames):
    rows = [
        (f"p{person:02d}", f"p{person:02d}_{sequence}", frame, frame == 1)
        for person in range(people)
        for sequence in range(2)
        for frame in range(frames)
    ]
    return pd.DataFrame(rows, columns=["subject", "sequence", "frame", "is_neutral"])


@given(people=st.integers(1, 30), wanted=st.integers(1, 40), seed=st.integers(0, 9))
def test_one_neutral_frame_of_each_person_whatever_the_rows_order(people, wanted, seed):
    rows = table(people, frames=3)
    chosen = choose_neutral(rows.sample(frac=1, random_state=seed), wanted)
    assert len(chosen) == chosen["subject"].nunique() == min(people, wanted)
    assert chosen["is_neutral"].all() and (chosen["frame"] == 1).all()
    others = rows[rows["is_neutral"] | (rows["frame"] == 0)]
    pd.testing.assert_frame_equal(chosen, choose_neutral(others, wanted))
    joined = set(choose_neutral(table(people + 1, frames=3), wanted)["subject"])
    assert len(set(chosen["subject"]) - joined) == (f"p{people:02d}" in joined and people >= wanted)


def test_the_template_moves_to_the_peoples_mean_and_keeps_their_size(template):
    template, size = coarser(template, 0.2), 1.1
    common = deform(template, seed=50) - template.vertices
    faces = [size * (deform(template, seed=k) + 1.5 * common) for k in range(PEOPLE)]
    scans = [
        NeutralScan(*scan_of(template, face, seed=k, share=0.1)) for k, face in enumerate(faces)
    ]
    adapted = adapt(prepare(template), scans, Settings())
    found = adapted.template
    mean, inner = np.mean(faces, axis=0), template.inner
    assert distance(found.vertices, mean, inner) < 0.5 * distance(template.vertices, mean, inner)
    scale = fit_similarity(template.vertices[inner], found.vertices[inner]).scale
    assert scale == pytest.approx(
        fit_similarity(template.vertices[inner], mean[inner]).scale, rel=0.02
    )
    assert 0 < adapted.usual.offset < 1.0 and 0 < adapted.usual.deviation < 5.0
    assert Reference.restore(adapted.arrays()).usual == adapted.usual
    assert np.array_equal(found.triangles, template.triangles)
    assert np.array_equal(found.landmark_vertices, template.landmark_vertices)
    away = np.linalg.norm(found.landmarks - template.landmarks_on(found.vertices), axis=1)
    assert away.max() < 2.0  # they lie where they lay on the given template


def test_too_few_people_are_said_so(reference, template):
    scan = NeutralScan(*scan_of(template, deform(template, seed=1), seed=1, share=0.1))
    with pytest.raises(BadInput, match="of 2 people's neutral scans 2 can be registered"):
        adapt(reference, [scan, scan], Settings())


@pytest.fixture
def write(tmp_path, prepared, template, reference, monkeypatch):
    """Write the adapted template of a chunk; gives the manifest's bytes. What it computes is left
    out: this is about what it depends on."""
    monkeypatch.setattr(adaptation, "prepare", lambda template: reference)
    monkeypatch.setattr(adaptation, "adapt", lambda reference, scans, settings: reference)
    chunk = Chunk(tmp_path, prepared, template)

    def run(required=True):
        chunk.record()
        run = context(tmp_path, "registration", item="registration_template", code="code")
        sample = Sample([chunk.table], tmp_path, 2, required)
        adaptation.write_adapted(run, template, sample, settings=Settings())
        return (tmp_path / "registration/template.manifest.json").read_bytes()

    return chunk, run


def test_other_frames_leave_the_templates_bytes_and_neutral_ones_do_not(write):
    chunk, run = write
    first = run()
    names = {Path(name).name for name in json.loads(first)["inputs"]}
    neutral = chunk.rows.frame_id[chunk.rows.is_neutral]
    assert names == {f"{name}.{end}" for name in neutral for end in ("ply", "pts")}
    mesh = chunk.folder / f"{chunk.rows.frame_id[1]}.ply"
    mesh.write_bytes(mesh.read_bytes()[:-1])
    chunk.rows = chunk.rows.drop(index=2)
    assert run() == first
    landmarks = chunk.folder / f"{chunk.rows.frame_id[0]}.pts"
    landmarks.write_text(landmarks.read_text() + "\n")
    assert run() != first


def test_an_offset_that_is_usual_is_no_disagreement(reference, template):
    vertices, triangles, landmarks = scan_of(template, deform(template, seed=3), seed=3, share=0.1)
    scan = vertices, triangles, landmarks + np.array([0.0, 8.0, 0.0])  # the head has moved since
    limit, found = Settings().max_disagreement, Registrar(reference).register(*scan)
    assert found.quality.disagreement > limit
    for share, raised in ((1.01, False), (0.99, True)):
        calibrated = replace(reference, usual=Usual(share * found.offset, 1.0))
        again = Registrar(calibrated).register(*scan)
        assert (again.quality.disagreement > limit) == raised
        # a face whose landmarks lie elsewhere is found elsewhere
        assert again.quality.unlikeness == pytest.approx(again.deviation)


def test_landmarks_that_turned_disagree_and_noise_does_not(template):
    rng, marks = np.random.default_rng(0), template.landmarks[INTERNAL]
    noise, usual = rng.normal(size=marks.shape), Usual(0.1, 1.0)
    _, excess = disagreement(noise, marks, usual)
    assert excess < 1.5
    turned = noise + 0.06 * np.cross([1.0, 0.0, 0.0], marks - marks.mean(0))
    offset, excess = disagreement(turned, marks, usual)
    assert offset > 1.0 and excess > Settings().max_disagreement
    assert disagreement(turned, marks, Usual())[1] < 1.5  # no shift
    assert np.isnan(disagreement(noise[:0], marks[:0], usual)).all()


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6])
def test_noise_of_few_landmarks_is_no_disagreement(template, count):
    rng, excess = np.random.default_rng(0), []
    for _ in range(200):
        marks = template.landmarks[rng.choice(INTERNAL, count, replace=False)]
        excess.append(disagreement(rng.normal(size=(count, 3)), marks, Usual(0.1, 1.0))[1])
    assert np.mean(np.array(excess) > Settings().max_disagreement) <= 0.01


def test_a_broken_symmetry_is_less_likely_than_another_width(template):
    likeness, seen = Likeness(template), np.ones(len(template.vertices), dtype=bool)
    assert likeness.deviation(1.1 * template.vertices + 5, seen) < 0.01  # size is no shape
    wider = template.vertices * [1.1, 1, 1]
    bent = template.vertices + 0.1 * np.abs(template.vertices) * [1, 0, 0]
    assert likeness.deviation(bent, seen) > 1.5 * likeness.deviation(wider, seen) > 1
    assert np.isnan(likeness.deviation(wider, ~seen))


def test_where_the_template_has_no_symmetry_none_can_be_broken(template):
    shifted = replace(template, vertices=template.vertices + np.float32([5, 0, 0]))
    likeness, seen = Likeness(shifted), np.ones(len(template.vertices), dtype=bool)
    noise = np.random.default_rng(0).normal(size=template.vertices.shape)
    for axis in range(3):
        face = shifted.vertices + noise * np.eye(3)[axis]
        assert likeness.deviation(face, seen) == pytest.approx(np.sqrt(2), abs=0.1)


def test_a_sequence_is_as_unlike_the_people_as_its_neutral_face(reference, template):
    scan = scan_of(template, deform(template, seed=3), seed=3, share=0.1)
    registrar = Registrar(replace(reference, usual=Usual(100.0, 1.0)))
    neutral = registrar.register(*scan)
    longer = scan[0] * np.float32([1, 1.3, 1]), scan[1], scan[2] * [1, 1.3, 1]
    frame = registrar.register(*longer, neutral=neutral)
    assert frame.deviation > 1.1 * neutral.deviation  # yet the flag is of the person
    for one in (neutral, frame):
        assert one.quality.unlikeness == pytest.approx(neutral.deviation)
        for share, raised in ((0.99, True), (1.01, False)):
            limit = Settings(max_unlikeness=share * neutral.deviation)
            assert ("unlike" in flag_names(one.quality.flags(limit))) == raised


@pytest.mark.parametrize(("usual", "raised"), [(Usual(), False), (Usual(100.0, 100.0), True)])
def test_landmarks_must_fit_an_adapted_template_better(reference, template, usual, raised):
    scan = scan_of(template, deform(template, seed=3), seed=3, share=0.1)
    found = Registrar(replace(reference, usual=usual)).register(*scan).quality
    middle = replace(found, similarity_residual=7.0).flags(Settings())
    assert ("similarity" in flag_names(middle)) == raised
    assert "similarity" in flag_names(replace(found, similarity_residual=8.5).flags(Settings()))
    assert "similarity" not in flag_names(replace(found, similarity_residual=5.5).flags(Settings()))


def test_too_few_people_leave_the_template_as_it_is_given_unless_they_are_asked_for(
    write, monkeypatch, tmp_path, template
):
    def too_few(*_):
        raise BadInput("registration/template", "of 2 people 1", "mark more")

    _, run = write
    monkeypatch.setattr(adaptation, "adapt", too_few)
    with pytest.raises(BadInput):
        run()
    run(required=False)
    kept = read_template(tmp_path)
    for name, value in vars(template).items():
        assert np.array_equal(getattr(kept, name), value), name


def test_only_the_rule_that_prepares_the_template_loads_the_given_one():
    scripts = Path(affect4d.__path__[0]).with_name("scripts").glob("*.py")
    assert [path.stem for path in scripts if "load_template" in path.read_text()] == [
        "registration_template"
    ]
