# Artefacts of each model's maps: the grid of its patches, its borders and corners.


rule artefacts:
    input:
        maps=lambda wildcards: of_ranges(
            "maps/original/{model}/{method}/{range}.h5",
            STUDY.ranges(wildcards.method),
            model=list(STUDY.models),
            method=wildcards.method,
        ),
        layers=list(known_layers().values()),
    output:
        table="<results>/compare/{method}/artefacts.csv",
        means="<results>/compare/{method}/artefacts.h5",
    log:
        "<results>/logs/artefacts/{method}.log",
    benchmark:
        "<results>/benchmarks/artefacts/{method}.tsv"
    conda:
        "../../envs/compare.yaml"
    resources:
        mem_mb=merging_memory("artefacts"),
        runtime=merging_minutes("artefacts"),
    params:
        maps=lambda wildcards, input: pattern(
            input, "maps/original/{model}/{method}/{range}.h5", **wildcards
        ),
        models=MODELS,
        ranges=lambda wildcards: listed(STUDY.ranges(wildcards.method)),
        layers=lambda wildcards, input: text(dict(zip(known_layers(), input.layers))),
        role=STUDY.config.roles[0],
        seed=STUDY.config.compare.seed,
        code=code_digest("sightline.jobs.merging.artefacts"),
    shell:
        "sightline artefacts {params.maps:q} --models {params.models:q} --ranges {params.ranges} "
        "--method {wildcards.method:q} --layers {params.layers:q} --role {params.role} "
        "--seed {params.seed} --output {output.table:q} --means {output.means:q} > {log:q} 2>&1"


rule artefacts_figure:
    input:
        table="<results>/compare/{method}/artefacts.csv",
        means="<results>/compare/{method}/artefacts.h5",
    output:
        figure_output("artefacts"),
    log:
        "<results>/logs/artefacts_figure/{method}.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        options=text(STUDY.config.figures.model_dump(include={"palette"})),
        code=code_digest("sightline.jobs.figures.artefacts"),
    shell:
        "sightline artefacts-figure {input.table:q} --means {input.means:q} "
        "--options {params.options:q} --output {output:q} > {log:q} 2>&1"
