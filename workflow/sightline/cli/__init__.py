"""The command line: one command a rule, and `explain` for a photograph.

Commands import what they run when they run, so that a light job starts at
once and needs no package that it does not use.
"""

from __future__ import annotations

import sys

import typer

from sightline.cli import (
    architecture,
    artefacts,
    compare,
    consensus,
    consensus_figures,
    evaluate,
    evaluation,
    explain,
    figures,
    images,
    methods,
    models,
    plan,
    sanity,
    structure,
    verify,
)
from sightline.errors import SightlineError

app = typer.Typer(
    name="sightline",
    help="Where do image classifiers look, and do they agree?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

for _command in (
    explain.explain,
    methods.methods,
    plan.plan,
    plan.speeds,
    images.shard,
    images.manifest,
    images.unpack,
    models.digest,
    models.fetch,
    models.layers,
    models.find_layers,
    models.train,
    models.predict,
    models.predictions,
    explain.explain_range,
    compare.compare,
    compare.ceiling,
    compare.merge,
    compare.prediction_agreement,
    compare.gather,
    structure.structure,
    architecture.models_table,
    architecture.architecture,
    architecture.architecture_figures,
    architecture.answers,
    artefacts.artefacts,
    artefacts.artefacts_figure,
    figures.figures,
    figures.overlays,
    consensus.consensus,
    consensus.merge_consensus,
    consensus.variance,
    consensus.images_needed,
    consensus.compare_methods,
    consensus.merge_methods,
    consensus_figures.consensus_figure,
    consensus_figures.consensus_maps,
    consensus_figures.variance_figure,
    consensus_figures.images_needed_figure,
    consensus_figures.methods_figure,
    evaluate.evaluate,
    evaluate.evaluate_model,
    evaluate.experiment_table,
    evaluation.evaluation,
    evaluation.experiment_figure,
    evaluation.class_figure,
    evaluation.evaluation_figure,
    evaluate.class_table,
    evaluate.experiment_pictures,
    sanity.sanity,
    sanity.sanity_table,
    sanity.sanity_figure,
    verify.verify,
):
    app.command()(_command)


def main() -> None:
    """Run a command; what is wrong with its input is a message and status 1."""
    try:
        app()
    except SightlineError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
