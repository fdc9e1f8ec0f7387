# Experiments that tell whether explanations hold, where a study has `evaluate`.


# Images or weights as an experiment alters them, explained as the study's own are.
use rule explain as explain_variant with:
    output:
        "<results>/maps/{variant}/{model}/{method}/{range}.h5",
    log:
        "<results>/logs/explain_variant/{variant}/{model}/{method}/{range}.log",
    benchmark:
        "<results>/benchmarks/explain_variant/{variant}/{model}/{method}/{range}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: processors("explain_variant")
    resources:
        mem_mb=memory("explain_variant"),
        runtime=minutes("explain_variant"),
        bundle=1,
    params:
        changed=lambda wildcards: (
            f"--variant {shlex.quote(text(EVALUATION.variant(wildcards.variant)))}"
        ),
        code=lambda wildcards: code_digest(
            "sightline.jobs.variant",
            "sightline.jobs.explain",
            STUDY.methods[wildcards.method].method.module,
            EVALUATION.alteration(wildcards.variant).module,
        ),


# No model runs: all methods of a model at once.
rule evaluate:
    input:
        maps=lambda wildcards: [
            file
            for method in STUDY.methods
            for file in of_ranges(
                "maps/original/{model}/{method}/{range}.h5",
                first_ranges(method, EVALUATION.count(wildcards.light)),
                model=wildcards.model,
                method=method,
            )
        ],
        altered=lambda wildcards: [
            file
            for variant, one in altered_ranges(wildcards).items()
            for method in STUDY.methods
            for file in of_ranges(
                "maps/{variant}/{model}/{method}/{range}.h5",
                one["ranges"][method],
                variant=variant,
                model=wildcards.model,
                method=method,
            )
        ],
        images=lambda wildcards: of_ranges("images/{range}.zip", seen_ranges(wildcards)),
    output:
        "<results>/evaluate/{light}/{model}.parquet",
    log:
        "<results>/logs/evaluate/{light}/{model}.log",
    benchmark:
        "<results>/benchmarks/evaluate/{light}/{model}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=merging_memory("evaluate"),
        runtime=merging_minutes("evaluate"),
    params:
        maps=lambda wildcards, input: pattern(
            input, "maps/{variant}/{model}/{method}/{range}.h5", model=wildcards.model
        ),
        experiment=lambda wildcards: text(EVALUATION.experiments[wildcards.light].spec),
        ranges=lambda wildcards: text(
            {
                method: shorten(first_ranges(method, EVALUATION.count(wildcards.light)))
                for method in STUDY.methods
            }
        ),
        altered=altered_points,
        scaling=lambda wildcards: text(
            {method: EVALUATION.scaling(method) for method in EVALUATION.methods(wildcards.light)}
        ),
        seen=seen_options,
        taken=lambda wildcards: EVALUATION.count(wildcards.light),
        seed=STUDY.config.seed,
        code=lambda wildcards: code_digest(
            evaluating_code(wildcards),
            EVALUATION.experiments[wildcards.light].experiment.path,
        ),
    shell:
        "sightline evaluate {params.maps:q} --experiment {params.experiment:q} "
        "--model-id {wildcards.model:q} --ranges {params.ranges:q} --altered {params.altered:q} "
        "--scaling {params.scaling:q} {params.seen} --count {params.taken} "
        "--seed {params.seed} --output {output:q} > {log:q} 2>&1"


