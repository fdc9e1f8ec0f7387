# Does what the models are explain how far apart they are? And the page of answers.


rule models_table:
    input:
        accuracy="<results>/tables/accuracy.csv",
        table=here(file for file in [STUDY.config.compare.table] if file),
    output:
        report(
            "<results>/tables/models.csv",
            caption="../report/models.rst",
            category="Tables",
            labels={"table": "models"},
        ),
    log:
        "<results>/logs/models_table.log",
    localrule: True
    conda:
        "../../envs/compare.yaml"
    params:
        described=text(STUDY.described),
        table=lambda wildcards, input: ["--table", input.table] if input.table else [],
        code=code_digest("sightline.jobs.merging.models"),
    shell:
        "sightline models-table {input.accuracy:q} --described {params.described:q} "
        "{params.table:q} --output {output:q} > {log:q} 2>&1"


# Of all methods at once: their p-values are corrected together.
rule architecture:
    input:
        pairs=method_pairs,
        models="<results>/tables/models.csv",
    output:
        tests=report(
            "<results>/tables/architecture.csv",
            caption="../report/architecture.rst",
            category="Tables",
            labels={"table": "architecture"},
        ),
        answers="<results>/tables/answers.csv",
    log:
        "<results>/logs/architecture.log",
    conda:
        "../../envs/compare.yaml"
    resources:
        mem_mb=merging_memory("architecture"),
        runtime=merging_minutes("architecture"),
    params:
        pairs=lambda wildcards, input: [f"{Path(file).parent.name}={file}" for file in input.pairs],
        options=text(
            STUDY.config.compare.model_dump(include={"factors", "permutations", "level", "seed"})
        ),
        code=code_digest("sightline.jobs.merging.factors"),
    shell:
        "sightline architecture {params.pairs:q} --models {input.models:q} "
        "--options {params.options:q} --tests {output.tests:q} --answers {output.answers:q} "
        "> {log:q} 2>&1"


rule architecture_figures:
    input:
        pairs=method_pairs,
        models="<results>/tables/models.csv",
    output:
        factor_figures(),
    log:
        "<results>/logs/architecture_figures.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        pairs=lambda wildcards, input: [f"{Path(file).parent.name}={file}" for file in input.pairs],
        figures=lambda wildcards, output: [
            f"--figure={factor}={file}"
            for factor, file in zip(STUDY.config.compare.factors, output)
        ],
        code=code_digest("sightline.jobs.figures.factors"),
    shell:
        "sightline architecture-figures {params.pairs:q} --models {input.models:q} "
        "{params.figures:q} > {log:q} 2>&1"


# Named, so that each is there; the command finds them in their folder.
rule answers:
    input:
        similarity=f"<results>/tables/similarity.{STUDY.pair_tables}",
        agreement=f"<results>/tables/agreement.{STUDY.pair_tables}",
        tests="<results>/tables/architecture.csv",
        answers="<results>/tables/answers.csv",
        cluster_test="<results>/tables/cluster_test.csv",
        resolutions="<results>/tables/resolutions.csv",
        linkage="<results>/tables/linkage.csv",
        prediction_agreement="<results>/tables/prediction_agreement.csv",
        consensus="<results>/tables/consensus.csv",
        consensus_accuracy="<results>/tables/consensus_accuracy.csv",
        variance="<results>/tables/variance.csv",
        methods=methods_overall,
        artefacts="<results>/tables/artefacts.csv",
        images="<results>/tables/images_recommended.csv",
        evaluation=summary_tables,
        classes=class_tables,
        figures=page_figures,
        factors=factor_figures,
    output:
        report(
            "<results>/answers.html",
            caption="../report/answers.rst",
            category="Answers",
            labels={"page": "answers"},
        ),
    log:
        "<results>/logs/answers.log",
    localrule: True
    conda:
        "../../envs/compare.yaml"
    params:
        tables=lambda wildcards, input: str(Path(input.answers).parent),
        figures=lambda wildcards, input: pattern(input, "figures"),
        study=STUDY.config.study,
        options=text(
            STUDY.config.compare.model_dump(include={"confidence", "linkage", "resolution"})
            | {
                "measure": STUDY.shown_measure,
                "pairs": STUDY.pair_tables,
                "drawn": FORMAT == "svg",
            }
            | EVALUATION.told
        ),
        code=code_digest("sightline.jobs.answers"),
    shell:
        "sightline answers {params.tables:q} --figures {params.figures:q} "
        "--study {params.study:q} --options {params.options:q} --output {output:q} > {log:q} 2>&1"
