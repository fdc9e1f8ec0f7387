# The study, and what rules share: its paths, wildcards and how a command is called.

import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from sightline.errors import SightlineError
from sightline.study.code import code_digest
from sightline.study.ids import ID_PATTERN
from sightline.study.ranges import RANGE_PATTERN, remember_count
from sightline.study.resolve import ZOO_MODELS, ResolvedStudy, text

try:
    STUDY = ResolvedStudy(config)
    STUDY.images
except SightlineError as error:
    raise WorkflowError(str(error)) from None

RESULTS = str(STUDY.results)

# With conda each job has its environment's python, otherwise the launcher's own.
PYTHON = (
    "python"
    if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    else shlex.quote(sys.executable)
)
# Set within the command: Snakemake removes PYTHONPATH from the environment of conda jobs.
SIGHTLINE = (
    f"PYTHONPATH={shlex.quote(str(Path(workflow.basedir) / 'workflow'))} {PYTHON} -m sightline"
)


wildcard_constraints:
    model=ID_PATTERN,
    method=ID_PATTERN,
    range=RANGE_PATTERN,


def weights_digest(wildcards):
    """The file with the digest of a model's weights; nothing for random weights."""
    return [str(path) for path in STUDY.weights(wildcards.model)[1:]]


def weights_options(wildcards, input):
    """The weights file and its digest as options; the digest's text is a parameter."""
    if not input.digest:
        return ""
    weights, digest = STUDY.weights(wildcards.model)
    return f"--weights {shlex.quote(str(weights))} --sha256 {Path(digest).read_text().strip()}"


def of_ranges(pattern, ranges, **wildcards):
    """One file a range, in the order of the images."""
    return expand(RESULTS + "/" + pattern, range=ranges, **wildcards)
