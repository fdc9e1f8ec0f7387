# Clusters, communities and embeddings of the models, by method.


rule structure:
    input:
        "<results>/compare/{method}/pairs.h5",
    output:
        "<results>/compare/{method}/linkage.csv",
        "<results>/compare/{method}/communities.csv",
        "<results>/compare/{method}/embedding.csv",
    log:
        "<results>/logs/structure/{method}.log",
    localrule: True
    conda:
        "../../envs/compare.yaml"
    params:
        folder=lambda wildcards, output: str(Path(output[0]).parent),
        linkage=STUDY.config.compare.linkage,
        resolution=STUDY.config.compare.resolution,
        seed=STUDY.config.compare.seed,
        code=code_digest("sightline.jobs.structure"),
    shell:
        "sightline structure {input:q} --method {wildcards.method:q} --folder {params.folder:q} "
        "--linkage {params.linkage} --resolution {params.resolution} --seed {params.seed} "
        "> {log:q} 2>&1"
