# What all models have in common, where the variance lies and how many images are enough.


rule consensus:
    input:
        expand("<results>/maps/original/{model}/{{method}}/{{range}}.h5", model=list(STUDY.models)),
    output:
        "<results>/consensus/{method}/{range}.h5",
    log:
        "<results>/logs/consensus/{method}/{range}.log",
    conda:
        "../../envs/compare.yaml"
    resources:
        mem_mb=merging_memory("consensus"),
        runtime=merging_minutes("consensus"),
    params:
        maps=lambda wildcards, input: pattern(
            input, "maps/original/{model}/{method}/{range}.h5", **wildcards
        ),
        models=MODELS,
        scaling=lambda wildcards: ",".join(STUDY.scaling(wildcards.method)),
        code=code_digest("sightline.jobs.merging.consensus"),
    shell:
        "sightline consensus {params.maps:q} --models {params.models:q} "
        "--scaling {params.scaling:q} --output {output:q} > {log:q} 2>&1"


rule merge_consensus:
    input:
        files=lambda wildcards: of_ranges(
            "consensus/{method}/{range}.h5",
            STUDY.ranges(wildcards.method),
            method=wildcards.method,
        ),
        accuracy="<results>/tables/accuracy.csv",
    output:
        consensus="<results>/compare/{method}/consensus.csv",
        related="<results>/compare/{method}/consensus_accuracy.csv",
    log:
        "<results>/logs/merge_consensus/{method}.log",
    conda:
        "../../envs/compare.yaml"
    resources:
        mem_mb=merging_memory("merge_consensus"),
        runtime=merging_minutes("merge_consensus"),
    params:
        files=lambda wildcards, input: pattern(input, "consensus/{method}/{range}.h5", **wildcards),
        ranges=lambda wildcards: listed(STUDY.ranges(wildcards.method)),
        options=text(
            STUDY.config.compare.model_dump(include={"permutations", "level", "seed"})
            | {"intervals": STUDY.intervals}
        ),
        code=code_digest("sightline.jobs.merging.consensus"),
    shell:
        "sightline merge-consensus {params.files:q} --ranges {params.ranges} "
        "--method {wildcards.method:q} --accuracy {input.accuracy:q} "
        "--options {params.options:q} --consensus {output.consensus:q} "
        "--related {output.related:q} > {log:q} 2>&1"


rule consensus_figure:
    input:
        tables=multiext("<results>/compare/{method}/", "consensus.csv", "consensus_accuracy.csv"),
        accuracy="<results>/tables/accuracy.csv",
    output:
        figure_output("consensus"),
    log:
        "<results>/logs/consensus_figure/{method}.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        folder=lambda wildcards, input: str(Path(input.tables[0]).parent),
        families=text({name: model.family for name, model in STUDY.models.items()}),
        code=code_digest("sightline.jobs.figures.consensus"),
    shell:
        "sightline consensus-figure {params.folder:q} --accuracy {input.accuracy:q} "
        "--families {params.families:q} --output {output:q} > {log:q} 2>&1"


