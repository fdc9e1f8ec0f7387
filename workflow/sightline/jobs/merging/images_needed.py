"""How many images are enough, by method and measure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from sightline.compare.cluster_stability import cluster_stability
from sightline.compare.images_needed import (
    differences,
    draw_dissimilarities,
    subset_sizes,
    subsets,
)
from sightline.compare.statistics import Statistics
from sightline.compare.study_size import half_widths, recommend
from sightline.errors import SightlineError
from sightline.tabular import write_table

# Sizes beyond the study's for which the precision of a new study is told.
_BEYOND = 6


def find_images_needed(
    method: str,
    statistics: Sequence[Path],
    curve: Path,
    recommended: Path,
    *,
    draws: int,
    precision: float,
    linkage: str,
    level: float,
    seed: int,
) -> None:
    """Compare subsets of a study's images with all of them, and say how many a study needs.

    Of several roles the first is used.

    Parameters
    ----------
    method
        Its id.
    statistics
        Of its ranges, in order.
    curve
        A table, a row a (measure, images): method, measure, images (of the subsets, or
        of a new study beyond those that there are), half_width, half_width_worst (of
        the interval of the mean similarity that a new study of so many images is to
        expect, of the median and the worst pair); then of the subsets, the means over
        draws: difference (sum over pairs of the absolute difference of their
        dissimilarity from the full study's; difference_low, difference_high are 5 and
        95 % of the draws), difference_a_pair, variance (of a pair's dissimilarity over
        draws, mean over pairs; 0 at all images), variance_new (freed of that,
        variance / (1 - images / of): as of new studies), missing (pairs with fewer
        than two images used), draws, clusters, rand, cophenetic, clustered (see
        `sightline.compare.cluster_stability`); of (images of the study).
    recommended
        A table, two rows a measure: method, measure, of_pair (median, worst), model_a,
        model_b, spread (of its similarity over images), share (of the images, those
        used), images (of the study), half_width (now), precision (wanted),
        recommended (images), enough (whether the study has as many).
    draws
        Subsets of each size.
    precision
        Half width wanted of the interval of a pair's mean similarity.
    linkage
        Of the clusters.
    level
        Of the intervals.
    seed
        Of the draws.
    """
    found = Statistics(statistics)
    if len(found.models) < 2:
        raise SightlineError("There is one model: comparing needs two. Add a model.")
    names = np.array(found.models)[found.pairs]
    # A second map of the same image is no second image.
    rows = np.flatnonzero(found.role == found.role[0])
    images = len(rows)
    sizes = subset_sizes(images)
    weights = subsets(images, sizes, draws, seed)
    curves, advice = [], []
    for measure in found.measures:
        chunks = (found.similarity(measure, part)[:, rows] for part in found.chunks(bytes_a_row=64))
        drawn = draw_dissimilarities(chunks, weights)
        told = recommend(drawn, names, images, precision, level)
        largest = max([sizes[-1], *told["recommended"]])
        beyond = subset_sizes(largest, 10 + _BEYOND)
        every = sorted({*sizes, *(size for size in beyond if size > sizes[-1])})
        table = half_widths(drawn, every, level)
        for more in (
            differences(drawn, sizes, images).assign(draws=draws),
            cluster_stability(drawn, sizes, len(found.models), method=linkage),
        ):
            table = table.merge(more, on="images", how="left")
        curves.append(_named(table, method, measure).assign(of=images))
        advice.append(_named(told, method, measure))
    write_table(curve, pd.concat(curves, ignore_index=True))
    write_table(recommended, pd.concat(advice, ignore_index=True))


def _named(table: pd.DataFrame, method: str, measure: str) -> pd.DataFrame:
    table.insert(0, "method", method)
    table.insert(1, "measure", measure)
    return table
