"""How affect becomes action units, takes and annotations of the embedded gallery."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affect4d.affectspace import Grid
from affect4d.config.gallery import EXPRESSIONS, Settings, Synthetic, subjects
from affect4d.gallery.synthetic.action_units import NAMES
from affect4d.gallery.synthetic.affect import (
    AFFECT,
    POSED_STRENGTH,
    annotate,
    ceiling,
    intensities,
    lean_of,
    prototype,
    with_twitches,
)
from affect4d.gallery.synthetic.sequences import annotate_takes, takes
from affect4d.random_streams import named_rng


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_units_answer_to_affect_smoothly_and_never_negatively(valence, arousal):
    here = intensities(np.array([valence, arousal]))
    near = intensities(np.array([valence + 1e-4, arousal]))
    assert (here >= 0).all() and (here <= 1.6).all()
    assert np.abs(here - near).max() < 5e-3


def test_rest_at_the_origin_and_the_prototype_at_its_place():
    assert np.abs(intensities(np.zeros(2))).max() == 0
    for emotion in ("happiness", "sadness", "surprise", "anger", "fear"):
        shown = intensities(np.array(AFFECT[emotion]))[0]
        wanted = prototype(emotion)
        assert shown @ wanted / np.linalg.norm(shown) / np.linalg.norm(wanted) > 0.8


@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(0, 99))
def test_no_place_shows_more_than_the_strongest_posed_apex(valence, arousal, number):
    units = intensities(np.array([valence, arousal]), lean_of(f"s{number:03d}", 0))[0]
    strongest = POSED_STRENGTH[1] * np.array([prototype(name) for name in AFFECT])
    assert (units <= strongest.max(axis=0) + 1e-9).all()
    assert np.linalg.norm(units) <= np.linalg.norm(strongest, axis=1).max() + 1e-9


def test_anger_and_fear_do_not_mix_where_people_are_angry():
    upper_left = intensities(np.array([[-0.7, 0.7], [-0.6, 0.6]]))
    afraid = [NAMES.index(name) for name in ("AU1+4", "AU2", "AU20")]
    assert (upper_left[:, afraid] < 0.05).all()
    assert (upper_left[:, NAMES.index("AU4")] > 0.6).all()


def test_people_lean_to_one_of_the_emotions_that_lie_near_each_other():
    between = (np.array(AFFECT["anger"]) + AFFECT["fear"]) / 2
    angry, afraid = (prototype(name) for name in ("anger", "fear"))
    units = [intensities(between, lean_of(f"s{n:03d}", 0))[0] for n in range(40)]
    cosines = np.array([[shown @ angry, shown @ afraid] for shown in units])
    cosines /= np.linalg.norm(units, axis=1)[:, None]
    cosines /= [np.linalg.norm(angry), np.linalg.norm(afraid)]
    common = intensities(between)[0]
    both = common @ angry / np.linalg.norm(common) / np.linalg.norm(angry)
    assert np.median(cosines.max(axis=1)) > both + 0.02
    assert {*cosines.argmax(axis=1)} == {0, 1}
    assert (
        intensities(between, lean_of("s001", 0)) == intensities(between, lean_of("s001", 0))
    ).all()


def test_every_spontaneous_sequence_visits_all_four_quadrants_and_starts_neutral():
    for subject in subjects(Settings())[:8]:
        for take in takes(Synthetic(), subject, 0):
            assert take.is_neutral[0] and take.is_neutral.sum() == 1 and not take.units[0].any()
            if take.task == "posed":
                assert take.expression in EXPRESSIONS and take.is_apex.sum() >= 3
                assert np.isnan(take.annotation).all()
                continue
            quadrants = {tuple(q) for q in (take.affect[1:] > 0).tolist()}
            assert len(quadrants) == 4
            assert np.abs(take.annotation).max() <= 1


def test_the_default_gallery_fills_the_plane():
    table = annotate_takes(Synthetic(), subjects(Settings()), 0).dropna()
    classes = Grid().assign(table["valence"].to_numpy(), table["arousal"].to_numpy())
    people = table["frame_id"].str.split("_").str[0]
    held = pd.DataFrame({"class": classes, "subject": people.to_numpy()}).groupby("class")
    enough = (held.size() >= 6) & (held["subject"].nunique() >= 3)
    assert enough.sum() >= 75
    assert len(subjects(Settings())) >= 24


def test_the_ceiling_is_known_and_below_one():
    people = subjects(Settings())
    every = [t for s in people for t in takes(Synthetic(), s, 0) if t.task == "spontaneous"]
    shown = np.concatenate([take.affect for take in every])
    said = np.concatenate([take.annotation for take in every])
    top = ceiling(shown, said)
    assert (top > 0.6).all() and (top < 0.95).all()
    # the same by the definition of the CCC (paper, equation 2) on the least-squares prediction
    design = np.column_stack([np.ones(len(shown)), shown])
    predicted = design @ np.linalg.lstsq(design, said, rcond=None)[0]
    for k in range(2):
        x, y = said[:, k], predicted[:, k]
        s = np.cov(x, y, ddof=0)
        direct = 2 * s[0, 1] / (s[0, 0] + s[1, 1] + (x.mean() - y.mean()) ** 2)
        assert top[k] == pytest.approx(direct)


@pytest.mark.parametrize("intensity", [0.0, 0.01, 0.05, 0.2, 0.8])
def test_movement_that_no_affect_explains_leaves_the_mean_as_it_is(intensity):
    """Noise cut at 0 once opened the mouths of all faces at rest."""
    noise = named_rng(0, "noise").normal(size=(200_000, 1))
    shown = with_twitches(np.full(noise.shape, intensity), noise)
    assert shown.min() >= 0
    assert shown.mean() == pytest.approx(intensity, abs=5e-4)


def test_annotators_are_late():
    steps = np.repeat([[0.0, 0.0], [0.8, 0.8]], 40, axis=0)
    said = np.mean(
        [annotate(steps, named_rng(0, k), frame_rate=10.0, noise=0.1) for k in range(200)], axis=0
    )
    half = np.argmax(said[:, 0] > 0.4) - 40
    assert 1.5 <= half <= 5  # .2 to .5 s at 10 Hz, to the next frame
