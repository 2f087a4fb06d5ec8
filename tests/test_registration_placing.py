"""Faces are placed by the skin that follows the skull."""

import numpy as np
from scipy.spatial.transform import Rotation

from affect4d.gallery.synthetic.action_units import action_fields
from affect4d.gallery.synthetic.affect import PROTOTYPES, prototype
from affect4d.gallery.synthetic.mpfb import Face
from affect4d.geometry.similarity import fit_similarity
from affect4d.geometry.surface import cotangent
from affect4d.registration.placing import skull_skin
from affect4d.template.ibug68 import EYES


def test_a_face_is_placed_by_the_skull_whatever_the_skin_around_the_eyes_does(template, registrar):
    eyes = template.landmarks[EYES]
    near = np.linalg.norm(template.vertices[:, None] - eyes, axis=2).min(1)
    lifted = template.vertices.copy()
    lifted[:, 1] += 2 * np.exp(-0.5 * (near / 8) ** 2)  # as in a smile, mm
    turned = Rotation.from_euler("xyz", [2, -1, 1], degrees=True).as_matrix()
    moved = (lifted @ turned.T + [3, -2, 1]).astype(np.float32)
    placed = registrar.place(moved, np.ones(len(moved), bool), template.vertices)
    away = np.linalg.norm(placed - lifted, axis=1)[template.inner]
    assert away.max() < 0.2


def test_no_prototypical_expression_turns_the_head():
    """Disgust, which moves most of the skin above the base of the nose, once did."""
    face = Face()
    template, fields = face.template, action_fields(face)
    _, area = cotangent(template.vertices, template.triangles)
    skull, seen = skull_skin(template, area), np.ones(len(template.vertices), bool)
    for expression in PROTOTYPES:
        way = np.tensordot(prototype(expression), fields, axes=1)
        shown = (template.vertices + way).astype(np.float32)
        placed = skull.place(shown, seen, template.vertices)
        turned = Rotation.from_matrix(fit_similarity(shown, placed, scale=False).rotation)
        assert np.degrees(turned.magnitude()) < 0.25, expression  # the chin stays within .5 mm
