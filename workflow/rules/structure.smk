# Clusters, communities and embeddings of the models, by method.


rule structure:
    input:
        "<results>/compare/{method}/pairs.h5",
    output:
        multiext("<results>/compare/{method}/", *STRUCTURE_TABLES),
    log:
        "<results>/logs/structure/{method}.log",
    benchmark:
        "<results>/benchmarks/structure/{method}.tsv"
    conda:
        "../../envs/compare.yaml"
    resources:
        mem_mb=merging_memory("structure"),
        runtime=merging_minutes("structure"),
    params:
        folder=lambda wildcards, output: str(Path(output[0]).parent),
        options=text(
            STUDY.config.compare.model_dump(
                include={
                    "linkage",
                    "resolution",
                    "resolutions",
                    "exact_models",
                    "exact_seconds",
                    "seed",
                    "level",
                }
            )
        ),
        code=code_digest("sightline.jobs.merging.structure"),
    shell:
        "sightline structure {input:q} --method {wildcards.method:q} --folder {params.folder:q} "
        "--options {params.options:q} > {log:q} 2>&1"
