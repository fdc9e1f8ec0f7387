# Figures of each method, as shown by `snakemake --report`.

PAIR_FIGURES = ["heatmap", "dendrogram", "communities", "pca", "histograms"]
FORMAT = STUDY.config.figures.format


def method_figures(wildcards):
    """Every figure of the study."""
    return expand(
        RESULTS + "/figures/{method}/{figure}",
        method=list(STUDY.methods),
        figure=[f"{name}.{FORMAT}" for name in PAIR_FIGURES] + ["overlays.png"],
    )


def overlay_ranges(method):
    """The first ranges of a method, as many as the grid of overlays shows."""
    names = STUDY.ranges(method)
    shown = STUDY.config.figures.images
    return [name for name in names if int(name.partition("-")[0]) < shown]


def figure_output(name):
    """A figure of a method with its place in the report."""
    return report(
        RESULTS + "/figures/{method}/" + f"{name}.{FORMAT}",
        caption=f"../report/{name}.rst",
        category="{method}",
        labels={"figure": name},
    )


rule figures:
    input:
        statistics=lambda wildcards: of_ranges(
            "compare/{method}/{range}.h5",
            STUDY.ranges(wildcards.method),
            method=wildcards.method,
        ),
        tables=expand(
            RESULTS + "/tables/{table}.csv", table=["similarity", "communities", "embedding"]
        ),
    output:
        [figure_output(name) for name in PAIR_FIGURES],
    log:
        RESULTS + "/logs/figures/{method}.log",
    params:
        tables=RESULTS + "/tables",
        folder=RESULTS + "/figures/{method}",
        families=text({name: model.family for name, model in STUDY.models.items()}),
        options=text(
            STUDY.config.figures.model_dump(include={"format", "metric", "palette"})
            | {"linkage": STUDY.config.compare.linkage}
        ),
        code=code_digest("sightline.jobs.figures"),
    conda:
        "../../envs/figures.yaml"
    localrule: True
    shell:
        "{SIGHTLINE} figures {input.statistics:q} --method {wildcards.method:q} "
        "--tables {params.tables:q} --families {params.families:q} "
        "--options {params.options:q} --folder {params.folder:q} > {log:q} 2>&1"


rule overlays:
    input:
        shards=lambda wildcards: of_ranges(
            "images/{range}.zip", overlay_ranges(wildcards.method)
        ),
        maps=lambda wildcards: of_ranges(
            "maps/original/{model}/{method}/{range}.h5",
            overlay_ranges(wildcards.method),
            model=list(STUDY.models),
            method=wildcards.method,
        ),
    output:
        report(
            RESULTS + "/figures/{method}/overlays.png",
            caption="../report/overlays.rst",
            category="{method}",
            labels={"figure": "overlays"},
        ),
    log:
        RESULTS + "/logs/overlays/{method}.log",
    params:
        maps=lambda wildcards, input: [
            f"{Path(file).parent.parent.name}={file}" for file in input.maps
        ],
        shards=lambda wildcards, input: ",".join(input.shards),
        classes=text({name: model.spec["classes"] for name, model in STUDY.models.items()}),
        options=lambda wildcards: text(
            {
                "scaling": STUDY.methods[wildcards.method].method.scaling,
                "images": STUDY.config.figures.images,
                "palette": STUDY.config.figures.overlay,
            }
        ),
        code=code_digest("sightline.jobs.figures"),
    conda:
        "../../envs/figures.yaml"
    localrule: True
    shell:
        "{SIGHTLINE} overlays {params.maps:q} --method {wildcards.method:q} "
        "--shards {params.shards:q} --classes {params.classes:q} "
        "--options {params.options:q} --output {output:q} > {log:q} 2>&1"
