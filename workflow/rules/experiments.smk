# What the rules of experiments read and write.


def altered_ranges(wildcards):
    """Of each variant of an experiment, its place in tables and the ranges of each method."""
    return {
        variant: {
            **point,
            "ranges": {
                method: EVALUATION.variant_ranges(variant, method) for method in STUDY.methods
            },
        }
        for variant, point in EVALUATION.experiments[wildcards.light].points.items()
    }


def altered_points(wildcards):
    """The same as one parameter."""
    return text(
        {
            variant: {
                **one,
                "ranges": {method: shorten(names) for method, names in one["ranges"].items()},
            }
            for variant, one in altered_ranges(wildcards).items()
        }
    )


def seen_ranges(wildcards):
    """Ranges of the images that an experiment on stored maps reads: for objects, for controls."""
    if wildcards.light in EVALUATION.reading("variants"):
        return []
    count = EVALUATION.count(wildcards.light)
    return [name for name in STUDY.prediction_ranges if parse_range(name).start < count]


def seen_options(wildcards, input):
    """The images and the controls, and the model's classes where objects are read."""
    ranges = seen_ranges(wildcards)
    if not ranges:
        return ""
    values = {
        "--images": pattern(input, "images/{range}.zip"),
        "--image-ranges": listed(ranges),
        "--controls": ",".join(EVALUATION.controls),
    }
    if wildcards.light in EVALUATION.reading("objects"):
        values["--classes"] = text(STUDY.models[wildcards.model].spec["classes"])
    return " ".join(f"{option}={shlex.quote(value)}" for option, value in values.items())


def evaluating_code(wildcards):
    """What evaluates stored maps: each kind of experiment has its own."""
    reads = EVALUATION.experiments[wildcards.light].experiment.reads
    return f"sightline.jobs.experiments.evaluate_{reads}"


def evaluated_maps(wildcards):
    """Map files that hold a range's images; none of a control, which reads no model."""
    if wildcards.method in EVALUATION.controls:
        return []
    ranges = EVALUATION.overlapping(wildcards.range, STUDY.ranges(wildcards.method))
    return of_ranges(
        "maps/original/{model}/{method}/{range}.h5",
        ranges,
        model=wildcards.model,
        method=wildcards.method,
    )


def results_pattern(experiment):
    """Where the jobs of an experiment write."""
    heavy = experiment in EVALUATION.reading("model")
    ending = "{model}/{method}/{range}" if heavy else "{model}"
    return f"evaluate/{experiment}/{ending}.parquet"


def experiment_results(wildcards):
    """What the jobs of an experiment make."""
    name = wildcards.experiment
    return of_ranges(
        results_pattern(name),
        EVALUATION.ranges(name),
        model=list(STUDY.models),
        method=EVALUATION.methods(name),
    )


def pictured_maps(wildcards):
    """The first maps of the study's own images, and of those that a figure shows altered."""
    own, method = STUDY.ranges(wildcards.method)[0], wildcards.method
    variants = EVALUATION.pictured(wildcards.altering)
    first = {one: EVALUATION.variant_ranges(one, method)[0] for one in variants}
    return [
        f"<results>/maps/{variant}/{model}/{method}/{name}.h5"
        for model in STUDY.models
        for variant, name in {"original": own, **first}.items()
    ]
