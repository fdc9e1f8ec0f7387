r"""Whether a class survives without its object, and where the model looks then.

Of the images that a model answers rightly, their object is taken out
(`sightline.evaluate.alterations.taken_out`). With s_c the share of class c's images that are
still answered c, and q_cd that of class d's images that are then answered c, the answers say
that c is known by something else where s_c lies above 1/2 and above every q_cd:

    p_c = max( P[Binomial(n_c, 1/2) >= k_c],  max_{d != c} Fisher(c over d) )

with k_c = n_c s_c; Fisher's exact test, one-sided. (A model without an object in sight answers
some class: it survives, but other classes' images become it just as often. The largest p of
tests of which all have to hold is a test of them together: Berger 1982,
https://doi.org/10.1080/00401706.1982.10487790.) Holm's method corrects p_c over the classes.
The maps of a class that survives say so, too, where they prefer the object, before it is taken
out, less than on other classes' images: Mann and Whitney's test, one-sided, of

    preference = [S / (1 - S)] / [A / (1 - A)]

with S the share of the map inside the object and A that of the image. (S alone is small where
objects are: a class of small ones would be found by random maps, whose preference is 1.) It is
corrected by Holm's method over the classes that survive, of which alone it is asked: no more of
the claims that both make are wrong than of those that the answers make.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import binomtest, fisher_exact, mannwhitneyu

from sightline.compare.groups.holm import holm
from sightline.evaluate.alike import cosine_of_scaled, finite_or_zero, on_grid
from sightline.evaluate.protocol import Regions, Values
from sightline.maps.scaling import scale_maps
from sightline.maps.store import MapSet

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.bias import Bias

SIGNIFICANT = 0.05
_GRID = 56
_ONE = ["model", "method", "variant", "role"]


def compare(before: MapSet, after: MapSet, scaling: Sequence[str], settings: Bias) -> Values:
    """What became of each row.

    Returns
    -------
    dict
        ``survives`` (1 where the answer is as before, else 0; NaN where that was wrong, or it is
        not known whether it was right),
        ``confidence`` (of the explained class), ``inside_before`` and ``inside`` (share of the
        map inside what is taken out), ``area`` (of that, as a share of the image), ``cosine`` of
        the maps; all NaN where nothing is taken out.
    """
    if after.region is None:
        raise ValueError("the maps do not say what is taken out")
    known = after.region.any(axis=(1, 2))
    right = known & (before.correct == 1)
    found = {
        "survives": np.where(right, before.predicted == after.predicted, np.nan),
        "confidence": after.confidence.astype(float),
        "inside_before": share_inside(before.maps, after.region, scaling),
        "inside": share_inside(after.maps, after.region, scaling),
        "area": after.region.mean(axis=(1, 2)),
        "cosine": cosine_of_scaled(before.maps, after.maps, scaling, _GRID),
    }
    return {name: np.where(known, values, np.nan) for name, values in found.items()}


def by_chance(
    before: MapSet, after: MapSet, scaling: Sequence[str], regions: Regions
) -> dict[str, np.ndarray]:
    """``inside_before`` and ``inside`` of the same maps, of what is taken out of other images.

    The mean over each other image, which is what `sightline.evaluate.chance` draws from. NaN
    where nothing is taken out.
    """
    if after.region is None:
        raise ValueError("the maps do not say what is taken out")
    known = after.region.any(axis=(1, 2))
    others = regions.others(after.region)
    return {
        name: np.where(known, share_inside(maps.maps, others, scaling), np.nan)
        for name, maps in (("inside_before", before), ("inside", after))
    }


def share_inside(maps: np.ndarray, region: np.ndarray, scaling: Sequence[str]) -> np.ndarray:
    """Share of each map (n, h, w), scaled and without negative values, inside a region.

    The region is bool (n, H, W), or the share of each position that belongs to it. NaN for a
    map without positive values.
    """
    size = (region.shape[1], region.shape[2])
    scaled = on_grid(scale_maps(finite_or_zero(maps), scaling), size).clip(0).astype(np.float64)
    total = scaled.sum(axis=(1, 2))
    inside = (scaled * region).sum(axis=(1, 2))
    return np.divide(inside, total, out=np.full(len(maps), np.nan), where=total > 0)


def by_class(rows: pd.DataFrame) -> pd.DataFrame:
    """What is said of each class.

    Parameters
    ----------
    rows
        Of one model: as `sightline.evaluate.long.long_table`, with ``before`` and ``after``, the
        classes that the model answered.

    Returns
    -------
    DataFrame
        A row a (model, method, variant, role, class): images (answered rightly before, with an
        object), survival, others (the largest share of another class's images that become it),
        p_answers; inside_before, inside, area (means); preference and that of the other classes
        (medians), p_maps (where the answers say it); answers_say, maps_say, and biased, where
        both do.
    """
    wide = rows.pivot(
        index=[*_ONE, "image_id", "before", "after"], columns="measure", values="value"
    ).reset_index()
    wide = wide[wide["survives"].notna()]
    tables = [
        classes_of(group).assign(**dict(zip(_ONE, key, strict=True)))
        for key, group in wide.groupby(_ONE, sort=False)
    ]
    table = (
        pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*_ONE, *_SAID])
    )
    return table[[*_ONE, *_SAID]]


_SAID = [
    *("class", "images", "survival", "others", "p_answers"),
    *("inside_before", "inside", "area", "preference", "preference_others", "p_maps"),
    *("answers_say", "maps_say", "biased"),
]


def classes_of(images: pd.DataFrame) -> pd.DataFrame:
    """The rows of `by_class` of one model and method, of which each image is a row."""
    images = images.assign(preference=preference(images["inside_before"], images["area"]))
    names = sorted(images["before"].unique())
    became = pd.crosstab(images["before"], images["after"]).reindex(columns=names, fill_value=0)
    counts = images["before"].value_counts()
    found = []
    for name in names:
        own = images[images["before"] == name]
        rest = images[images["before"] != name]
        others = [name_of for name_of in names if name_of != name]
        found.append(
            {
                "class": name,
                "images": len(own),
                "survival": own["survives"].mean(),
                "others": max((became.at[one, name] / counts[one] for one in others), default=0.0),
                "p_answers": survival_p(
                    int(own["survives"].sum()),
                    len(own),
                    [(int(became.at[one, name]), int(counts[one])) for one in others],
                ),
                **{one: own[one].mean() for one in ("inside_before", "inside", "area")},
                "preference": own["preference"].median(),
                "preference_others": rest["preference"].median(),
                "p_maps": lower_p(own["preference"], rest["preference"]),
            }
        )
    table = pd.DataFrame(found)
    table["p_answers"] = holm(table["p_answers"].to_numpy())
    table["answers_say"] = table["p_answers"] < SIGNIFICANT
    table["p_maps"] = holm(table["p_maps"].where(table["answers_say"]).to_numpy())
    table["maps_say"] = table["p_maps"] < SIGNIFICANT
    return table.assign(biased=table["answers_say"] & table["maps_say"])


def preference(inside: pd.Series, area: pd.Series) -> pd.Series:
    """The odds of lying inside over those by area, 0 or above; 1 is by chance."""
    return (inside / (1 - inside)) / (area / (1 - area))


def survival_p(kept: int, count: int, others: Sequence[tuple[int, int]]) -> float:
    """The p of a class's survival; NaN where there is no other class.

    Parameters
    ----------
    kept, count
        Images of the class that keep their answer, of so many.
    others
        Of each other class, images that become the class, of so many.
    """
    if not others:
        return np.nan
    found = [binomtest(kept, count, 0.5, alternative="greater").pvalue]
    for became, images in others:
        table = [[kept, count - kept], [became, images - became]]
        found.append(fisher_exact(table, alternative="greater").pvalue)
    return float(max(found))


def lower_p(own: pd.Series, others: pd.Series) -> float:
    """The p of values lying lower than others'; NaN where either has none."""
    one, other = own.dropna(), others.dropna()
    if one.empty or other.empty:
        return np.nan
    return float(mannwhitneyu(one, other, alternative="less").pvalue)
