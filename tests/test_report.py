"""The page of answers: what each section says comes from the tables."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import answering
from factors import examine, study
from sightline.errors import SightlineError
from sightline.jobs.answers import write_answers
from sightline.jobs.figures.factors import draw_factors
from sightline.report.agreeing import models_section
from sightline.report.artefacts import artefacts_section
from sightline.report.clusters import clusters_section
from sightline.report.images import images_section
from sightline.report.methods import methods_section
from sightline.report.page import Figure, Section, render
from sightline.report.predictions import predictions_section
from sightline.report.words import listed, of_all, p_value, ranged, shown
from sightline.tabular import read_table, write_table

HOW: dict[str, Any] = {
    "measure": "cosine",
    "confidence": 0.9,
    "linkage": "average",
    "resolution": 1.06,
    "pairs": "csv",
    "drawn": True,
}
Tables = dict[str, pd.DataFrame]


def tables() -> Tables:
    return {make.__name__: make() for make in answering.TABLES}


def _agreeing(t: Tables) -> Section:
    return models_section(t["similarity"], t["agreement"], measure="cosine", confidence=0.9)


def _clusters(t: Tables) -> Section:
    given = (t[name] for name in ("cluster_test", "resolutions", "linkage"))
    return clusters_section(*given, measure="cosine", method="average", resolution=1.06)


def _predictions(t: Tables) -> Section:
    given = (t[name] for name in ("prediction_agreement", "consensus", "consensus_accuracy"))
    return predictions_section(*given, measure="cosine")


def _methods(t: Tables) -> Section:
    return methods_section(t["methods_overall"], t["variance"], measure="cosine")


def _artefacts(t: Tables) -> Section:
    return artefacts_section(t["artefacts"])


def _images(t: Tables) -> Section:
    return images_section(t["images_recommended"], measure="cosine", confidence=0.9)


def words(section: Section) -> str:
    return " ".join(section.sentences)


# --- What sections say --------------------------------------------------------------------------


# What each section says.
SAID: dict[Callable[[Tables], Section], list[str]] = {
    _agreeing: [
        "under each of the 2 methods it is another pair",
        "The median pair has a similarity (cosine) of 0.33 (far) to 0.61 (near).",
        "a and b under near, 0.91 (90% interval 0.87 to 0.94)",
        "the lowest that of a and c under far, 0.12 (90% interval 0.08 to 0.15)",
        "under all 2 methods",
        "under near. Of that ceiling, pairs reach: most alike 96%; least alike 55%.",
    ],
    _clusters: [
        "There are clusters under 1 of 2 methods (near 2 clusters, p 0.013).",
        "It cannot be decided under 1 of 2 methods (far p 0.27)",
        "but of 3 models even clear clusters are easily missed",
        "2 at resolution 1.06 under all 2 methods",
        "adjusted Rand index of 0.74 (far) to 0.83 (near)",
        "The greatest modularity, which is proven, is above Louvain's: far by 0.021.",
        "with a correlation of 0.79 (far) to 0.88 (near)",
        "strongest branch is a, b under near, in 94%",
        "weakest b, c under far, in 57%",
    ],
    _predictions: [
        "look alike under 1 of 2 methods: near (correlation 0.77, p 0.031).",
        "no evidence that models that answer alike look alike under 1 of 2 methods",
        "Two of the 3 models, on average, answer one class on 66% of the images",
        "Accurate models agree more with the others under 1 of 2 methods: near (",
        "most: b under all 2 methods (cosine 0.58 (far) to 0.86 (near))",
    ],
    _methods: [
        "Between near and far there is a rank correlation of 0.36 on average over 3 models",
        "from -0.07 (b) to 0.72 (c)",
        "(3 models, 2 methods, 30 images): which image it is 41% (38% to 45%);",
    ],
    _artefacts: [
        "Maps of all 2 models have an artefact, under all 2 methods (3 flagged in 5",
        "a (every 16 positions, p 0.003)",
        "a (top left, 63% of images, p 0.004)",
        "1 test could not be made: not applicable: maps of 7x7",
    ],
    _images: [
        "2,100 images would give",
        "The study's 32 images are enough for every pair under 1 of 2 methods.",
        "needs 10 (near) to 148 (far) images, the worst 26 (near) to 2,100 (far)",
    ],
}


@pytest.mark.parametrize("section", SAID)
def test_the_sections_of_a_study(section: Callable[[Tables], Section]) -> None:
    text = words(section(tables()))
    assert [told for told in SAID[section] if told not in text] == []


# Section, table, row, column, another value: the numbers that sentences hold.
NUMBERS = [
    (_agreeing, "similarity", 0, "mean", 0.89, "0.89"),
    (_agreeing, "similarity", 0, "mean_low", 0.66, "0.66 to"),
    (_agreeing, "similarity", 0, "of_ceiling", 0.77, "77%"),
    (_clusters, "cluster_test", 0, "p", 0.044, "p 0.044"),
    (_clusters, "cluster_test", 0, "clusters", 3, "3 clusters"),
    (_clusters, "resolutions", 1, "bootstrap_stability", 0.92, "0.92"),
    (_clusters, "resolutions", 3, "gap", 0.034, "0.034"),
    (_clusters, "linkage", 0, "cophenetic", 0.93, "0.93"),
    (_clusters, "linkage", 0, "support", 0.87, "87%"),
    (_predictions, "prediction_agreement", 0, "rho", 0.49, "0.49"),
    (_predictions, "prediction_agreement", 1, "p", 0.46, "0.46"),
    (_predictions, "prediction_agreement", 0, "same_class", 0.28, "28%"),
    (_predictions, "consensus_accuracy", 0, "value", 0.78, "0.78"),
    (_predictions, "consensus", 1, "mean", 0.96, "0.96"),
    (_methods, "methods_overall", 1, "mean", 0.39, "0.39"),
    (_methods, "methods_overall", 1, "lowest", -0.17, "-0.17"),
    (_methods, "variance", 2, "share", 0.54, "54%"),
    (_methods, "variance", 2, "share_low", 0.01, "(1% to"),
    (_artefacts, "artefacts", 0, "p_corrected", 0.034, "p 0.034"),
    (_artefacts, "artefacts", 0, "period", 8, "every 8 positions"),
    (_artefacts, "artefacts", 2, "value", 0.45, "45%"),
    (_images, "images_recommended", 3, "recommended", 999, "999"),
    (_images, "images_recommended", 0, "half_width", 0.017, "0.017"),
]


@pytest.mark.parametrize(("section", "table", "row", "column", "value", "told"), NUMBERS)
def test_another_number_is_told_as_it_is(
    section: Callable[[Tables], Section],
    table: str,
    row: int,
    column: str,
    value: float,
    told: str,
) -> None:
    t = tables()
    before = words(section(t))
    if table == "consensus":
        row = int(np.flatnonzero(t[table]["reference"] == "others")[row])
    t[table].loc[row, column] = value
    after = words(section(t))
    assert told in after
    assert told not in before


DECISIONS = [
    (_clusters, "cluster_test", "decision", ["no clusters found"] * 2, "No clusters are found"),
    (_predictions, "prediction_agreement", "answer", ["cannot be decided"] * 2, "alike cannot be"),
    (_predictions, "consensus_accuracy", "answer", ["no evidence"] * 3, "no evidence that accur"),
    (_clusters, "resolutions", "proof", ["not proven"] * 4, "not proven under all 2 methods: time"),
    (_clusters, "resolutions", "proof", ["too many models"] * 4, "too many models"),
    (_clusters, "resolutions", "gap", [None] * 4, "Modularity has no value under near, far."),
    (_clusters, "resolutions", "communities", [1, 1, 2, 3], "Of all resolutions tried the most"),
    (_artefacts, "artefacts", "flagged", [False] * 6, "Nothing is flagged in 6 tests"),
    (_artefacts, "artefacts", "flagged", [None] * 6, "Not known: no map could be looked at."),
    (_artefacts, "artefacts", "smallest_p", [0.2] * 6, "5 tests could have flagged nothing"),
    (_images, "images_recommended", "enough", [False] * 4, "not enough for every pair under any"),
    (_agreeing, "similarity", "mean_low", [0.0] * 18, "overlap under every method"),
    (_agreeing, "similarity", "mean", [None] * 18, "no pair has a value"),
    (_predictions, "consensus_accuracy", "models", [0] * 3, "no image has a label"),
    (_predictions, "consensus_accuracy", "value", [-0.87] * 3, "Accurate models agree less"),
]


@pytest.mark.parametrize(("section", "table", "column", "values", "told"), DECISIONS)
def test_another_decision_is_told_as_it_is(
    section: Callable[[Tables], Section], table: str, column: str, values: list, told: str
) -> None:
    t = tables()
    assert told not in words(section(t))
    t[table][column] = values
    assert told in words(section(t))


def test_the_commonest_pair_is_named() -> None:
    t = tables()
    own = t["similarity"]
    far = own.query("method == 'far' and measure == 'cosine' and model_b == 'b'").index
    own.loc[far, "mean"] = 0.9
    section = _agreeing(t)
    assert section.sentences[0] == "a and b agree most, under all 2 methods."
    assert section.short == "a and b, under all 2 methods"
    assert section.table.index[0] == ("near", "most alike", "a and b")
    assert section.table.iloc[0].tolist() == ["0.91", "0.87 to 0.94", "0.81", "96%"]
    assert section.table.iloc[3].tolist() == ["0.12", "0.08 to 0.15", "0.02", "-"]


def test_only_all_images_count() -> None:
    t = tables()
    t["similarity"].loc[t["similarity"]["subset"] == "same_class", "mean"] = 5.0
    assert "5.00" not in words(_agreeing(t))


def test_missing_pairs_are_counted() -> None:
    t = tables()
    t["similarity"].loc[0, "mean"] = np.nan
    t["similarity"].loc[1, "mean"] = np.nan
    text = words(_agreeing(t))
    assert "1 of 6 pairs without a value: too few images with usable maps." in text
    assert "b and c under far, 0.71" in text


# --- Few and many -------------------------------------------------------------------------------


def test_one_pair_has_no_extremes() -> None:
    t = tables()
    pair = (t["similarity"]["model_a"] == "a") & (t["similarity"]["model_b"] == "b")
    t["similarity"] = t["similarity"][pair]
    section = _agreeing(t)
    assert section.short == "there is one pair"
    assert section.sentences[0] == "There is one pair of models to compare, a and b."
    assert "The pair has a similarity (cosine) of 0.33 (far) to 0.91 (near)." in words(section)
    assert section.table.index.get_level_values("pair").tolist() == ["the only pair"] * 2
    assert "lowest" not in words(section)


def test_two_models_have_no_clusters_and_no_outsider() -> None:
    t = tables()
    t["cluster_test"] = t["cluster_test"].assign(models=2, p=np.nan, decision="cannot be decided")
    t["consensus"] = t["consensus"].query("model != 'c'")
    assert words(_clusters(t)).startswith(
        "It cannot be tested under all 2 methods (near, far), with 2 models."
    )
    section = _predictions(t)
    assert "agrees" not in words(section)
    assert set(section.table["agrees most"]) == {"-"}


def test_without_any_pair_nothing_is_told() -> None:
    t = {name: table.iloc[:0] for name, table in tables().items()}
    t["variance"] = tables()["variance"]
    for section in (_agreeing, _clusters, _methods, _artefacts, _images):
        told = section(t)
        assert told.short == "not known"
        assert told.table.empty
    assert _predictions(t).sentences[0] == "Nothing is known of it."


def test_one_method_has_no_pair() -> None:
    one = tables()["variance"]
    of_method = one["component"].str.contains("method")
    one.loc[of_method, ["share", "share_low", "share_high"]] = np.nan
    one["reason"] = np.where(of_method, "one method", None)
    section = methods_section(None, one, measure="cosine")
    assert section.sentences[0] == "There is one method: which methods agree cannot be asked."
    assert "Not known: which method it is, model and method together" in words(section)
    assert "(one method)" in words(section)
    assert [figure.name for figure in section.figures] == ["variance"]
    one["share"], one["reason"] = np.nan, "2 of 5 images have all maps, 3 are needed"
    text = words(methods_section(None, one, measure="cosine"))
    assert "is not known: 2 of 5 images have all maps, 3 are needed." in text


def test_sections_of_many_models_and_methods_are_short() -> None:
    models, methods = 60, 12
    names = [f"model{i}" for i in range(models)]
    one, other = np.triu_indices(models, 1)
    rng = np.random.default_rng(0)
    parts = []
    for method in range(methods):
        mean = rng.random(len(one))
        row = {"method": f"m{method}", "measure": "cosine", "subset": "all", "images": 9}
        row |= {"model_a": np.array(names)[one], "model_b": np.array(names)[other]}
        row |= {"left_out": 0, "mean": mean, "mean_low": mean, "mean_high": mean}
        parts.append(pd.DataFrame(row | {"of_ceiling": np.nan}))
    every = pd.concat(parts, ignore_index=True)
    section = models_section(
        every, tables()["agreement"].iloc[:0], measure="cosine", confidence=0.95
    )
    assert len(section.table) == 2 * methods
    assert list(section.table.columns) == ["cosine", "95% interval"]
    assert len(words(section)) < 800
    assert len(section.figures) == 3
    branches = pd.DataFrame(
        {
            "method": "m0", "measure": "cosine", "linkage": "average",
            "left": " ".join(names[:30]), "right": "model30", "size": [31, 60],
            "support": [0.2, 1.0], "cophenetic": 0.9,
        }
    )  # fmt: skip
    t = tables() | {"linkage": branches}
    t["cluster_test"]["models"] = models
    text = words(_clusters(t))
    assert "model0, model1, model2, model3 and 27 more under m0, in 20%" in text
    found = tables()["artefacts"].iloc[[0]]
    flagged = pd.concat([found.assign(model=name) for name in names], ignore_index=True)
    section = artefacts_section(flagged)
    assert len(section.table) == 10
    assert section.notes[-1] == "50 more flagged: tables/artefacts.csv."
    assert "and 57 more" in words(section)
    pairs = [(f"m{i}", f"m{j}") for i in range(methods) for j in range(i)]
    overall = pd.DataFrame(pairs, columns=["method_a", "method_b"]).assign(
        measure="rank_correlation", models=3, mean=rng.random(len(pairs)), lowest=0.0,
        lowest_model="a", highest=1.0, highest_model="b",
    )  # fmt: skip
    section = methods_section(overall, tables()["variance"], measure="cosine")
    assert len(section.table) == 6
    best = overall.loc[overall["mean"].idxmax()]
    assert words(section).startswith(f"{best['method_a']} and {best['method_b']} agree most")
    assert section.notes[-1] == "60 pairs in between not shown."


# --- Words --------------------------------------------------------------------------------------


def test_numbers_in_words() -> None:
    assert shown(-0.001) == "0.00"
    assert shown(-0.125, 3) == "-0.125"
    assert shown(np.nan) == p_value(np.nan) == "-"
    assert p_value(0.00001) == "less than 0.0001"
    assert listed("abcdefg") == "a, b, c, d, e, f, g"
    assert listed("abcdefgh") == "a, b, c, d, e, f and 2 more"
    assert of_all(1, 1, "method") == "the only method"
    assert of_all(0, 2, "method") == "0 of 2 methods"
    assert ranged(pd.Series([0.2, 0.1]), ["x", "y"]) == "0.10 (y) to 0.20 (x)"
    assert ranged(pd.Series([0.2]), ["x"]) == "0.20"


def test_rows_of_a_table_are_chosen_as_they_are_read(tmp_path: Path) -> None:
    table = pd.DataFrame({"subset": ["all", "some"], "model": ["007", "b"], "mean": [0.5, 0.25]})
    for suffix in ("csv", "parquet"):
        path = tmp_path / f"t.{suffix}"
        write_table(path, table)
        found = read_table(path, {"subset": "some"})
        pd.testing.assert_frame_equal(found, table.iloc[[1]].reset_index(drop=True))
        assert len(read_table(path)) == 2


# --- The page -----------------------------------------------------------------------------------


class _Page(HTMLParser):
    """What a page holds, and whether its elements are closed."""

    VOID = ("meta", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: dict[str, int] = {}
        self.words: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.seen[tag] = self.seen.get(tag, 0) + 1
        self.links += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read(html: str) -> _Page:
    page = _Page()
    page.feed(html)
    assert page.open == []
    return page


def folder(path: Path, factors: list[str]) -> tuple[Path, Path]:
    """Tables and figures of a study, as its jobs leave them."""
    files = study(path, (7, 7), {"near": 0.0, "far": 6.0})
    examine(path, files, factors)
    for name, table in tables().items():
        write_table(path / f"{name}.csv", table)
    figures = path / "figures"
    (figures / "factors").mkdir(parents=True)
    draw_factors(
        files,
        path / "models.csv",
        {factor: figures / "factors" / f"{factor}.svg" for factor in factors},
    )
    names = ["methods", "variance"]
    names += [
        f"{method}/{name}"
        for method in ("near", "far")
        for name in ("heatmap", "dendrogram", "consensus", "artefacts", "images_needed")
    ]
    for name in names:
        drawn = figures / f"{name}.svg"
        drawn.parent.mkdir(exist_ok=True)
        drawn.write_text(
            '<?xml version="1.0"?>\n<svg width="9pt" viewBox="0 0 9 9"><g id="axes_1">'
            '<path id="p" clip-path="url(#p)"></path><use xlink:href="#p"></use></g></svg>'
        )
    return path, figures


def test_the_page_answers_in_words_and_numbers(tmp_path: Path) -> None:
    given = folder(tmp_path, ["family", "depth", "same"])
    output = tmp_path / "answers.html"
    write_answers("demo", *given, output, **HOW)
    page = read(output.read_text())
    assert "Study demo: answers 3 models, 2 methods, 32 images." in page.text
    for section in (_agreeing, _clusters, _predictions, _methods, _artefacts, _images):
        told = section(tables())
        for sentence in [told.heading, told.short, *told.sentences]:
            assert sentence in page.text
    assert "Do these models cluster by architecture?" in page.text
    assert "Yes for 2 of 4 combinations of method and measure: far by cosine, far by rbf." in (
        page.text
    )
    assert "No evidence of an effect of family for near by cosine, near by rbf." in page.text
    answers = read_table(tmp_path / "answers.csv")
    for sentence in answers.query("factor != 'same'")["sentence"]:
        assert " ".join(sentence.split()) in page.text
    assert "Cannot be decided: all models have the same same." in page.text
    assert page.seen["section"] == 9
    # Heatmaps and trees of both methods, one of consensus, methods, variance, artefacts of
    # both, images; of a factor with nothing to test there is none.
    assert page.seen["svg"] == 2 * 2 + 1 + 2 + 2 + 1 + 2
    # Self-contained: nothing is fetched, nothing runs. Ids are the page's own.
    assert "script" not in page.seen
    assert all(link.startswith("#") for link in page.links)
    assert len(set(page.ids)) == len(page.ids)
    assert {link[1:] for link in page.links} <= set(page.ids)


def test_what_is_decided_on_a_factor_is_not_folded_away(tmp_path: Path) -> None:
    given = folder(tmp_path, ["family"])
    output = tmp_path / "answers.html"
    write_answers("demo", *given, output, **HOW)
    open_, folded = output.read_text().split("<details>")
    answers = read_table(tmp_path / "answers.csv").query("measure == 'cosine'")
    for row in answers.itertuples():
        cells = [row.answer, shown(row.effect), p_value(row.p_holm), p_value(row.smallest_p_holm)]
        told = "\n".join(f"<td>{cell}</td>" for cell in cells)
        assert f'<td class="text">{row.method}</td>\n<td class="text">cosine</td>\n{told}' in open_
    assert "PERMDISP p" in folded
    assert "PERMDISP p" not in open_


def test_figures_of_another_format_are_not_shown(tmp_path: Path) -> None:
    given = folder(tmp_path, ["family"])
    for drawing in given[1].glob("*/*.svg"):
        if drawing.parent.name != "factors":
            drawing.unlink()
    output = tmp_path / "answers.html"
    write_answers("demo", *given, output, **HOW | {"drawn": False})
    assert read(output.read_text()).seen["svg"] == 1
    with pytest.raises(SightlineError, match=r"heatmap\.svg cannot be read.* Run again"):
        write_answers("demo", *given, output, **HOW)


def test_figures_of_very_many_models_are_left_out(tmp_path: Path) -> None:
    given = folder(tmp_path, ["family"])
    large = given[1] / "near" / "heatmap.svg"
    large.write_text(large.read_text() + " " * 2_000_000)
    output = tmp_path / "answers.html"
    write_answers("demo", *given, output, **HOW)
    assert output.stat().st_size < 1_000_000
    assert "Dissimilarity of every pair of models, near." not in output.read_text()


def test_a_table_of_methods_of_an_earlier_study_is_not_read(tmp_path: Path) -> None:
    given = folder(tmp_path, ["family"])
    for name in ("similarity", "agreement"):
        table = tables()[name]
        write_table(tmp_path / f"{name}.csv", table[table["method"] == "near"])
    output = tmp_path / "answers.html"
    write_answers("demo", *given, output, **HOW)
    assert "There is one method: which methods agree cannot be asked." in output.read_text()


def test_pairs_of_many_models_are_read(tmp_path: Path) -> None:
    given = folder(tmp_path, ["family"])
    for name in ("similarity", "agreement"):
        (tmp_path / f"{name}.csv").unlink()
        write_table(tmp_path / f"{name}.parquet", tables()[name])
    output = tmp_path / "answers.html"
    write_answers("demo", *given, output, **HOW | {"pairs": "parquet"})
    assert "0.91 (90% interval 0.87 to 0.94)" in output.read_text()


def test_the_page_says_how_many_models_a_decision_needs(tmp_path: Path) -> None:
    given = folder(tmp_path, ["family"])
    files = study(tmp_path, (3, 3), {"far": 9.0})
    examine(tmp_path, files, ["family"])
    output = tmp_path / "answers.html"
    write_answers("demo", *given, output, **HOW)
    text = read(output.read_text()).text
    assert "Whether family has an effect cannot be decided for any method and measure" in text
    assert "would give a p-value of 0.2 after correction. At least 10 models" in text
    assert "with 3 + 3 models the p-value cannot be below 0.1, corrected for 2 tests 0.2" in text


def test_what_is_no_figure_is_refused(tmp_path: Path) -> None:
    given = folder(tmp_path, ["family"])
    (given[1] / "factors" / "family.svg").write_text("nothing")
    with pytest.raises(SightlineError, match=r"family\.svg is no SVG file"):
        write_answers("s", *given, tmp_path / "answers.html", **HOW)


def test_a_section_is_shown_as_text() -> None:
    table = pd.DataFrame({"R²": ["0.5"]}, index=pd.Index(["<b>"], name="method"))
    section = Section(
        *("Is a < b?", ["Yes & no.", ""]), details=[("<i>", "x")], table=table, notes=["n"],
        figures=[Figure("f", "a < b"), Figure("g", "not drawn")],
    )  # fmt: skip
    page = read(render("T", [section], {"f": "<svg></svg>"}))
    assert {"b", "i"}.isdisjoint(page.seen)
    assert "Is a < b? Yes & no. method R² <b> 0.5" in page.text
    assert "<i> x n a < b" in page.text
    assert "not drawn" not in page.text
    # One sentence, and none that is empty.
    assert page.seen["p"] == 1
