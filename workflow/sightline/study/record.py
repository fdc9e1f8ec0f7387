"""What a study is, written beside its results: a reader takes its list, never a glob.

The launcher writes it when a run starts, so it may say more than is made yet.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightline.errors import SightlineError
from sightline.files import replacing

if TYPE_CHECKING:
    from sightline.study.resolve import ResolvedStudy

RECORD_FILE = "study.json"
SCHEMA = 1


@dataclass(frozen=True)
class StudyRecord:
    """A study as its results' reader needs it.

    Attributes
    ----------
    schema
        Of the file.
    study
        Its name.
    seed
        Its seed.
    images
        How many.
    source
        Where they come from, without the count.
    roles
        Classes explained of each image, the first is the default.
    models
        Of each id its ``family``, its ``attributes`` and its ``spec``.
    methods
        Of each id the ``method``, its ``settings``, the ``scaling`` before maps are
        compared, and its ``ranges`` in order.
    compare
        How maps are compared, as configured.
    """

    schema: int
    study: str
    seed: int
    images: int
    source: dict[str, Any]
    roles: list[str]
    models: dict[str, dict[str, Any]]
    methods: dict[str, dict[str, Any]]
    compare: dict[str, Any]


def make_record(study: ResolvedStudy) -> StudyRecord:
    """The record of a study as resolved; its images must be known."""
    return StudyRecord(
        schema=SCHEMA,
        study=study.config.study,
        seed=study.config.seed,
        images=len(study.images),
        source=study.source_spec,
        roles=study.config.roles,
        models={
            name: {
                "family": one.family,
                "attributes": study.config.models[name].attributes,
                "spec": one.spec,
            }
            for name, one in study.models.items()
        },
        methods={
            name: {**one.spec, "scaling": study.scaling(name), "ranges": study.ranges(name)}
            for name, one in study.methods.items()
        },
        compare=study.config.compare.model_dump(mode="json"),
    )


def write_record(study: ResolvedStudy) -> None:
    """Write a study's record beside its results."""
    with replacing(study.results / RECORD_FILE) as temporary:
        temporary.write_text(json.dumps(asdict(make_record(study)), indent=1) + "\n")


def read_record(results: Path) -> StudyRecord:
    """Read the record of a study.

    Parameters
    ----------
    results
        Its folder, such as ``results/demo``.

    Raises
    ------
    SightlineError
        Where there is none, or one that cannot be read.
    """
    path = results / RECORD_FILE
    if not results.is_dir():
        raise SightlineError(
            f"There is no folder {results}: expected the results of a study, such as "
            "results/demo. Run the study first, or name the folder as seen from here."
        )
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found.get("schema") != SCHEMA:
            raise SightlineError(
                f"{path} has the schema {found.get('schema')}, expected {SCHEMA}. "
                "Run the study again with this version."
            )
        return StudyRecord(**found)
    except FileNotFoundError as error:
        raise SightlineError(
            f"{path} does not exist: this study has not run yet, or ran with an earlier version. "
            "Run it with snakemake, which writes the file when it starts (where nothing is left "
            "to do, delete a table first)."
        ) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise SightlineError(
            f"{path} is damaged: {error}. Delete it and run the study again."
        ) from error
