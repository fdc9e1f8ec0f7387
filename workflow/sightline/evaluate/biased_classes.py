r"""Of which classes the answers, and the maps, say that they are known by something else.

With s_c the share of class c's images that are still answered c without their object, and q_cd
that of class d's images that are then answered c, the answers say that c is known by something
else where s_c lies above 1/2 and above every q_cd:

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

import numpy as np
import pandas as pd
from scipy.stats import binomtest, fisher_exact, mannwhitneyu

from sightline.compare.groups.holm import holm

SIGNIFICANT = 0.05
COLUMNS = [
    *("class", "images", "survival", "others", "p_answers"),
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
        `sightline.evaluate.survival.compare` has them.

    Returns
    -------
    DataFrame
        `COLUMNS`, see `sightline.evaluate.survival.by_class`.
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
