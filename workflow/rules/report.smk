# Figures of each method, as shown by `snakemake --report`.


rule figures:
    input:
        statistics=method_statistics,
        pairs="<results>/compare/{method}/pairs.h5",
        tables=multiext("<results>/compare/{method}/", *STRUCTURE_TABLES),
    output:
        [figure_output(name) for name in PAIR_FIGURES],
    log:
        "<results>/logs/figures/{method}.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        statistics=lambda wildcards, input: pattern(
            input, "compare/{method}/{range}.h5", **wildcards
        ),
        ranges=lambda wildcards: listed(STUDY.ranges(wildcards.method)),
        compared=lambda wildcards, input: str(Path(input.pairs).parent),
        folder=lambda wildcards, output: str(Path(output[0]).parent),
        families=text({name: model.family for name, model in STUDY.models.items()}),
        options=text(
            STUDY.config.figures.model_dump(include={"format", "palette"})
            | STUDY.config.compare.model_dump(include={"linkage", "resolution"})
            | {"measure": STUDY.shown_measure}
        ),
        code=code_digest("sightline.jobs.figures.of_methods", *MEASURES),
    shell:
        "sightline figures {params.statistics:q} --ranges {params.ranges} "
        "--folder {params.compared:q} --families {params.families:q} "
        "--options {params.options:q} --output {params.folder:q} > {log:q} 2>&1"


rule overlays:
    input:
        shards=lambda wildcards: of_ranges("images/{range}.zip", overlay_ranges(wildcards.method)),
        maps=lambda wildcards: of_ranges(
            "maps/original/{model}/{method}/{range}.h5",
            overlay_ranges(wildcards.method),
            model=list(STUDY.models),
            method=wildcards.method,
        ),
    output:
        report(
            "<results>/figures/{method}/overlays.png",
            caption="../report/overlays.rst",
            category="{method}",
            labels={"figure": "overlays"},
        ),
    log:
        "<results>/logs/overlays/{method}.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
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
        code=code_digest("sightline.jobs.figures.of_methods"),
    shell:
        "sightline overlays {params.maps:q} --method {wildcards.method:q} "
        "--shards {params.shards:q} --classes {params.classes:q} "
        "--options {params.options:q} --output {output:q} > {log:q} 2>&1"
