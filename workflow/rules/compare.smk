# Every model against every other, by method; then all methods together.


rule compare:
    input:
        expand("<results>/maps/original/{model}/{{method}}/{{range}}.h5", model=list(STUDY.models)),
    output:
        "<results>/compare/{method}/{range}.h5",
    log:
        "<results>/logs/compare/{method}/{range}.log",
    conda:
        "../../envs/compare.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        maps=lambda wildcards, input: [
            f"{model}={file}" for model, file in zip(STUDY.models, input)
        ],
        settings=lambda wildcards: comparison(wildcards.method),
        code=code_digest("sightline.compare.statistics"),
    shell:
        "sightline compare {params.maps:q} --settings {params.settings:q} "
        "--output {output:q} > {log:q} 2>&1"


rule merge:
    input:
        all_statistics,
    output:
        similarity=report(
            "<results>/tables/similarity.csv",
            caption="../report/similarity.rst",
            category="Tables",
            labels={"table": "similarity"},
        ),
        agreement=report(
            "<results>/tables/agreement.csv",
            caption="../report/agreement.rst",
            category="Tables",
            labels={"table": "agreement"},
        ),
    log:
        "<results>/logs/merge.log",
    conda:
        "../../envs/compare.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        statistics=lambda wildcards, input: [f"{Path(file).parent.name}={file}" for file in input],
        code=code_digest("sightline.jobs.compare"),
    shell:
        "sightline merge {params.statistics:q} --similarity {output.similarity:q} "
        "--agreement {output.agreement:q} > {log:q} 2>&1"


rule structure:
    input:
        "<results>/tables/similarity.csv",
    output:
        "<results>/tables/linkage.csv",
        "<results>/tables/communities.csv",
        "<results>/tables/embedding.csv",
    log:
        "<results>/logs/structure.log",
    localrule: True
    conda:
        "../../envs/compare.yaml"
    params:
        folder=lambda wildcards, output: str(Path(output[0]).parent),
        linkage=STUDY.config.compare.linkage,
        resolution=STUDY.config.compare.resolution,
        seed=STUDY.config.compare.seed,
        code=code_digest("sightline.jobs.compare"),
    shell:
        "sightline structure {input:q} --folder {params.folder:q} "
        "--linkage {params.linkage} --resolution {params.resolution} --seed {params.seed} "
        "> {log:q} 2>&1"
