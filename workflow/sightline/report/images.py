"""Section: how many images are enough?"""

from __future__ import annotations

import pandas as pd

from sightline.report.page import Figure, Section
from sightline.report.words import of_all, ranged, shown

HEADING = "How many images are enough?"
_NOTES = (
    "Half width: of the interval of a pair's mean similarity. Median and worst: the pair of models "
    "in the middle, and the one that needs most images.",
)


def images_section(recommended: pd.DataFrame, *, measure: str, confidence: float) -> Section:
    """How many images the wanted precision takes, by each method.

    Parameters
    ----------
    recommended
        See `sightline.jobs.merging.images_needed.find_images_needed`.
    measure
        Of similarity.
    confidence
        Of its intervals.
    """
    own = recommended[recommended["measure"] == measure]
    middle, worst = (
        own[own["of_pair"] == name].reset_index(drop=True) for name in ("median", "worst")
    )
    if middle.empty:
        text = "Not known: no pair of models has a spread over the images."
        return Section(HEADING, [text], "not known")
    images, precision = int(worst["images"].max()), worst["precision"].iloc[0]
    methods = list(worst["method"])
    enough = int(worst["enough"].eq(True).sum())
    most = int(worst["recommended"].max())
    longest = methods[int(worst["recommended"].argmax())]
    verdict = (
        f"The study's {images:,} images are enough for every pair under "
        f"{of_all(enough, len(worst), 'method')}."
        if enough
        else f"The study's {images:,} images are not enough for every pair under any method."
    )
    if len(worst) == 1:
        verdict = f"The study's {images:,} images are {'' if enough else 'not '}enough."

    def _pairs(column: str, form: str, text: str) -> str:
        return text.format(*(ranged(one[column], methods, form) for one in (middle, worst)))

    return Section(
        HEADING,
        [
            f"{most:,} images would give every pair's mean similarity ({measure}) to within "
            f"{precision:g}, at a confidence of {confidence:.0%}. {verdict}",
            _pairs("recommended", "{:,.0f}", "The median pair needs {} images, the worst {}."),
            _pairs("half_width", "{:.3f}", "Now it is known within {}, the worst within {}."),
        ],
        short=f"{most:,} for a half width of {precision:g}; there are {images:,}",
        figures=[
            Figure(
                f"{longest}/images_needed",
                "Subsets of the images against all of them, and what a new study would know, "
                f"{longest}.",
            )
        ],
        table=_table(middle, worst),
        notes=_NOTES,
    )


def _table(middle: pd.DataFrame, worst: pd.DataFrame) -> pd.DataFrame:
    index = pd.Index(worst["method"], name="method")
    return pd.DataFrame(
        {
            "half width, median": [shown(value, 3) for value in middle["half_width"]],
            "worst": [shown(value, 3) for value in worst["half_width"]],
            "images, median": [f"{value:,.0f}" for value in middle["recommended"]],
            "worst ": [f"{value:,.0f}" for value in worst["recommended"]],
            "worst pair": [
                f"{a} and {b}" for a, b in zip(worst["model_a"], worst["model_b"], strict=True)
            ],
            "enough": ["yes" if value else "no" for value in worst["enough"].eq(True)],
        },
        index=index,
    )
