# Every method against every other, by model; then over all models.


rule compare_methods:
    input:
        lambda wildcards: of_methods(
            "maps/original/{model}/{method}/{range}.h5", model=wildcards.model
        ),
    output:
        statistics="<results>/methods/{model}.h5",
        table="<results>/methods/{model}.csv",
    log:
        "<results>/logs/compare_methods/{model}.log",
    conda:
        "../../envs/compare.yaml"
    resources:
        mem_mb=merging_memory("compare_methods"),
        runtime=merging_minutes("compare_methods"),
    params:
        maps=lambda wildcards, input: pattern(
            input, "maps/original/{model}/{method}/{range}.h5", **wildcards
        ),
        ranges=method_ranges,
        settings=text(
            {
                "grid": STUDY.config.compare.grid,
                "measures": STUDY.measures,
                "scaling": {method: STUDY.scaling(method) for method in STUDY.methods},
            }
        ),
        options=INTERVALS,
        code=code_digest("sightline.jobs.merging.method_pairs", *MEASURES),
    shell:
        "sightline compare-methods {params.maps:q} --ranges {params.ranges:q} "
        "--model {wildcards.model:q} --settings {params.settings:q} "
        "--options {params.options:q} --statistics {output.statistics:q} "
        "--table {output.table:q} > {log:q} 2>&1"


rule merge_methods:
    input:
        expand("<results>/methods/{model}.csv", model=list(STUDY.models)),
    output:
        table=report(
            "<results>/tables/methods.csv",
            caption="../report/methods.rst",
            category="Tables",
            labels={"table": "methods"},
        ),
        overall=report(
            "<results>/tables/methods_overall.csv",
            caption="../report/methods.rst",
            category="Tables",
            labels={"table": "methods, over all models"},
        ),
    log:
        "<results>/logs/merge_methods.log",
    localrule: True
    conda:
        "../../envs/compare.yaml"
    params:
        tables=lambda wildcards, input: pattern(input, "methods/{model}.csv"),
        models=MODELS,
        code=code_digest("sightline.jobs.merging.method_pairs", *MEASURES),
    shell:
        "sightline merge-methods {params.tables:q} --models {params.models:q} "
        "--output {output.table:q} --overall {output.overall:q} > {log:q} 2>&1"


rule methods_figure:
    input:
        "<results>/tables/methods_overall.csv",
    output:
        report(
            f"<results>/figures/methods.{FORMAT}",
            caption="../report/methods.rst",
            category="All methods",
            labels={"figure": "methods"},
        ),
    log:
        "<results>/logs/methods_figure.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        measure=STUDY.shown_measure,
        palette=STUDY.config.figures.palette,
        code=code_digest("sightline.jobs.figures.spread"),
    shell:
        "sightline methods-figure {input:q} --measure {params.measure:q} "
        "--palette {params.palette} --output {output:q} > {log:q} 2>&1"
