"""Commands of the experiments that tell whether explanations hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from sightline.cli.options import (
    Device,
    Id,
    Json,
    Layers,
    Models,
    Output,
    PrecisionName,
    Ranges,
    Sha256,
    Shard,
    Weights,
    from_json,
    loading,
    pattern_files,
)


def evaluate(
    maps: Annotated[str, typer.Argument(help="Map files of a model: {variant} {method} {range}.")],
    experiment: Json,
    model_id: Id,
    ranges: Annotated[str, typer.Option(help="JSON: of each method, names in order.")],
    scaling: Annotated[str, typer.Option(help="JSON: of each method, its steps.")],
    count: Annotated[int, typer.Option(help="Images that are taken, the first ones.")],
    output: Output,
    altered: Annotated[
        str, typer.Option(help="JSON: of each variant, group, x, ranges by method.")
    ] = "{}",
    images: Annotated[str, typer.Option(help="Image shards that show objects: {range}.")] = "",
    image_ranges: Ranges = "",
    classes: Annotated[str, typer.Option(help="JSON: the model's, as its specification.")] = "null",
    controls: Annotated[str, typer.Option(help="Made beside, separated by commas.")] = "",
    seed: int = 0,
) -> None:
    """Evaluate the stored maps of one model."""
    from sightline.evaluate.catalogue import find_experiment
    from sightline.jobs.experiments.evaluate_maps import MapsJob, evaluate_maps
    from sightline.jobs.experiments.evaluate_objects import ObjectsJob, evaluate_objects
    from sightline.jobs.experiments.evaluate_variants import AlteredMaps, evaluate_variants

    spec = from_json(experiment, "--experiment")
    entry = find_experiment(spec["experiment"])
    job = MapsJob(
        model=model_id,
        module=entry.path,
        settings=entry.settings.model_validate(spec["settings"]),
        scaling=from_json(scaling, "--scaling"),
        count=count,
        seed=seed,
        controls=[name for name in controls.split(",") if name],
    )
    shards = pattern_files(images, range=image_ranges) if image_ranges else []

    def files(variant: str, names: dict[str, list[str]]) -> dict[str, list[Path]]:
        own = maps.replace("{variant}", variant)
        return {
            method: pattern_files(own.replace("{method}", method), range=",".join(found))
            for method, found in names.items()
        }

    original = files("original", from_json(ranges, "--ranges"))
    variants = from_json(altered, "--altered")
    if entry.reads == "variants":
        others = [
            AlteredMaps(one["group"], one["x"], files(variant, one["ranges"]))
            for variant, one in variants.items()
        ]
        evaluate_variants(job, original, others, output)
    elif entry.reads == "objects":
        objects = ObjectsJob(
            **vars(job),
            classes=json.loads(classes),
            better={one.name: one.better for one in entry.measures},
        )
        evaluate_objects(objects, original, shards, output)
    else:
        evaluate_maps(job, original, shards, output)


def evaluate_model(
    experiment: Json,
    experiment_id: Id,
    model_id: Id,
    method_id: Id,
    model: Json,
    method: Json,
    images: Shard,
    output: Output,
    scaling: Annotated[str, typer.Option(help="Steps, separated by commas.")],
    maps: Annotated[list[Path] | None, typer.Option(help="Map files; none for a control.")] = None,
    roles: Annotated[str, typer.Option(help="Separated by commas.")] = "predicted",
    seed: int = 0,
    layers: Layers = None,
    weights: Weights = None,
    sha256: Sha256 = None,
    device: Device = "auto",
    precision: PrecisionName = "float32",
) -> None:
    """Evaluate one range's maps of one model and one method with the model."""
    from sightline.evaluate.catalogue import find_experiment
    from sightline.jobs.experiments.evaluate_model import ModelJob
    from sightline.jobs.experiments.evaluate_model import evaluate_model as run
    from sightline.methods.catalogue import find_method

    spec, how = from_json(experiment, "--experiment"), from_json(method, "--method")
    entry, explaining = find_experiment(spec["experiment"]), find_method(how["method"])
    job = ModelJob(
        model_id=model_id,
        method_id=method_id,
        model=from_json(model, "--model"),
        function=explaining.load(),
        method=explaining.settings.model_validate(how["settings"]),
        scaling=tuple(scaling.split(",")),
        experiment_id=experiment_id,
        module=entry.path,
        settings=entry.settings.model_validate(spec["settings"]),
        roles=tuple(roles.split(",")),
        seed=seed,
    )
    run(
        job,
        images,
        maps or [],
        output,
        loading(layers, weights, sha256, device, precision),
    )


def class_table(
    files: Annotated[str, typer.Argument(help="What `evaluate` wrote: {model}.")],
    experiment: Json,
    experiment_id: Id,
    models: Models,
    output: Output,
) -> None:
    """Say what an experiment shows of each class."""
    from sightline.evaluate.catalogue import find_experiment
    from sightline.jobs.experiments.class_table import merge_classes

    entry = find_experiment(from_json(experiment, "--experiment")["experiment"])
    merge_classes(experiment_id, entry.path, pattern_files(files, model=models), output)


def experiment_pictures(
    maps: Annotated[list[str], typer.Argument(help="VARIANT=MODEL=FILE: the first of each.")],
    title: Annotated[str, typer.Option(help="The experiment.")],
    method: Id,
    shard: Annotated[Path, typer.Option(help="The first image shard.")],
    options: Json,
    output: Output,
) -> None:
    """Draw images and maps before and after what an experiment alters."""
    from sightline.jobs.figures.before_after import draw_before_after

    files: dict[str, dict[str, Path]] = {}
    for one in maps:
        variant, model, path = one.split("=", 2)
        files.setdefault(model, {})[variant.removeprefix(f"{title}.")] = Path(path)
    given = from_json(options, "--options")
    draw_before_after(f"{title}: {method}", shard, files, output=output, **given)


def experiment_table(
    files: Annotated[str, typer.Argument(help="Of its jobs: {model} {method} {range}.")],
    experiment: Json,
    experiment_id: Id,
    models: Models,
    methods: Annotated[str, typer.Option(help="Ids, separated by commas.")],
    options: Json,
    output: Output,
    ranges: Ranges = "",
    controls: Annotated[str, typer.Option(help="Ids, separated by commas.")] = "",
) -> None:
    """Put the results of an experiment's jobs together."""
    from sightline.compare.bootstrap import Bootstrap
    from sightline.evaluate.catalogue import find_experiment
    from sightline.jobs.experiments.experiment_table import merge_experiment

    entry = find_experiment(from_json(experiment, "--experiment")["experiment"])
    values = {"model": models}
    if entry.reads == "model":
        values |= {"method": methods, "range": ranges}
    merge_experiment(
        experiment_id,
        pattern_files(files, **values),
        models.split(","),
        methods.split(","),
        [one for one in controls.split(",") if one],
        {one.name: one.better or "" for one in entry.measures},
        Bootstrap(**from_json(options, "--options")),
        output,
    )
