from snakemake.utils import min_version

min_version("9.27")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/experiments.smk"
include: "workflow/rules/targets.smk"
include: "workflow/rules/images.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/explain.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/structure.smk"
include: "workflow/rules/artefacts.smk"
include: "workflow/rules/consensus.smk"
include: "workflow/rules/methods.smk"
include: "workflow/rules/architecture.smk"
include: "workflow/rules/sanity.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"


# Everything the study asks for.
rule all:
    default_target: True
    input:
        "<results>/tables/images.csv",
        "<results>/tables/accuracy.csv",
        map_files,
        comparison_files,
        "<results>/tables/variance.csv",
        f"<results>/figures/variance.{FORMAT}",
        method_pair_files,
        sanity_files,
        evaluation_files,


# The maps alone: of a large study a part at a time, `snakemake maps --batch maps=1/10`.
rule maps:
    input:
        map_files,


# All that needs a network: weights and data sets. The study itself then needs none.
rule prefetch:
    input:
        here(STUDY.downloads),


# Train the embedded models again, into results/zoo.
rule zoo:
    input:
        here(f"results/zoo/{model}.safetensors" for model in ZOO_MODELS),


onsuccess:
    page = STUDY.results / "answers.html"
    if page.exists():
        logger.info(f"Open {page} in a browser.")


onstart:
    # Ranges end where a study once ended; to prefetch computes none.
    if set(workflow.dag_settings.targets) != {"prefetch"}:
        remember_count(STUDY.results, len(STUDY.images))
        write_record(STUDY)