rule evaluate_model:
    input:
        images="<results>/images/{range}.zip",
        maps=evaluated_maps,
        digest=weights_digest,
        layers=lambda wildcards: (
            [] if wildcards.method in EVALUATION.controls else layers_file(wildcards)
        ),
    output:
        "<results>/evaluate/{heavy}/{model}/{method}/{range}.parquet",
    log:
        "<results>/logs/evaluate_model/{heavy}/{model}/{method}/{range}.log",
    benchmark:
        "<results>/benchmarks/evaluate_model/{heavy}/{model}/{method}/{range}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: processors("evaluate_model")
    resources:
        mem_mb=memory("evaluate_model"),
        runtime=minutes("evaluate_model"),
        bundle=1,
    params:
        experiment=lambda wildcards: text(EVALUATION.experiments[wildcards.heavy].spec),
        model=model_spec,
        method=lambda wildcards: text(EVALUATION.method(wildcards.method).spec),
        maps=lambda wildcards, input: " ".join(f"--maps {file}" for file in input.maps),
        scaling=lambda wildcards: ",".join(EVALUATION.scaling(wildcards.method)),
        weights=weights_options,
        layers=layers_options,
        seed=STUDY.config.seed,
        roles=",".join(STUDY.config.roles),
        device=STUDY.config.device,
        precision=STUDY.config.precision,
        code=lambda wildcards: code_digest(
            "sightline.jobs.experiments.evaluate_model",
            EVALUATION.method(wildcards.method).method.module,
            EVALUATION.experiments[wildcards.heavy].experiment.path,
        ),
    shell:
        "sightline evaluate-model --experiment {params.experiment:q} "
        "--experiment-id {wildcards.heavy:q} --model-id {wildcards.model:q} "
        "--method-id {wildcards.method:q} --model {params.model:q} --method {params.method:q} "
        "{params.weights} {params.layers} --images {input.images:q} {params.maps} "
        "--scaling {params.scaling} --roles {params.roles} --seed {params.seed} "
        "--device {params.device} --precision {params.precision} --output {output:q} "
        "> {log:q} 2>&1"


rule experiment_table:
    input:
        experiment_results,
    output:
        report(
            "<results>/tables/evaluate/{experiment}.csv",
            caption="../report/experiment.rst",
            category="Tables",
            labels={"table": "{experiment}"},
        ),
    log:
        "<results>/logs/experiment_table/{experiment}.log",
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=merging_memory("experiment_table"),
        runtime=merging_minutes("experiment_table"),
    params:
        files=lambda wildcards, input: pattern(input, results_pattern(wildcards.experiment)),
        experiment=lambda wildcards: text(EVALUATION.experiments[wildcards.experiment].spec),
        models=MODELS,
        methods=lambda wildcards: ",".join(EVALUATION.methods(wildcards.experiment)),
        ranges=lambda wildcards: listed(EVALUATION.ranges(wildcards.experiment)),
        controls=",".join(CONTROLS),
        options=INTERVALS,
        code=code_digest("sightline.jobs.experiments.experiment_table"),
    shell:
        "sightline experiment-table {params.files:q} --experiment {params.experiment:q} "
        "--experiment-id {wildcards.experiment:q} --models {params.models:q} "
        "--methods {params.methods:q} --ranges {params.ranges} --controls {params.controls} "
        "--options {params.options:q} --output {output:q} > {log:q} 2>&1"


rule class_table:
    input:
        lambda wildcards: expand(
            "<results>/evaluate/{by_class}/{model}.parquet",
            by_class=wildcards.by_class,
            model=list(STUDY.models),
        ),
    output:
        report(
            "<results>/tables/classes/{by_class}.csv",
            caption="../report/classes.rst",
            category="Tables",
            labels={"table": "{by_class} by class"},
        ),
    log:
        "<results>/logs/class_table/{by_class}.log",
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        files=lambda wildcards, input: pattern(input, results_pattern(wildcards.by_class)),
        experiment=lambda wildcards: text(EVALUATION.experiments[wildcards.by_class].spec),
        models=MODELS,
        code=lambda wildcards: code_digest(
            "sightline.jobs.experiments.class_table",
            EVALUATION.experiments[wildcards.by_class].experiment.path,
        ),
    shell:
        "sightline class-table {params.files:q} --experiment {params.experiment:q} "
        "--experiment-id {wildcards.by_class:q} --models {params.models:q} --output {output:q} "
        "> {log:q} 2>&1"


