# The study, and what rules share: its paths, wildcards and how a command is called.

import gc
import re
import shlex
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.persistence import PersistenceBase
from snakemake.settings.types import DeploymentMethod

sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from sightline.errors import SightlineError
from sightline.study.code import code_digest
from sightline.study.estimates.demand import Demands
from sightline.study.evaluation import CONTROLS
from sightline.study.ids import ID_PATTERN
from sightline.study.estimates.merging import Merging
from sightline.study.ranges import RANGE_PATTERN, parse_range, remember_count
from sightline.study.record import write_record
from sightline.study.models import ZOO_MODELS
from sightline.study.profile import Profile, bundled, device_of, on_processors, with_gpu
from sightline.study.resolve import ResolvedStudy, text
from sightline.study.runs import shorten
from sightline.study.estimates.speeds import read_speeds


# What a file was made of is recorded by the Snakemake that submitted its job, not by the one that
# runs it on a node, which yet would take away the mark that it is incomplete. Of a job that outlived
# the first, nothing would be known then, and no change of a setting would make it run again.
async def _left_to_the_first(persistence, job):
    pass


if not workflow.is_main_process:
    PersistenceBase.finished = _left_to_the_first

# Jobs live to the end: to look for garbage among them takes a sixth of planning many.
gc.set_threshold(200_000, 20, 50)

try:
    STUDY = ResolvedStudy(config)
    # Snakemake does not yet say what it was asked for.
    STUDY.check_images(downloading=not {"prefetch", "--target-jobs"}.isdisjoint(sys.argv))
except SightlineError as error:
    files = ", ".join(map(str, workflow.configfiles))
    raise WorkflowError(f"{files}: {error}" if files else str(error)) from None
try:
    SPEEDS = read_speeds()
except SightlineError as error:
    raise WorkflowError(str(error)) from None

RESULTS = str(STUDY.results)
EVALUATION = STUDY.evaluation
MODELS = ",".join(STUDY.models)
INTERVALS = text(STUDY.intervals)
MEASURES = [f"sightline.compare.measures.{one['measure']}" for one in STUDY.measures.values()]
# Tables that each method has, and the study all together.
STRUCTURE_TABLES = [
    "linkage.csv",
    "communities.csv",
    "resolutions.csv",
    "embedding.csv",
    "clusters.csv",
    "cluster_test.csv",
]
GATHERED = [
    f"similarity.{STUDY.pair_tables}",
    f"agreement.{STUDY.pair_tables}",
    "prediction_agreement.csv",
    *STRUCTURE_TABLES,
    "consensus.csv",
    "consensus_accuracy.csv",
    "images_needed.csv",
    "images_recommended.csv",
    "artefacts.csv",
]
PAIR_FIGURES = [
    "heatmap",
    "dendrogram",
    "communities",
    "resolutions",
    "clusters",
    "embedding",
    "histograms",
]
FORMAT = STUDY.config.figures.format


pathvars:
    results=RESULTS,


