# The images of a study: one shard a range, and the tables of them all.


rule shard:
    input:
        lambda wildcards: STUDY.files(wildcards.range),
    output:
        RESULTS + "/images/{range}.zip",
    log:
        RESULTS + "/logs/shard/{range}.log",
    params:
        source=text(STUDY.source_spec),
        seed=STUDY.config.seed,
        listing=lambda wildcards: STUDY.listing(wildcards.range),
        code=code_digest("sightline.jobs.images"),
    conda:
        "../../envs/images.yaml"
    localrule: True
    shell:
        "{SIGHTLINE} shard --source {params.source:q} --seed {params.seed} "
        "--range {wildcards.range} --output {output:q} > {log:q} 2>&1"


rule manifest:
    input:
        of_ranges("images/{range}.zip", STUDY.prediction_ranges),
    output:
        images=report(
            RESULTS + "/tables/images.csv",
            caption="../report/images.rst",
            category="Tables",
            labels={"table": "images"},
        ),
        objects=RESULTS + "/tables/objects.csv",
    log:
        RESULTS + "/logs/manifest.log",
    params:
        code=code_digest("sightline.jobs.images"),
    conda:
        "../../envs/images.yaml"
    localrule: True
    shell:
        "{SIGHTLINE} manifest {input:q} --images {output.images:q} "
        "--objects {output.objects:q} > {log:q} 2>&1"
