# Weights of models and what the models answer.


# These need a network; `snakemake prefetch` runs them where there is one.
rule fetch:
    output:
        weights=local("resources/weights/{fetched}"),
        digest=local("resources/weights/{fetched}.sha256"),
    log:
        "resources/weights/logs/{fetched}.log",
    retries: 2
    localrule: True
    conda:
        "../../envs/explain.yaml"
    params:
        name=lambda wildcards: STUDY.fetched_name(wildcards.fetched),
    shell:
        "sightline fetch {params.name:q} --output {output.weights:q} "
        "--digest {output.digest:q} > {log:q} 2>&1"


rule fetch_repository:
    output:
        weights=local("resources/weights/hf-hub/{repository}/model.safetensors"),
        digest=local("resources/weights/hf-hub/{repository}/model.safetensors.sha256"),
        config=local("resources/weights/hf-hub/{repository}/config.json"),
    log:
        "resources/weights/logs/hf-hub/{repository}.log",
    retries: 2
    localrule: True
    conda:
        "../../envs/explain.yaml"
    shell:
        "sightline fetch hf-hub:{wildcards.repository:q} --output {output.weights:q} "
        "--digest {output.digest:q} --config {output.config:q} > {log:q} 2>&1"


rule digest:
    input:
        lambda wildcards: here([STUDY.checkpoint(wildcards.file)]),
    output:
        local("resources/digests/{file}.sha256"),
    log:
        "resources/digests/logs/{file}.log",
    localrule: True
    conda:
        "../../envs/images.yaml"
    shell:
        "sightline digest {input:q} --output {output:q} > {log:q} 2>&1"


rule train:
    output:
        weights=local("results/zoo/{zoo}.safetensors"),
        record=local("results/zoo/{zoo}.json"),
    log:
        "results/zoo/logs/{zoo}.log",
    benchmark:
        "results/zoo/benchmarks/{zoo}.tsv"
    conda:
        "../../envs/explain.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        biased=lambda wildcards: "--biased" if wildcards.zoo.endswith("-biased") else "",
        model=lambda wildcards: wildcards.zoo.removesuffix("-biased"),
        code=code_digest("sightline.models.zoo"),
    shell:
        "sightline train {params.model} {params.biased} --weights {output.weights:q} "
        "--record {output.record:q} > {log:q} 2>&1"


# Once a model, for every method and range that reads a layer.
rule layers:
    input:
        digest=weights_digest,
    output:
        "<results>/layers/{model}.json",
    log:
        "<results>/logs/layers/{model}.log",
    conda:
        "../../envs/explain.yaml"
    resources:
        mem_mb=memory("layers"),
        runtime=minutes("layers"),
    params:
        model=model_spec,
        weights=weights_options,
        code=code_digest("sightline.jobs.layers"),
    shell:
        "sightline find-layers --model {params.model:q} {params.weights} "
        "--output {output:q} > {log:q} 2>&1"


rule predict:
    input:
        images="<results>/images/{range}.zip",
        digest=weights_digest,
    output:
        "<results>/predictions/{model}/{range}.csv",
    log:
        "<results>/logs/predict/{model}/{range}.log",
    benchmark:
        "<results>/benchmarks/predict/{model}/{range}.tsv"
    conda:
        "../../envs/explain.yaml"
    threads: processors("predict")
    resources:
        mem_mb=memory("predict"),
        runtime=minutes("predict"),
        bundle=1,
    params:
        model=model_spec,
        weights=weights_options,
        device=STUDY.config.device,
        code=code_digest("sightline.jobs.predict"),
    shell:
        "sightline predict --model-id {wildcards.model:q} --model {params.model:q} "
        "{params.weights} --images {input.images:q} --device {params.device} "
        "--output {output:q} > {log:q} 2>&1"


rule predictions:
    input:
        lambda wildcards: of_ranges(
            "predictions/{model}/{range}.csv", STUDY.prediction_ranges, model=list(STUDY.models)
        ),
    output:
        predictions="<results>/tables/predictions.csv",
        accuracy=report(
            "<results>/tables/accuracy.csv",
            caption="../report/accuracy.rst",
            category="Tables",
            labels={"table": "accuracy"},
        ),
    log:
        "<results>/logs/predictions.log",
    localrule: True
    conda:
        "../../envs/compare.yaml"
    params:
        files=lambda wildcards, input: pattern(input, "predictions/{model}/{range}.csv"),
        ranges=lambda wildcards: listed(STUDY.prediction_ranges),
        models=MODELS,
        code=code_digest("sightline.jobs.merging.predictions"),
    shell:
        "sightline predictions {params.files:q} --ranges {params.ranges} --models {params.models:q} --output {output.predictions:q} "
        "--accuracy {output.accuracy:q} > {log:q} 2>&1"
