# Does what the models are explain how far apart they are? And the page of answers.


def method_pairs(wildcards):
    """Statistics of the pairs of models, of every method."""
    return expand("<results>/compare/{method}/pairs.h5", method=list(STUDY.methods))


def factor_figures(wildcards=None):
    """A figure of each factor, drawn into the page."""
    return expand("<results>/answers/{factor}.svg", factor=STUDY.config.compare.factors)


rule models_table:
    input:
        accuracy="<results>/tables/accuracy.csv",
        table=[str(file) for file in [STUDY.config.compare.table] if file],
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
        code=code_digest("sightline.jobs.models_table"),
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
        mem_mb=4000,
        runtime=60,
    params:
        pairs=lambda wildcards, input: [f"{Path(file).parent.name}={file}" for file in input.pairs],
        options=text(
            STUDY.config.compare.model_dump(include={"factors", "permutations", "level", "seed"})
        ),
        code=code_digest("sightline.jobs.groups"),
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
        code=code_digest("sightline.jobs.group_figures"),
    shell:
        "sightline architecture-figures {params.pairs:q} --models {input.models:q} "
        "{params.figures:q} > {log:q} 2>&1"


rule answers:
    input:
        tests="<results>/tables/architecture.csv",
        answers="<results>/tables/answers.csv",
        figures=factor_figures,
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
        study=STUDY.config.study,
        figures=lambda wildcards, input: [
            f"{factor}={file}" for factor, file in zip(STUDY.config.compare.factors, input.figures)
        ],
        code=code_digest("sightline.jobs.answers"),
    shell:
        "sightline answers {params.figures:q} --study {params.study:q} --tests {input.tests:q} "
        "--table {input.answers:q} --output {output:q} > {log:q} 2>&1"
