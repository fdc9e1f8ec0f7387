# What a study asks for: its maps, tables, figures and page, by what it holds.


def gathered_tables(wildcards):
    """Tables of all methods together."""
    return expand("<results>/tables/{table}", table=GATHERED)


def method_figures(wildcards):
    """Every figure of the study."""
    return expand(
        "<results>/figures/{method}/{figure}",
        method=list(STUDY.methods),
        figure=[
            *(
                f"{name}.{FORMAT}"
                for name in [*PAIR_FIGURES, "consensus", "images_needed", "artefacts"]
            ),
            *("overlays.png", "consensus_maps.png"),
        ],
    )


def comparison_files(wildcards):
    """What several models are held against each other by; of a single one, its maps."""
    if len(STUDY.models) == 1:
        return expand("<results>/figures/{method}/overlays.png", method=list(STUDY.methods))
    tables, figures = gathered_tables(wildcards), method_figures(wildcards)
    return [*tables, "<results>/answers.html", *figures]


def map_files(wildcards):
    """Every map of the study's own images: asked for, so that a removed one is made again."""
    return of_methods("maps/original/{model}/{method}/{range}.h5", model=list(STUDY.models))


def methods_overall(wildcards):
    """How alike methods are, where there are several."""
    return ["<results>/tables/methods_overall.csv"] if len(STUDY.methods) > 1 else []


def factor_figures(wildcards=None):
    """A figure of each factor, drawn into the page of answers whatever other figures' format."""
    return expand("<results>/figures/factors/{factor}.svg", factor=STUDY.config.compare.factors)


def page_figures(wildcards):
    """The study's figures of which the page of answers may show some."""
    if FORMAT != "svg":
        return []
    of_method = ["heatmap", "dendrogram", "consensus", "artefacts", "images_needed"]
    found = expand(
        "<results>/figures/{method}/{name}.svg", method=list(STUDY.methods), name=of_method
    )
    overall = ["variance"]
    overall += ["methods"] if len(STUDY.methods) > 1 else []
    overall += ["evaluation"] if EVALUATION.experiments else []
    return [*found, *class_figures(), *expand("<results>/figures/{name}.svg", name=overall)]


def method_pair_files(wildcards):
    """What a study of several methods says of them."""
    overall = methods_overall(wildcards)
    figure = f"<results>/figures/methods.{FORMAT}"
    return ["<results>/tables/methods.csv", *overall, figure] if overall else []


def sanity_files(wildcards):
    """What a study with checks of its explanations makes of them."""
    if STUDY.config.sanity is None:
        return []
    return ["<results>/tables/sanity.csv", f"<results>/figures/sanity.{FORMAT}"]


def evaluation_files(wildcards):
    """What a study's experiments give, and what they come to."""
    if not EVALUATION.experiments:
        return []
    return [
        *experiment_tables(),
        *expand(
            f"<results>/figures/evaluate/{{experiment}}.{FORMAT}",
            experiment=EVALUATION.experiments,
        ),
        *class_tables(),
        *class_figures(),
        *expand(
            "<results>/figures/evaluate/{altering}/{method}.png",
            altering=EVALUATION.reading("variants"),
            method=list(STUDY.methods),
        ),
        *summary_tables(),
        f"<results>/figures/evaluation.{FORMAT}",
    ]


def experiment_tables(wildcards=None):
    """The table of each experiment."""
    return expand("<results>/tables/evaluate/{experiment}.csv", experiment=EVALUATION.experiments)


def class_tables(wildcards=None):
    """What experiments say of each class."""
    return expand("<results>/tables/classes/{by_class}.csv", by_class=EVALUATION.by_class)


def class_figures():
    """The same as figures."""
    return expand(f"<results>/figures/classes/{{by_class}}.{FORMAT}", by_class=EVALUATION.by_class)


def summary_tables(wildcards=None):
    """What all experiments come to, where there are some."""
    names = ["evaluation", "evaluation_methods", "evaluation_agreement"]
    return expand("<results>/tables/{name}.csv", name=names) if EVALUATION.experiments else []