# What models saw and where they looked, before and after.
rule experiment_pictures:
    input:
        shard=lambda wildcards: f"<results>/images/{STUDY.ranges(wildcards.method)[0]}.zip",
        maps=pictured_maps,
    output:
        report(
            "<results>/figures/evaluate/{altering}/{method}.png",
            caption="../report/before_after.rst",
            category="{method}",
            labels={"figure": "{altering}"},
        ),
    log:
        "<results>/logs/experiment_pictures/{altering}/{method}.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        maps=lambda wildcards, input: " ".join(
            shlex.quote("{}={}={}".format(*Path(file).parts[-4:-2], file)) for file in input.maps
        ),
        options=lambda wildcards: text(
            {
                "scaling": STUDY.scaling(wildcards.method),
                "palette": STUDY.config.figures.overlay,
            }
        ),
        code=code_digest("sightline.jobs.figures.before_after"),
    shell:
        "sightline experiment-pictures {params.maps} --title {wildcards.altering:q} "
        "--method {wildcards.method:q} --shard {input.shard:q} --options {params.options:q} "
        "--output {output:q} > {log:q} 2>&1"


rule experiment_figure:
    input:
        "<results>/tables/evaluate/{experiment}.csv",
    output:
        report(
            f"<results>/figures/evaluate/{{experiment}}.{FORMAT}",
            caption="../report/experiment_figure.rst",
            category="Evaluation",
            labels={"figure": "{experiment}"},
        ),
    log:
        "<results>/logs/experiment_figure/{experiment}.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        options=lambda wildcards: text(EVALUATION.drawn(wildcards.experiment)),
        code=code_digest("sightline.jobs.figures.experiments"),
    shell:
        "sightline experiment-figure {input:q} --options {params.options:q} --output {output:q} "
        "> {log:q} 2>&1"


rule class_figure:
    input:
        "<results>/tables/classes/{by_class}.csv",
    output:
        report(
            f"<results>/figures/classes/{{by_class}}.{FORMAT}",
            caption="../report/classes_figure.rst",
            category="Evaluation",
            labels={"figure": "{by_class} by class"},
        ),
    log:
        "<results>/logs/class_figure/{by_class}.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        options=lambda wildcards: text(EVALUATION.drawn_by_class(wildcards.by_class)),
        code=code_digest("sightline.jobs.figures.experiments"),
    shell:
        "sightline class-figure {input:q} --options {params.options:q} --output {output:q} "
        "> {log:q} 2>&1"


# All experiments at once: methods are ranked by all of them.
rule evaluation:
    input:
        experiment_tables,
    output:
        summary=report(
            "<results>/tables/evaluation.csv",
            caption="../report/evaluation.rst",
            category="Tables",
            labels={"table": "evaluation"},
        ),
        methods=report(
            "<results>/tables/evaluation_methods.csv",
            caption="../report/evaluation_methods.rst",
            category="Tables",
            labels={"table": "evaluation, methods"},
        ),
        agreement=report(
            "<results>/tables/evaluation_agreement.csv",
            caption="../report/evaluation_agreement.rst",
            category="Tables",
            labels={"table": "evaluation, agreement"},
        ),
    log:
        "<results>/logs/evaluation.log",
    localrule: True
    conda:
        "../../envs/compare.yaml"
    params:
        tables=lambda wildcards, input: [f"{Path(file).stem}={file}" for file in input],
        rankings=text(EVALUATION.rankings),
        role=STUDY.config.roles[0],
        options=text(STUDY.config.compare.model_dump(include={"permutations", "level", "seed"})),
        code=code_digest("sightline.jobs.experiments.evaluation"),
    shell:
        "sightline evaluation {params.tables:q} --rankings {params.rankings:q} "
        "--role {params.role} --options {params.options:q} --summary {output.summary:q} "
        "--methods {output.methods:q} --agreement {output.agreement:q} > {log:q} 2>&1"


rule evaluation_figure:
    input:
        summary="<results>/tables/evaluation.csv",
        methods="<results>/tables/evaluation_methods.csv",
        agreement="<results>/tables/evaluation_agreement.csv",
    output:
        report(
            f"<results>/figures/evaluation.{FORMAT}",
            caption="../report/evaluation_figure.rst",
            category="Evaluation",
            labels={"figure": "all experiments"},
        ),
    log:
        "<results>/logs/evaluation_figure.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        palette=STUDY.config.figures.palette,
        code=code_digest("sightline.jobs.figures.experiments"),
    shell:
        "sightline evaluation-figure --summary {input.summary:q} --methods {input.methods:q} "
        "--agreement {input.agreement:q} --palette {params.palette} --output {output:q} "
        "> {log:q} 2>&1"
