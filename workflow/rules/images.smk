# The images of a study: one shard a range, and the tables of them all.


# Needs a network, like the rules that fetch weights.
rule unpack:
    output:
        local("resources/datasets/{dataset}.txt"),
    log:
        "resources/datasets/logs/{dataset}.log",
    retries: 2
    localrule: True
    conda:
        "../../envs/images.yaml"
    params:
        url=STUDY.source.get("url", ""),
        digest=STUDY.source.get("digest", ""),
    shell:
        "sightline unpack {params.url:q} --digest {params.digest} --output {output:q} "
        "> {log:q} 2>&1"


rule shard:
    input:
        lambda wildcards: here(STUDY.files(wildcards.range)),
    output:
        "<results>/images/{range}.zip",
    log:
        "<results>/logs/shard/{range}.log",
    localrule: True
    conda:
        "../../envs/images.yaml"
    params:
        source=text(STUDY.source_spec),
        seed=STUDY.config.seed,
        listing=lambda wildcards: STUDY.listing(wildcards.range),
        code=code_digest("sightline.jobs.images"),
    shell:
        "sightline shard --source {params.source:q} --seed {params.seed} "
        "--range {wildcards.range} --output {output:q} > {log:q} 2>&1"


rule manifest:
    input:
        lambda wildcards: of_ranges("images/{range}.zip", STUDY.prediction_ranges),
    output:
        images=report(
            "<results>/tables/images.csv",
            caption="../report/images.rst",
            category="Tables",
            labels={"table": "images"},
        ),
        objects="<results>/tables/objects.csv",
    log:
        "<results>/logs/manifest.log",
    localrule: True
    conda:
        "../../envs/images.yaml"
    params:
        shards=lambda wildcards, input: pattern(input, "images/{range}.zip"),
        ranges=lambda wildcards: listed(STUDY.prediction_ranges),
        code=code_digest("sightline.jobs.images"),
    shell:
        "sightline manifest {params.shards:q} --ranges {params.ranges} --images {output.images:q} "
        "--objects {output.objects:q} > {log:q} 2>&1"
