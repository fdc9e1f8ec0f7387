"""What the search for a bias says of each class of each model, all methods and fillings at once."""

from __future__ import annotations

import pandas as pd

BIASED, ANSWERS = "by something else", "answers alone"
OPEN, NONE = "cannot be decided", "no evidence"
STATES = (BIASED, ANSWERS, OPEN, NONE)
COLUMNS = ["model", "class", "images", "survival", "state", "times", "of"]


def class_states(table: pd.DataFrame) -> pd.DataFrame:
    """The state of each class of each model.

    Parameters
    ----------
    table
        Of one role, see `sightline.evaluate.experiments.survival.by_class`.

    Returns
    -------
    DataFrame
        A row a (model, class): images, the fewest of a filling; survival, the mean over fillings;
        state, of `STATES`; times, of how many of all combinations of method and filling (``of``)
        the class is biased.
    """
    found = []
    for (model, name), rows in table.groupby(["model", "class"], sort=False):
        biased, answers = rows["biased"].eq(True), rows["answers_say"].eq(True)
        undecided = rows["answers_say"].isna()
        holds = {BIASED: biased, ANSWERS: answers, OPEN: undecided}
        state = next((name for name, where in holds.items() if where.any()), NONE)
        found.append(
            {
                **{"model": model, "class": name, "images": int(rows["images"].min())},
                "survival": rows["survival"].mean(),
                **{"state": state, "times": int(biased.sum()), "of": len(rows)},
            }
        )
    return pd.DataFrame(found, columns=COLUMNS)
