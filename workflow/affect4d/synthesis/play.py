"""A local page on which a point is dragged over the plane, and a photograph's face follows.

It also shows the basic expressions, the components of a class, and a slider for their strength.

What a request names is looked up among what the build has, and never used as a path; who may ask is
up to `local_page.server`.
"""

import json
import math
import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from affect4d.blendshapes.components import MAX_INTENSITY, component_names, component_target
from affect4d.blendshapes.targets import Atlas, Expressions, Target
from affect4d.formats.images import encode_jpeg
from affect4d.local_page.server import Answer, json_answer
from affect4d.synthesis.editing.editor import BLENDS
from affect4d.synthesis.single import PhotographEditor

QUALITY = 90  # of JPEG
MAX_STRENGTH = 2.0  # as far as the settings' own intensity goes
MAX_CACHED = 32  # expressions and components in memory


class PlaySession:
    """A photograph whose face takes the affect of any point of the plane.

    All classes' means are read, smoothed and tapered at the start (about 12 ms each), so that
    dragging a point does not wait for them.

    Parameters
    ----------
    photograph : to edit
    folder : the build's `blendshapes`

    Raises
    ------
    affect4d.store.StoreError
        The atlas or the expressions are missing or damaged.
    """

    template = ("affect4d.synthesis", "play.html.j2")

    def __init__(self, photograph: PhotographEditor, folder: Path) -> None:
        self.photograph, self.folder = photograph, folder
        self._photographs: dict[str, PhotographEditor] = {photograph.settings.blend: photograph}
        self.atlas = atlas = Atlas(folder / "atlas.zarr")
        self.expressions = Expressions(folder / "expressions.zarr")
        self._smooth = photograph.editor.scene.anatomy.smooth_and_taper
        classes = tqdm(atlas.own.tolist(), "classes", disable=None)
        self._means = {index: self._smooth(atlas.mean(index)) for index in classes}
        self._lock = threading.Lock()
        self._read_cached = lru_cache(MAX_CACHED)(self._read)
        regions = photograph.editor.scene.anatomy.regions
        self._component_target = partial(component_target, folder, regions=regions)
        self._component_names = lru_cache(partial(component_names, folder, regions=regions))

    def get(self, name: str, query: Mapping[str, str]) -> Answer | None:
        """The plane as JSON, or a face as JPEG with its label as a header."""
        if name == "plane":
            return json_answer(self.plane())
        if name == "face":
            picture, label = self.face(query)
            return Answer("image/jpeg", picture, {"X-Label": json.dumps(label)})
        return None

    def post(self, name: str, content: Any) -> None:
        """The page saves nothing here."""

    def plane(self) -> dict[str, Any]:
        """What the page draws: the classes' centres and statuses; expressions, blends."""
        grid = self.atlas.grid
        classes = zip(grid.centres.tolist(), self.atlas.status, strict=True)
        return {
            "width": (grid.high - grid.low) / grid.n,
            "classes": [{"centre": centre, "status": status} for centre, status in classes],
            "expressions": self.expressions.usable,
            "blends": BLENDS,
            "blend": self.photograph.settings.blend,
        }

    def face(self, request: Mapping[str, str]) -> tuple[bytes, dict[str, Any]]:
        """JPEG bytes of the photograph with what a request asks for, and its label.

        Parameters
        ----------
        request : `v` and `a`, a point of the plane (with `mean`, the mean of its class), or
            `expression`, its name, or `component`, CLASS:REGION or CLASS:K; `strength` scales the
            deformation, up to MAX_STRENGTH, of a component up to MAX_INTENSITY; `blend` is one of
            BLENDS, the build's own if absent

        Raises
        ------
        ValueError
            A number is missing, not finite or out of range.
        BadInput
            No class around the point has data; there is no such expression or component.
        """
        strength = _number(request.get("strength", "1"))
        if not 0 <= strength <= MAX_STRENGTH:
            raise ValueError(f"strength lies between 0 and {MAX_STRENGTH}")
        with self._lock:
            target = self._target(request)
            if "component" in request:
                strength = min(strength, MAX_INTENSITY)
            moved = replace(target, deformation=np.float32(strength) * target.deformation)
            image, record = self._blended(request).impose_smooth(moved)
            label = {name: record[name] for name in ("class", "interpolated")}
            for name in ("valence", "arousal"):  # JSON has no NaN
                label[name] = None if math.isnan(record[name]) else record[name]
            label |= {
                "rejection": record["reason"],
                "components": self._component_names(record["class"]),
            }
        return encode_jpeg(image, QUALITY), label

    def _blended(self, request: Mapping[str, str]) -> PhotographEditor:
        """The photograph with the blend of a request; the second one takes as long as opening."""
        blend = request.get("blend", self.photograph.settings.blend)
        if blend not in BLENDS:
            raise ValueError(f"blend is one of {', '.join(BLENDS)}")
        if blend not in self._photographs:
            self._photographs[blend] = self.photograph.with_blend(blend)
        return self._photographs[blend]

    def _target(self, request: Mapping[str, str]) -> Target:
        """The Target of a request, smoothed and tapered."""
        for kind in ("expression", "component"):
            if kind in request:
                return self._read_cached(kind, request[kind])
        valence, arousal = (_number(request.get(axis, "")) for axis in "va")
        if "mean" in request:
            target = self.atlas.target(valence, arousal)
            return replace(target, deformation=self._smooth(target.deformation))
        return self.atlas.between(valence, arousal, mean=self._means.__getitem__)

    def _read(self, kind: str, name: str) -> Target:
        """The Target of an expression or component, smoothed and tapered."""
        if kind == "expression":
            target = self.expressions.target(name)
        else:
            model, _, component = name.rpartition(":")
            if not (model and component):
                raise ValueError("a component is CLASS:REGION or CLASS:K")
            target = self._component_target(model, component)
        return replace(target, deformation=self._smooth(target.deformation))


def _number(text: str) -> float:
    """A finite number; ValueError otherwise."""
    number = float(text or "nan")
    if not math.isfinite(number):
        raise ValueError("give v and a, two numbers, or an expression or a component")
    return number
