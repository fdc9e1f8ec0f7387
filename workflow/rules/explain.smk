# The main job: one model, one method, one range of images.


rule explain:
    input:
        images="<results>/images/{range}.zip",
        digest=weights_digest,
        layers=layers_file,
    output:
        "<results>/maps/original/{model}/{method}/{range}.h5",
    log:
        "<results>/logs/explain/{model}/{method}/{range}.log",
    benchmark:
        "<results>/benchmarks/explain/{model}/{method}/{range}.tsv"
    conda:
        "../../envs/explain.yaml"
    threads: processors("explain")
    resources:
        mem_mb=memory("explain"),
        runtime=minutes("explain"),
        bundle=1,
    params:
        model=model_spec,
        method=method_spec,
        weights=weights_options,
        layers=layers_options,
        seed=STUDY.config.seed,
        roles=",".join(STUDY.config.roles),
        # Of the rules made from this one: what differs from the study's own maps.
        changed="",
        device=STUDY.config.device,
        precision=STUDY.config.precision,
        code=lambda wildcards: code_digest(
            "sightline.jobs.explain", STUDY.methods[wildcards.method].method.module
        ),
    shell:
        "sightline explain-range --model-id {wildcards.model:q} "
        "--method-id {wildcards.method:q} --model {params.model:q} --method {params.method:q} "
        "{params.weights} {params.layers} --images {input.images:q} --roles {params.roles} "
        "--seed {params.seed} {params.changed} --device {params.device} "
        "--precision {params.precision} --output {output:q} > {log:q} 2>&1"
