# Every model against every other, by method; then all methods together.


def comparison(method):
    """Settings of a method's comparison, as one parameter."""
    chosen = STUDY.config.compare.model_dump(include={"grid", "sigma", "important", "graded"})
    return text(chosen | {"scaling": STUDY.methods[method].method.scaling})


def all_statistics(wildcards):
    """Comparisons of every method and range."""
    return [
        file
        for method in STUDY.methods
        for file in of_ranges("compare/{method}/{range}.h5", STUDY.ranges(method), method=method)
    ]


rule compare:
    input:
        expand(
            RESULTS + "/maps/original/{model}/{{method}}/{{range}}.h5", model=list(STUDY.models)
        ),
    output:
        RESULTS + "/compare/{method}/{range}.h5",
    log:
        RESULTS + "/logs/compare/{method}/{range}.log",
    params:
        maps=lambda wildcards, input: [
            f"{model}={file}" for model, file in zip(STUDY.models, input)
        ],
        settings=lambda wildcards: comparison(wildcards.method),
        code=code_digest("sightline.compare.statistics"),
    conda:
        "../../envs/compare.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    shell:
        "{SIGHTLINE} compare {params.maps:q} --settings {params.settings:q} "
        "--output {output:q} > {log:q} 2>&1"


rule merge:
    input:
        all_statistics,
    output:
        similarity=report(
            RESULTS + "/tables/similarity.csv",
            caption="../report/similarity.rst",
            category="Tables",
            labels={"table": "similarity"},
        ),
        agreement=report(
            RESULTS + "/tables/agreement.csv",
            caption="../report/agreement.rst",
            category="Tables",
            labels={"table": "agreement"},
        ),
    log:
        RESULTS + "/logs/merge.log",
    params:
        statistics=lambda wildcards, input: [
            f"{Path(file).parent.name}={file}" for file in input
        ],
        code=code_digest("sightline.jobs.compare"),
    conda:
        "../../envs/compare.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    shell:
        "{SIGHTLINE} merge {params.statistics:q} --similarity {output.similarity:q} "
        "--agreement {output.agreement:q} > {log:q} 2>&1"


rule structure:
    input:
        RESULTS + "/tables/similarity.csv",
    output:
        RESULTS + "/tables/linkage.csv",
        RESULTS + "/tables/communities.csv",
        RESULTS + "/tables/embedding.csv",
    log:
        RESULTS + "/logs/structure.log",
    params:
        folder=RESULTS + "/tables",
        linkage=STUDY.config.compare.linkage,
        resolution=STUDY.config.compare.resolution,
        seed=STUDY.config.compare.seed,
        code=code_digest("sightline.jobs.compare"),
    conda:
        "../../envs/compare.yaml"
    localrule: True
    shell:
        "{SIGHTLINE} structure {input:q} --folder {params.folder:q} "
        "--linkage {params.linkage} --resolution {params.resolution} --seed {params.seed} "
        "> {log:q} 2>&1"
