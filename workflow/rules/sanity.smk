# Whether the explanations hold: each method on each model, where a study has `sanity`.


rule sanity:
    input:
        images=lambda wildcards: of_ranges(
            "images/{range}.zip", first_ranges(wildcards.method, STUDY.config.sanity.images)
        ),
        digest=weights_digest,
        layers=layers_file,
    output:
        "<results>/sanity/{model}/{method}.csv",
    log:
        "<results>/logs/sanity/{model}/{method}.log",
    benchmark:
        "<results>/benchmarks/sanity/{model}/{method}.tsv"
    conda:
        "../../envs/explain.yaml"
    threads: processors("sanity")
    resources:
        mem_mb=memory("sanity"),
        runtime=minutes("sanity"),
        bundle=1,
    params:
        model=model_spec,
        method=method_spec,
        declared=lambda wildcards: text(STUDY.methods[wildcards.method].method.declared),
        options=lambda wildcards: text(
            STUDY.config.sanity.model_dump() | {"grid": STUDY.config.compare.grid}
        ),
        weights=weights_options,
        layers=layers_options,
        seed=STUDY.config.seed,
        device=STUDY.config.device,
        precision=STUDY.config.precision,
        code=lambda wildcards: code_digest(
            "sightline.jobs.sanity", STUDY.methods[wildcards.method].method.module
        ),
    shell:
        "sightline sanity {input.images:q} --model-id {wildcards.model:q} "
        "--method-id {wildcards.method:q} --model {params.model:q} --method {params.method:q} "
        "--declared {params.declared:q} --options {params.options:q} {params.weights} "
        "{params.layers} --seed {params.seed} --device {params.device} "
        "--precision {params.precision} --output {output:q} "
        "> {log:q} 2>&1"


rule sanity_table:
    input:
        expand(
            "<results>/sanity/{model}/{method}.csv",
            model=list(STUDY.models),
            method=list(STUDY.methods),
        ),
    output:
        report(
            "<results>/tables/sanity.csv",
            caption="../report/sanity.rst",
            category="Tables",
            labels={"table": "sanity"},
        ),
    log:
        "<results>/logs/sanity_table.log",
    localrule: True
    conda:
        "../../envs/compare.yaml"
    params:
        declared=text({name: one.method.declared for name, one in STUDY.methods.items()}),
        code=code_digest("sightline.jobs.merging.sanity"),
    shell:
        "sightline sanity-table {input:q} --declared {params.declared:q} --output {output:q} "
        "> {log:q} 2>&1"


rule sanity_figure:
    input:
        "<results>/tables/sanity.csv",
    output:
        report(
            f"<results>/figures/sanity.{FORMAT}",
            caption="../report/sanity.rst",
            category="Sanity",
            labels={"figure": "sanity"},
        ),
    log:
        "<results>/logs/sanity_figure.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        palette=STUDY.config.figures.palette,
        code=code_digest("sightline.jobs.figures.of_methods"),
    shell:
        "sightline sanity-figure {input:q} --palette {params.palette} --output {output:q} "
        "> {log:q} 2>&1"
