"""What identity is left in synthesized photographs: distances between fits' identity coefficients.

The distance is the angle between coefficients in standard deviations, which is Mahalanobis' angle:
unlike Mahalanobis' distance it does not take how much of a face a fit dares to show, which depends
on the view, for the face. The fit reads landmarks alone, so what is measured is geometry, alike for
all blends.
"""

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from thresholds import Threshold

WHAT = ("true", "synthesized")
LARGER, LESS = 1.1, 0.01  # than what the true photograph of the expression loses


def report(people, yaws, expressions):
    """Print the distances; the thresholds.

    Parameters
    ----------
    people : list of dict, one for each person: of identity coefficients (K,) by (yaw, "neutral"),
        (yaw, expression, what) of the photograph that is "true" or "synthesized", and "other",
        which is another photograph of the neutral face
    yaws, expressions : the keys' parts
    """
    pairs = [(one, two) for one in people for two in people if one is not two]
    same = [angle(own[yaw, "neutral"], own["other"]) for own in people for yaw in yaws]
    different = [angle(one[yaw, "neutral"], two["other"]) for one, two in pairs for yaw in yaws]
    found = {"two photographs of a person": same, "photographs of two people": different}
    keys = [(yaw, expression) for yaw in yaws for expression in expressions]
    areas = [("two photographs", auc(same, different), np.nan)]
    for what in WHAT:
        own = [angle(p[*key, what], p[key[0], "neutral"]) for p in people for key in keys]
        others = [angle(p[*key, what], q[key[0], "neutral"]) for p, q in pairs for key in keys]
        found[f"{what} expression and own neutral"] = own
        found[f"{what} expression and another's neutral"] = others
        areas.append((f"{what} expression", auc(own, different), auc(own, others)))
    rows = [(what, len(own), *np.quantile(own, [0.5, 0.05, 0.95])) for what, own in found.items()]
    _show("Angle, degrees, between identities of", rows, ["pairs", "median", "p5", "p95"])
    columns = ["photographs of two people", "another's neutral, same view"]
    _show("AUC of the same person against", areas, columns)
    lost = [np.median(found[f"{what} expression and own neutral"]) for what in WHAT]
    kept = [area for *_, area in areas[1:]]
    return [
        Threshold("identity: median angle over the true expression's", lost[1] / lost[0], LARGER),
        Threshold("identity: AUC less the true expression's", kept[1] - kept[0], -LESS, True),
    ]


def angle(one, other):
    """Degrees between two vectors of identity coefficients."""
    cosine = one @ other / max(np.linalg.norm(one) * np.linalg.norm(other), 1e-12)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def auc(same, different):
    """How well an angle tells the same person from different ones."""
    labels = np.r_[np.ones(len(same)), np.zeros(len(different))]
    return float(roc_auc_score(labels, -np.r_[same, different]))


def _show(title, rows, columns):
    table = pd.DataFrame(rows, columns=[title, *columns])
    print(f"\n{table.to_string(index=False, float_format='%.3f', na_rep='')}")