def one_of(names):
    """A pattern of some names alone; of nothing where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


# With conda each job has its environment's python, otherwise the launcher's own.
PYTHON = (
    "python"
    if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    else shlex.quote(sys.executable)
)
# A batch's activations would go back to the system after each pass, and a sixth of a
# job's time into asking for them again: let the allocator keep what it has.
ALLOCATOR = "MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296"
# Earth mover's distances are of numpy's arrays: POT need not import torch and the like.
NUMPY_ALONE = " ".join(
    f"POT_BACKEND_DISABLE_{name}=1" for name in ("PYTORCH", "JAX", "CUPY", "TENSORFLOW")
)
# Locks of HDF5 fail or hang on some shared file systems. Nothing needs them: a file is
# complete when it gets its name, and never written again.
UNLOCKED = "HDF5_USE_FILE_LOCKING=FALSE"
# Set within the command: Snakemake removes PYTHONPATH from the environment of conda jobs.
LIBRARY = f"PYTHONPATH={shlex.quote(str(Path(workflow.basedir) / 'workflow'))}"
SIGHTLINE = f"{ALLOCATOR} {UNLOCKED} {NUMPY_ALONE} {LIBRARY} {PYTHON} -m sightline"
# A node of a cluster has no network, where asking the hub would hang: what is not fetched
# fails at once. HF_HUB_OFFLINE=0 allows it, for a factory that fetches for itself.
OFFLINE = 'case "$1" in fetch|unpack) ;; *) local -x HF_HUB_OFFLINE="${HF_HUB_OFFLINE:-1}" ;; esac'
# Each command is one of the library's own. Named in the rules themselves, the line
# above would count as a variable from outside them, or run all again with another python.
shell.prefix('set -euo pipefail; sightline() {{ {OFFLINE}; {SIGHTLINE} "$@"; }}; ')


wildcard_constraints:
    variant=one_of(EVALUATION.variants),
    experiment=one_of(EVALUATION.experiments),
    light=one_of(EVALUATION.reading("maps", "objects", "variants")),
    heavy=one_of(EVALUATION.reading("model")),
    altering=one_of(EVALUATION.reading("variants")),
    by_class=one_of(EVALUATION.by_class),
    model=ID_PATTERN,
    method=ID_PATTERN,
    range=RANGE_PATTERN,
    table="|".join(GATHERED + ["ceiling.csv"]),
    fetched=r"(timm|torchvision)/[^/]+\.(safetensors|pth)",
    repository="[^/]+/[^/]+",
    dataset="[^/]+",


def amount(resource):
    """How much of a resource is asked for or there is, None of one that is not named."""
    return getattr(resource, "raw", resource)


def amounts(resources):
    """The same of several."""
    return {name: amount(one) for name, one in (resources or {}).items()}


def requests():
    """What the profile asks for, by rule: with `device: auto`, GPUs say where models run."""
    settings = workflow.resource_settings
    named = {name: amounts(one) for name, one in settings.overwrite_resources.items()}
    return {"every rule": amounts(settings.default_resources), **named}


@cache
def warn_of_processors():
    """Once, when jobs are laid out; not before is the executor known."""
    # Of a dry run too this says whether jobs would go to a cluster.
    if workflow.is_main_process and workflow.execution_settings.use_threads:
        if told := on_processors(STUDY.config.device, with_gpu(requests())):
            logger.warning(told)


def profile():
    """What jobs may ask for. In a job's own Snakemake, resources are that job's, and no limit."""
    limits = workflow.global_resources if workflow.is_main_process else {}
    return Profile(
        minutes=limits["runtime"].value if "runtime" in limits else None,
        megabytes=limits["mem_mb"].value if "mem_mb" in limits else None,
        warn=logger.warning,
    )


@cache
def bundles():
    """How many jobs of each rule share an allocation; known when jobs are laid out, not before."""
    groups = workflow.group_settings
    # Without one `bundle` to take, jobs of a group run side by side.
    together = amount(workflow.global_resources.get("bundle")) == 1
    return bundled(groups.overwrite_groups if together else {}, groups.group_components)


try:
    DEMANDS = Demands(STUDY, SPEEDS, device_of(STUDY.config.device, with_gpu(requests())))
except SightlineError as error:
    raise WorkflowError(str(error)) from None
MERGING = Merging(STUDY)
PROFILE = profile()


# Beside memory and minutes, jobs that run a model take one `bundle`: where a profile gives one, those
# that it groups run one after the other, and their group asks for the time of all and the memory of
# the largest.
def memory(rule, demands=DEMANDS):
    """The memory of a job, MB; more when it is tried again. What the profile allows ends it."""

    def asked(wildcards, attempt):
        found = demands.memory(rule, dict(wildcards.items()), attempt)
        PROFILE.check_megabytes(rule, found, attempt)
        return found

    return asked


def minutes(rule):
    """The time of a job that runs a model, in minutes; more when it is tried again."""

    def asked(wildcards, attempt):
        warn_of_processors()
        words = dict(wildcards.items())
        shared = lambda together: DEMANDS.minutes(rule, words, attempt, together)
        return PROFILE.allowed_minutes(rule, shared, attempt, bundles().get(rule, 1))

    return asked


def merging_memory(rule):
    """The memory of a job that compares or merges, MB; more when it is tried again."""
    return memory(rule, MERGING)


def merging_minutes(rule):
    """The time of a job that compares or merges, in minutes; more when it is tried again."""

    def asked(wildcards, attempt):
        found = MERGING.minutes(rule, dict(wildcards.items()), attempt)
        return PROFILE.allowed_minutes(rule, lambda together: found, attempt)

    return asked


def processors(rule):
    """How many processors a job that runs a model keeps busy."""
    return lambda wildcards: DEMANDS.job(rule, dict(wildcards.items())).cores


def growing(amount):
    """The same of every job of a rule; more when it is tried again."""
    return lambda wildcards, attempt: amount * attempt


def here(paths):
    """Files that are no results: on this file system, wherever results are stored."""
    return [local(str(path)) for path in paths]


def weights_digest(wildcards):
    """What tells a model's weights apart: their digest, a repository's configuration."""
    return here(STUDY.models[wildcards.model].files[1:])


def weights_options(wildcards, input):
    """The weights file and its digest as options; the digest's text is a parameter."""
    if not input.digest:
        return ""
    weights, digest = STUDY.models[wildcards.model].files[:2]
    return f"--weights {shlex.quote(str(weights))} --sha256 {Path(digest).read_text().strip()}"


