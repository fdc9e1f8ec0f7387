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
from sightline.study.evaluation import CONTROLS
from sightline.study.ids import ID_PATTERN
from sightline.study.ranges import RANGE_PATTERN, parse_range, remember_count
from sightline.study.record import write_record
from sightline.study.models import ZOO_MODELS
from sightline.study.resolve import ResolvedStudy, text
from sightline.study.runs import shorten


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


def of_methods(pattern, **wildcards):
    """Files of every method and range."""
    return [
        file
        for method in STUDY.methods
        for file in of_ranges(pattern, STUDY.ranges(method), method=method, **wildcards)
    ]


def method_pairs(wildcards):
    """Statistics of the pairs of models, of every method."""
    return expand("<results>/compare/{method}/pairs.h5", method=list(STUDY.methods))


def first_ranges(method, count):
    """The ranges of a method that hold the first images of the study."""
    names = STUDY.ranges(method)
    return [name for name in names if int(name.partition("-")[0]) < count]


def overlay_ranges(method):
    """The first ranges of a method, as many as the grid of overlays shows."""
    return first_ranges(method, STUDY.config.figures.images)


def figure_output(name):
    """A figure of a method with its place in the report."""
    return report(
        f"<results>/figures/{{method}}/{name}.{FORMAT}",
        caption=f"../report/{name}.rst",
        category="{method}",
        labels={"figure": name},
    )
