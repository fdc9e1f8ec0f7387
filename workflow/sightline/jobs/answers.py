"""The page that answers a study's questions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pandas as pd

from sightline.errors import SightlineError
from sightline.files import replacing
from sightline.report.agreeing import models_section
from sightline.report.architecture import architecture_sections
from sightline.report.artefacts import artefacts_section
from sightline.report.biased import biased_section
from sightline.report.clusters import clusters_section
from sightline.report.evaluation import evaluation_section
from sightline.report.images import images_section
from sightline.report.methods import methods_section
from sightline.report.page import Section, render
from sightline.report.predictions import predictions_section
from sightline.report.words import counted
from sightline.tabular import read_table

# Larger figures (of very many models) would make a page that nothing opens.
_BYTES = 2_000_000
# Figures of factors are drawn for this page; others may be of another format.
_OWN = "factors/"
_EVALUATION = ("evaluation", "evaluation_methods", "evaluation_agreement")


def write_answers(
    study: str,
    tables: Path,
    figures: Path,
    output: Path,
    *,
    measure: str,
    confidence: float,
    linkage: str,
    resolution: float,
    pairs: str,
    drawn: bool,
    role: str = "predicted",
    kinds: Mapping[str, str] | None = None,
    classes: Mapping[str, str] | None = None,
) -> None:
    """Write the page of answers.

    Parameters
    ----------
    study
        Its name.
    tables
        The folder of the study's tables.
    figures
        The folder of its figures; those of factors are below ``factors``.
    output
        HTML, self-contained.
    measure
        The similarity that is told of, where it is not all.
    confidence
        Of the intervals.
    linkage, resolution
        Of the trees and communities that are told of.
    pairs
        Suffix of the tables of pairs: csv or parquet.
    drawn
        Whether the study's figures are SVG files. Those of factors always are.
    role
        The study's first, of which experiments on classes are told.
    kinds
        Of the study's experiments, what kind of thing each asks.
    classes
        Of those that say something of each class, what they take out.
    """
    alike = _shown(tables / f"similarity.{pairs}", measure)
    several = alike["method"].nunique() > 1
    # A table of an earlier study of more methods may lie there.
    overall = read_table(tables / "methods_overall.csv") if several else None

    def table(name: str) -> pd.DataFrame:
        return read_table(tables / f"{name}.csv")

    sections = [
        models_section(
            alike, _shown(tables / f"agreement.{pairs}"), measure=measure, confidence=confidence
        ),
        *architecture_sections(table("architecture"), table("answers"), measure=measure),
        clusters_section(
            *(table(name) for name in ("cluster_test", "resolutions", "linkage")),
            measure=measure,
            method=linkage,
            resolution=resolution,
        ),
        predictions_section(
            *(table(name) for name in ("prediction_agreement", "consensus", "consensus_accuracy")),
            measure=measure,
        ),
        methods_section(overall, table("variance"), measure=measure),
        *([_methods_to_trust(table, kinds)] if kinds else []),
        *([_classes(tables, classes, role)] if classes else []),
        artefacts_section(table("artefacts")),
        images_section(table("images_recommended"), measure=measure, confidence=confidence),
    ]
    text = render(
        f"Study {study}: answers", sections, _read(figures, sections, drawn), _lead(alike, measure)
    )
    with replacing(output) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _shown(path: Path, measure: str | None = None) -> pd.DataFrame:
    """Pairs over all images, of one measure or of all: of many models the rest is large."""
    wanted = {"subset": "all"} | ({} if measure is None else {"measure": measure})
    return read_table(path, wanted)


def _methods_to_trust(table: Callable[[str], pd.DataFrame], kinds: Mapping[str, str]) -> Section:
    summary, methods, agreement = (table(name) for name in _EVALUATION)
    return evaluation_section(summary, methods, agreement, kinds)


def _classes(tables: Path, what: Mapping[str, str], role: str) -> Section:
    found = {name: read_table(tables / f"classes/{name}.csv") for name in what}
    return biased_section(found, what, role)


def _lead(alike: pd.DataFrame, measure: str) -> str:
    models = len({*alike["model_a"], *alike["model_b"]})
    images = 0 if alike.empty else int((alike["images"] + alike["left_out"]).max())
    told = [
        counted(models, "model"),
        counted(alike["method"].nunique(), "method"),
        counted(images, "image"),
    ]
    return (
        f"{', '.join(told)}. Similarity is {measure} unless said otherwise; other "
        "measures, and all numbers behind these answers, are in the study's tables."
    )


def _read(folder: Path, sections: Iterable[Section], drawn: bool) -> dict[str, str]:
    """The figures of the page that are there to be shown."""
    found = {}
    for figure in (one for section in sections for one in section.figures):
        path = folder / f"{figure.name}.svg"
        if not (drawn or figure.name.startswith(_OWN)):
            continue
        try:
            if path.stat().st_size > _BYTES:
                continue
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise SightlineError(
                f"The figure {path} cannot be read: {error}. Run again."
            ) from error
        if "<svg" not in text:
            raise SightlineError(f"{path} is no SVG file. Delete it and run again.")
        found[figure.name] = text
    return found
