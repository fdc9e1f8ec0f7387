r"""Of which classes the answers, and the maps, say that they are known by something else.

With s_c the share of class c's images that are still answered c without their object, and q_cd
that of class d's images that are then answered c, the answers say that c is known by something
else where s_c lies above 1/2 and above every q_cd:

    p_c = max( P[Binomial(n_c, 1/2) >= k_c],  max_{d != c} Fisher(c over d) )

with k_c = n_c s_c; Fisher's exact test, one-sided. (A model without an object in sight answers
some class: it survives, but other classes' images become it just as often. The largest p of
tests of which all have to hold is a test of them together: Berger 1982,
https://doi.org/10.1080/00401706.1982.10487790.) Holm's method corrects p_c over the classes.
A class of few images cannot be told even if all of them survive: its smallest p is p_c with
k_c = n_c and every q_cd = 0, corrected with the other classes' p as they are. Where that is no less
than the level nothing is said of it, which is not the same as no bias.

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

import numpy as np
import pandas as pd
from scipy.stats import binomtest, fisher_exact, mannwhitneyu

from sightline.compare.groups.holm import holm

SIGNIFICANT = 0.05
COLUMNS = [
    *("class", "images", "survival", "others", "p_answers", "smallest_p"),
    *("inside_before", "inside", "area", "preference", "preference_others", "p_maps"),
    *("answers_say", "maps_say", "biased"),
]


def classes_of(images: pd.DataFrame) -> pd.DataFrame:
    """What is said of each class of one model and method.

    Parameters
    ----------
    images
        A row an image that was answered rightly before, with an object: ``before`` and ``after``,
        the classes answered; survives, inside_before, inside and area, as
        `sightline.evaluate.experiments.survival.compare` has them.

    Returns
    -------
    DataFrame
        `COLUMNS`, see `sightline.evaluate.experiments.survival.by_class`; answers_say, maps_say and
        biased are of the type boolean, missing where it cannot be decided.
    """
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
                "smallest_p": survival_p(
                    len(own), len(own), [(0, int(counts[one])) for one in others]
                ),
                **{one: own[one].mean() for one in ("inside_before", "inside", "area")},
                "preference": own["preference"].median(),
                "preference_others": rest["preference"].median(),
                "p_maps": lower_p(own["preference"], rest["preference"]),
            }
        )
    return _decided(pd.DataFrame(found))


def _decided(table: pd.DataFrame) -> pd.DataFrame:
    """The same with corrected p, and what is said; missing where it cannot be decided."""
    answers, least = (table[one].to_numpy(float) for one in ("p_answers", "smallest_p"))
    table["p_answers"], table["smallest_p"] = holm(answers), _smallest(answers, least)
    open_ = ~(table["smallest_p"] < SIGNIFICANT)
    said = (table["p_answers"] < SIGNIFICANT).astype("boolean").mask(open_)
    table["p_maps"] = holm(table["p_maps"].where(said.fillna(False)).to_numpy())
    # Maps are asked of classes that the answers name; one without any values says nothing.
    silent = said.isna() | (said & table["p_maps"].isna())
    maps = (table["p_maps"] < SIGNIFICANT).astype("boolean").mask(silent)
    return table.assign(answers_say=said, maps_say=maps, biased=maps)


def _smallest(answers: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Of each class its smallest p, corrected beside the others' as they came."""
    found = np.full(len(answers), np.nan)
    for at, p in enumerate(least):
        every = answers.copy()
        every[at] = p
        found[at] = holm(every)[at]
    return found


def fewest_images(classes: int) -> int:
    """Images of each of so many classes, two or more, from which one that survives can be told."""
    count = 1
    while classes * survival_p(count, count, [(0, count)]) >= SIGNIFICANT:
        count += 1
    return count


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
