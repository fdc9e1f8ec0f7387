# Every model against every other, by method.


rule compare:
    input:
        expand("<results>/maps/original/{model}/{{method}}/{{range}}.h5", model=list(STUDY.models)),
    output:
        "<results>/compare/{method}/{range}.h5",
    log:
        "<results>/logs/compare/{method}/{range}.log",
    benchmark:
        "<results>/benchmarks/compare/{method}/{range}.tsv"
    conda:
        "../../envs/compare.yaml"
    resources:
        mem_mb=merging_memory("compare"),
        runtime=merging_minutes("compare"),
    params:
        # A command holds a thousand ids, but not a thousand paths.
        maps=lambda wildcards, input: pattern(
            input, "maps/original/{model}/{method}/{range}.h5", **wildcards
        ),
        models=MODELS,
        settings=lambda wildcards: comparison(wildcards.method),
        code=code_digest("sightline.jobs.compare", *MEASURES),
    shell:
        "sightline compare {params.maps:q} --models {params.models:q} "
        "--settings {params.settings:q} --output {output:q} > {log:q} 2>&1"


# The first images once more, by other draws: no two models can agree more than one with itself.
use rule explain as redraw with:
    output:
        "<results>/maps/redrawn/{model}/{method}/{range}.h5",
    log:
        "<results>/logs/redraw/{model}/{method}/{range}.log",
    benchmark:
        "<results>/benchmarks/redraw/{model}/{method}/{range}.tsv"
    threads: processors("redraw")
    resources:
        mem_mb=memory("redraw"),
        runtime=minutes("redraw"),
        bundle=1,
    params:
        changed="--redraw again",


rule ceiling:
    input:
        lambda wildcards: of_ranges(
            "maps/original/{model}/{method}/{range}.h5",
            first_ranges(wildcards.method, STUDY.config.compare.second_seed),
            model=list(STUDY.models),
            method=wildcards.method,
        ),
        lambda wildcards: of_ranges(
            "maps/redrawn/{model}/{method}/{range}.h5",
            STUDY.redrawn_range,
            model=list(STUDY.models),
            method=wildcards.method,
        ),
        statistics=method_statistics,
    output:
        "<results>/compare/{method}/ceiling.csv",
    log:
        "<results>/logs/ceiling/{method}.log",
    conda:
        "../../envs/compare.yaml"
    resources:
        mem_mb=merging_memory("ceiling"),
        runtime=merging_minutes("ceiling"),
    params:
        maps=lambda wildcards, input: pattern(
            input, "maps/original/{model}/{method}/{range}.h5", **wildcards
        ),
        again=lambda wildcards, input: pattern(
            input,
            "maps/redrawn/{model}/{method}/{range}.h5",
            range=STUDY.redrawn_range,
            **wildcards,
        ),
        statistics=lambda wildcards, input: pattern(
            input, "compare/{method}/{range}.h5", **wildcards
        ),
        models=MODELS,
        ranges=lambda wildcards: listed(
            first_ranges(wildcards.method, STUDY.config.compare.second_seed)
        ),
        settings=lambda wildcards: comparison(wildcards.method),
        options=INTERVALS,
        code=code_digest("sightline.jobs.merging.ceiling", *MEASURES),
    shell:
        "sightline ceiling {params.maps:q} --again {params.again:q} "
        "--statistics {params.statistics:q} --models {params.models:q} --ranges {params.ranges} "
        "--method {wildcards.method:q} --settings {params.settings:q} "
        "--options {params.options:q} --output {output:q} > {log:q} 2>&1"


rule merge:
    input:
        statistics=method_statistics,
        ceiling=ceiling_file,
    output:
        similarity=f"<results>/compare/{{method}}/similarity.{STUDY.pair_tables}",
        agreement=f"<results>/compare/{{method}}/agreement.{STUDY.pair_tables}",
        pairs="<results>/compare/{method}/pairs.h5",
    log:
        "<results>/logs/merge/{method}.log",
    benchmark:
        "<results>/benchmarks/merge/{method}.tsv"
    conda:
        "../../envs/compare.yaml"
    resources:
        mem_mb=merging_memory("merge"),
        runtime=merging_minutes("merge"),
    params:
        statistics=lambda wildcards, input: pattern(
            input, "compare/{method}/{range}.h5", **wildcards
        ),
        ranges=lambda wildcards: listed(STUDY.ranges(wildcards.method)),
        ceiling=lambda wildcards, input: f"--ceiling {input.ceiling}" if input.ceiling else "",
        options=text({"subsets": STUDY.config.compare.subsets} | STUDY.intervals),
        code=code_digest("sightline.jobs.compare", *MEASURES),
    shell:
        "sightline merge {params.statistics:q} --ranges {params.ranges} "
        "--method {wildcards.method:q} --options {params.options:q} {params.ceiling} "
        "--similarity {output.similarity:q} --agreement {output.agreement:q} "
        "--pairs {output.pairs:q} > {log:q} 2>&1"


# Do models that answer alike look alike?
rule prediction_agreement:
    input:
        "<results>/compare/{method}/pairs.h5",
    output:
        "<results>/compare/{method}/prediction_agreement.csv",
    log:
        "<results>/logs/prediction_agreement/{method}.log",
    localrule: True
    conda:
        "../../envs/compare.yaml"
    params:
        options=text(STUDY.config.compare.model_dump(include={"permutations", "level", "seed"})),
        code=code_digest("sightline.jobs.merging.prediction_agreement"),
    shell:
        "sightline prediction-agreement {input:q} --method {wildcards.method:q} "
        "--options {params.options:q} --output {output:q} > {log:q} 2>&1"


# The tables of all methods, one after the other.
rule gather:
    input:
        expand("<results>/compare/{method}/{{table}}", method=list(STUDY.methods)),
    output:
        report(
            "<results>/tables/{table}",
            caption="../report/gathered.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
    log:
        "<results>/logs/gather/{table}.log",
    localrule: True
    conda:
        "../../envs/compare.yaml"
    params:
        code=code_digest("sightline.jobs.compare"),
    shell:
        "sightline gather {input:q} --output {output:q} > {log:q} 2>&1"
