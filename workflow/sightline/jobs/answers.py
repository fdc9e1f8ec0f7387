"""The page that answers a study's questions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from sightline.errors import SightlineError
from sightline.files import replacing
from sightline.report.architecture import architecture_sections
from sightline.report.page import render

_NAMES = dict.fromkeys(("method", "measure", "factor", "test"), str)


def write_answers(
    study: str, tests: Path, answers: Path, figures: Mapping[str, Path], output: Path
) -> None:
    """Write the page of answers.

    Parameters
    ----------
    study
        Its name.
    tests, answers
        Tables of `sightline.jobs.groups.examine_factors`.
    figures
        The figure of each factor that has one, SVG.
    output
        HTML, self-contained.
    """
    drawn = {factor: path.read_text(encoding="utf-8") for factor, path in figures.items()}
    for factor, picture in drawn.items():
        if "<svg" not in picture:
            raise SightlineError(f"{figures[factor]} is no SVG file. Delete it and run again.")
    sections = architecture_sections(_read(tests), _read(answers), drawn)
    with replacing(output) as temporary:
        temporary.write_text(render(f"Study {study}: answers", sections), encoding="utf-8")


def _read(path: Path) -> pd.DataFrame:
    # Ids such as 007 or NA are text.
    return pd.read_csv(path, dtype=_NAMES, keep_default_na=False, na_values=[""])
