"""The jobs of a study that are worth counting, each with the file it makes.

Tables and figures of all models together, which take seconds and run where Snakemake does, are left
out. The rules say the same; a test holds both against each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sightline.study.resolve import ResolvedStudy


@dataclass(frozen=True)
class Expected:
    """A job.

    Attributes
    ----------
    rule
        Of the workflow.
    file
        What it makes, below the results.
    wildcards
        Its own.
    """

    rule: str
    file: str
    wildcards: dict[str, str] = field(default_factory=dict)

    @property
    def benchmark(self) -> str:
        """Where Snakemake writes what it took, below the results."""
        return f"benchmarks/{self.rule}/{'/'.join(self.wildcards.values())}.tsv"

    def done(self, results: Path) -> bool:
        """Whether its file is there."""
        return (results / self.file).exists()


def expected_jobs(study: ResolvedStudy) -> list[Expected]:
    """All of them, in the order of the rules."""
    return [*_of_models(study), *_of_experiments(study), *_of_comparisons(study)]


def _jobs(rule: str, file: str, **values: Iterable[str]) -> Iterator[Expected]:
    """One for each combination of values."""
    for words in product(*values.values()):
        wildcards = dict(zip(values, words, strict=True))
        yield Expected(rule, file.format(**wildcards), wildcards)


def _of_models(study: ResolvedStudy) -> Iterator[Expected]:
    maps, models = "{model}/{method}/{range}.h5", list(study.models)
    if any(one.method.needs_layer for one in study.methods.values()):
        found = [name for name, one in study.models.items() if one.layers is None]
        yield from _jobs("layers", "layers/{model}.json", model=found)
    names = study.prediction_ranges
    yield from _jobs("predict", "predictions/{model}/{range}.csv", model=models, range=names)
    for method in study.methods:
        own = {"model": models, "method": [method]}
        yield from _jobs("explain", f"maps/original/{maps}", **own, range=study.ranges(method))
        # A study of one model compares nothing, nor with itself.
        if study.redrawn(method) and len(models) > 1:
            first = [study.redrawn_range]
            yield from _jobs("redraw", f"maps/redrawn/{maps}", **own, range=first)


def _of_experiments(study: ResolvedStudy) -> Iterator[Expected]:
    evaluation, models, methods = study.evaluation, list(study.models), list(study.methods)
    for variant, method in product(evaluation.variants, methods):
        yield from _jobs(
            "explain_variant",
            "maps/{variant}/{model}/{method}/{range}.h5",
            variant=[variant],
            model=models,
            method=[method],
            range=evaluation.variant_ranges(variant, method),
        )
    light = evaluation.reading("maps", "objects", "variants")
    yield from _jobs("evaluate", "evaluate/{light}/{model}.parquet", light=light, model=models)
    for heavy in evaluation.reading("model"):
        yield from _jobs(
            "evaluate_model",
            "evaluate/{heavy}/{model}/{method}/{range}.parquet",
            heavy=[heavy],
            model=models,
            method=evaluation.methods(heavy),
            range=evaluation.ranges(heavy),
        )
    if study.config.sanity is not None:
        yield from _jobs("sanity", "sanity/{model}/{method}.csv", model=models, method=methods)


def _of_comparisons(study: ResolvedStudy) -> Iterator[Expected]:
    models, methods = list(study.models), list(study.methods)
    for method in methods:
        own = {"method": [method], "range": study.ranges(method)}
        yield from _jobs("consensus", "consensus/{method}/{range}.h5", **own)
        if len(models) > 1:
            yield from _jobs("compare", "compare/{method}/{range}.h5", **own)
    if len(models) > 1:
        for rule, file in (
            ("merge", "pairs.h5"),
            ("structure", "linkage.csv"),
            ("artefacts", "artefacts.csv"),
            ("merge_consensus", "consensus.csv"),
            ("images_needed", "images_needed.csv"),
        ):
            yield from _jobs(rule, f"compare/{{method}}/{file}", method=methods)
        redrawn = [method for method in methods if study.redrawn(method)]
        yield from _jobs("ceiling", "compare/{method}/ceiling.csv", method=redrawn)
        yield Expected("architecture", "tables/architecture.csv")
    if len(methods) > 1:
        yield from _jobs("compare_methods", "methods/{model}.h5", model=models)
    yield Expected("variance", "tables/variance.csv")
    experiments = list(study.evaluation.experiments)
    yield from _jobs("experiment_table", "tables/evaluate/{experiment}.csv", experiment=experiments)