def layers_file(wildcards):
    """The layers of a model, for a method that reads one."""
    needed = STUDY.methods[wildcards.method].method.needs_layer
    return [layers_of(wildcards.model)] if needed else []


def layers_options(wildcards, input):
    """The file of a model's layers as an option."""
    return f"--layers {shlex.quote(str(input.layers))}" if input.layers else ""


def layers_of(model):
    """A model's layers: shipped with it, or a result."""
    path = STUDY.layers(model)
    return str(path) if STUDY.models[model].layers is None else here([path])[0]


def known_layers():
    """Layers files by model, of those shipped or made for another method.

    They say a model's strides; none is loaded to find them for this alone.
    """
    found = any(one.method.needs_layer for one in STUDY.methods.values())
    return {name: layers_of(name) for name, model in STUDY.models.items() if found or model.layers}


def pattern(input, path, **known):
    """A path below the results, where the inputs lie, in which only what is known is filled in.

    Of results on object storage, inputs are copies elsewhere.
    """
    copies = "" if input[0].startswith(f"{RESULTS}/") else input[0].rpartition(f"{RESULTS}/")[0]
    for name, value in known.items():
        path = path.replace(f"{{{name}}}", value)
    return f"{copies}{RESULTS}/{path}"


def listed(ranges):
    """Names of ranges as one parameter, however many."""
    return ",".join(shorten(ranges))


@cache
def _model_spec(model):
    return text(STUDY.models[model].spec)


@cache
def _method_spec(method):
    return text(STUDY.methods[method].spec)


# Kept: a hundred thousand jobs would make them anew, and hold each its own.
def model_spec(wildcards):
    """A model's specification, as one parameter."""
    return _model_spec(wildcards.model)


def method_spec(wildcards):
    """A method's specification, as one parameter."""
    return _method_spec(wildcards.method)


def of_ranges(pattern, ranges, **wildcards):
    """One file a range, in the order of the images."""
    return expand(f"<results>/{pattern}", range=ranges, **wildcards)


def method_ranges(wildcards):
    """Names of the ranges of every method, as one parameter."""
    return text({method: shorten(STUDY.ranges(method)) for method in STUDY.methods})


def comparison(method):
    """Settings of a method's comparison, as one parameter."""
    grid, measures = STUDY.config.compare.grid, STUDY.measures
    return text({"grid": grid, "measures": measures, "scaling": STUDY.scaling(method)})


def method_statistics(wildcards):
    """Comparisons of a method's ranges."""
    return of_ranges(
        "compare/{method}/{range}.h5", STUDY.ranges(wildcards.method), method=wildcards.method
    )


def ceiling_file(wildcards):
    """What a method that draws says of a second seed."""
    return ["<results>/compare/{method}/ceiling.csv"] if STUDY.redrawn(wildcards.method) else []


def gathered_tables(wildcards):
    """Tables of all methods together."""
    return expand("<results>/tables/{table}", table=GATHERED)


def method_figures(wildcards):
    """Every figure of the study."""
    return expand(
        "<results>/figures/{method}/{figure}",
        method=list(STUDY.methods),
        figure=[
            *(
                f"{name}.{FORMAT}"
                for name in [*PAIR_FIGURES, "consensus", "images_needed", "artefacts"]
            ),
            *("overlays.png", "consensus_maps.png"),
        ],
    )