rule consensus_maps:
    input:
        images=lambda wildcards: of_ranges("images/{range}.zip", overlay_ranges(wildcards.method)),
        files=lambda wildcards: of_ranges(
            "consensus/{method}/{range}.h5",
            overlay_ranges(wildcards.method),
            method=wildcards.method,
        ),
        maps=lambda wildcards: of_ranges(
            "maps/original/{model}/{method}/{range}.h5",
            overlay_ranges(wildcards.method),
            model=list(STUDY.models),
            method=wildcards.method,
        ),
        table="<results>/compare/{method}/consensus.csv",
    output:
        report(
            "<results>/figures/{method}/consensus_maps.png",
            caption="../report/consensus_maps.rst",
            category="{method}",
            labels={"figure": "consensus maps"},
        ),
    log:
        "<results>/logs/consensus_maps/{method}.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        folder=lambda wildcards, input: str(Path(input.table).parent),
        images=lambda wildcards, input: pattern(input, "images/{range}.zip"),
        files=lambda wildcards, input: pattern(input, "consensus/{method}/{range}.h5", **wildcards),
        maps=lambda wildcards, input: pattern(
            input, "maps/original/{model}/{method}/{range}.h5", **wildcards
        ),
        models=MODELS,
        ranges=lambda wildcards: listed(overlay_ranges(wildcards.method)),
        options=lambda wildcards: text(
            {
                "scaling": STUDY.scaling(wildcards.method),
                "images": STUDY.config.figures.images,
                "palette": STUDY.config.figures.overlay,
            }
        ),
        code=code_digest("sightline.jobs.figures.consensus"),
    shell:
        "sightline consensus-maps {params.folder:q} --method {wildcards.method:q} "
        "--images {params.images:q} --files {params.files:q} --maps {params.maps:q} "
        "--models {params.models:q} --ranges {params.ranges} --options {params.options:q} "
        "--output {output:q} > {log:q} 2>&1"


rule variance:
    input:
        lambda wildcards: of_methods("consensus/{method}/{range}.h5"),
    output:
        report(
            "<results>/tables/variance.csv",
            caption="../report/variance.rst",
            category="Tables",
            labels={"table": "variance"},
        ),
    log:
        "<results>/logs/variance.log",
    conda:
        "../../envs/compare.yaml"
    resources:
        mem_mb=merging_memory("variance"),
        runtime=merging_minutes("variance"),
    params:
        files=lambda wildcards, input: pattern(input, "consensus/{method}/{range}.h5"),
        ranges=method_ranges,
        level=STUDY.config.compare.confidence,
        code=code_digest("sightline.jobs.merging.variance"),
    shell:
        "sightline variance {params.files:q} --ranges {params.ranges:q} "
        "--level {params.level} --output {output:q} > {log:q} 2>&1"


rule variance_figure:
    input:
        "<results>/tables/variance.csv",
    output:
        report(
            f"<results>/figures/variance.{FORMAT}",
            caption="../report/variance.rst",
            category="All methods",
            labels={"figure": "variance"},
        ),
    log:
        "<results>/logs/variance_figure.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        code=code_digest("sightline.jobs.figures.spread"),
    shell:
        "sightline variance-figure {input:q} --output {output:q} > {log:q} 2>&1"


rule images_needed:
    input:
        method_statistics,
    output:
        curve="<results>/compare/{method}/images_needed.csv",
        recommended="<results>/compare/{method}/images_recommended.csv",
    log:
        "<results>/logs/images_needed/{method}.log",
    conda:
        "../../envs/compare.yaml"
    resources:
        mem_mb=merging_memory("images_needed"),
        runtime=merging_minutes("images_needed"),
    params:
        statistics=lambda wildcards, input: pattern(
            input, "compare/{method}/{range}.h5", **wildcards
        ),
        ranges=lambda wildcards: listed(STUDY.ranges(wildcards.method)),
        options=text(
            STUDY.config.compare.model_dump(include={"draws", "precision", "linkage", "seed"})
            | {"level": STUDY.config.compare.confidence}
        ),
        code=code_digest("sightline.jobs.merging.images_needed", *MEASURES),
    shell:
        "sightline images-needed {params.statistics:q} --ranges {params.ranges} "
        "--method {wildcards.method:q} --options {params.options:q} --curve {output.curve:q} "
        "--recommended {output.recommended:q} > {log:q} 2>&1"


rule images_needed_figure:
    input:
        multiext("<results>/compare/{method}/", "images_needed.csv", "images_recommended.csv"),
    output:
        figure_output("images_needed"),
    log:
        "<results>/logs/images_needed_figure/{method}.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        folder=lambda wildcards, input: str(Path(input[0]).parent),
        measure=STUDY.shown_measure,
        code=code_digest("sightline.jobs.figures.spread"),
    shell:
        "sightline images-needed-figure {params.folder:q} --measure {params.measure:q} "
        "--output {output:q} > {log:q} 2>&1"
