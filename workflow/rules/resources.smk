# What jobs ask for: memory, time and processors, by the work they do and what a profile allows.

from functools import cache

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from sightline.errors import SightlineError
from sightline.study.estimates.demand import Demands
from sightline.study.estimates.merging import Merging
from sightline.study.estimates.speeds import read_speeds
from sightline.study.profile import Profile, bundled, device_of, on_processors, with_gpu


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
    DEMANDS = Demands(STUDY, read_speeds(), device_of(STUDY.config.device, with_gpu(requests())))
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