def comparison_files(wildcards):
    """What several models are held against each other by; of a single one, its maps."""
    if len(STUDY.models) == 1:
        return expand("<results>/figures/{method}/overlays.png", method=list(STUDY.methods))
    tables, figures = gathered_tables(wildcards), method_figures(wildcards)
    return [*tables, "<results>/answers.html", *figures]


def of_methods(pattern, **wildcards):
    """Files of every method and range."""
    return [
        file
        for method in STUDY.methods
        for file in of_ranges(pattern, STUDY.ranges(method), method=method, **wildcards)
    ]


def map_files(wildcards):
    """Every map of the study's own images: asked for, so that a removed one is made again."""
    return of_methods("maps/original/{model}/{method}/{range}.h5", model=list(STUDY.models))


def methods_overall(wildcards):
    """How alike methods are, where there are several."""
    return ["<results>/tables/methods_overall.csv"] if len(STUDY.methods) > 1 else []


def method_pairs(wildcards):
    """Statistics of the pairs of models, of every method."""
    return expand("<results>/compare/{method}/pairs.h5", method=list(STUDY.methods))


def factor_figures(wildcards=None):
    """A figure of each factor, drawn into the page of answers whatever other figures' format."""
    return expand("<results>/figures/factors/{factor}.svg", factor=STUDY.config.compare.factors)


def page_figures(wildcards):
    """The study's figures of which the page of answers may show some."""
    if FORMAT != "svg":
        return []
    of_method = ["heatmap", "dendrogram", "consensus", "artefacts", "images_needed"]
    found = expand(
        "<results>/figures/{method}/{name}.svg", method=list(STUDY.methods), name=of_method
    )
    overall = ["variance"]
    overall += ["methods"] if len(STUDY.methods) > 1 else []
    overall += ["evaluation"] if EVALUATION.experiments else []
    return [*found, *class_figures(), *expand("<results>/figures/{name}.svg", name=overall)]


def method_pair_files(wildcards):
    """What a study of several methods says of them."""
    overall = methods_overall(wildcards)
    figure = f"<results>/figures/methods.{FORMAT}"
    return ["<results>/tables/methods.csv", *overall, figure] if overall else []


def first_ranges(method, count):
    """The ranges of a method that hold the first images of the study."""
    names = STUDY.ranges(method)
    return [name for name in names if int(name.partition("-")[0]) < count]


def overlay_ranges(method):
    """The first ranges of a method, as many as the grid of overlays shows."""
    return first_ranges(method, STUDY.config.figures.images)


def sanity_files(wildcards):
    """What a study with checks of its explanations makes of them."""
    if STUDY.config.sanity is None:
        return []
    return ["<results>/tables/sanity.csv", f"<results>/figures/sanity.{FORMAT}"]


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


def evaluation_files(wildcards):
    """What a study's experiments give, and what they come to."""
    if not EVALUATION.experiments:
        return []
    return [
        *experiment_tables(),
        *expand(
            f"<results>/figures/evaluate/{{experiment}}.{FORMAT}",
            experiment=EVALUATION.experiments,
        ),
        *class_tables(),
        *class_figures(),
        *expand(
            "<results>/figures/evaluate/{altering}/{method}.png",
            altering=EVALUATION.reading("variants"),
            method=list(STUDY.methods),
        ),
        *summary_tables(),
        f"<results>/figures/evaluation.{FORMAT}",
    ]


def experiment_tables(wildcards=None):
    """The table of each experiment."""
    return expand("<results>/tables/evaluate/{experiment}.csv", experiment=EVALUATION.experiments)


def class_tables(wildcards=None):
    """What experiments say of each class."""
    return expand("<results>/tables/classes/{by_class}.csv", by_class=EVALUATION.by_class)


def class_figures():
    """The same as figures."""
    return expand(f"<results>/figures/classes/{{by_class}}.{FORMAT}", by_class=EVALUATION.by_class)


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


def summary_tables(wildcards=None):
    """What all experiments come to, where there are some."""
    names = ["evaluation", "evaluation_methods", "evaluation_agreement"]
    return expand("<results>/tables/{name}.csv", name=names) if EVALUATION.experiments else []


def figure_output(name):
    """A figure of a method with its place in the report."""
    return report(
        f"<results>/figures/{{method}}/{name}.{FORMAT}",
        caption=f"../report/{name}.rst",
        category="{method}",
        labels={"figure": name},
    )
