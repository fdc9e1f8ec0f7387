"""Write what documents the configuration, from the classes that check it.

Run by `make schema`: workflow/schemas/config.schema.json, which editors use to
complete and check a study, the tables of keys in config/README.md, the
table of measures in docs/comparison.md and that of experiments in docs/evaluation.md.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "workflow"))

from sightline.compare.catalogue import MEASURES, Measure  # noqa: E402
from sightline.evaluate.catalogue import EXPERIMENTS  # noqa: E402
from sightline.evaluate.catalogue.entry import Experiment  # noqa: E402
from sightline.methods.catalogue import CATALOGUE  # noqa: E402
from sightline.study import config  # noqa: E402

SCHEMA = ROOT / "workflow/schemas/config.schema.json"
README = ROOT / "config/README.md"
COMPARISON = ROOT / "docs/comparison.md"
EVALUATION = ROOT / "docs/evaluation.md"
SECTIONS: dict[str, type[BaseModel]] = {
    "study": config.Study,
    "images: shapes": config.ShapesImages,
    "images: photos": config.PhotosImages,
    "images: folder": config.FolderImages,
    "images: manifest": config.ManifestImages,
    "images: archive": config.ArchiveImages,
    "images: ilsvrc": config.IlsvrcImages,
    "images: chestxray14": config.ChestXray14Images,
    "models": config.Model,
    "models: input": config.Input,
    "compare": config.Compare,
    **{f"measures: {name}": measure.settings for name, measure in MEASURES.items()},
    "sanity": config.Sanity,
    **{f"evaluate: {name}": one.settings for name, one in EXPERIMENTS.items()},
    "figures": config.Figures,
    **{f"methods: {name}": method.settings for name, method in CATALOGUE.items()},
}


READS = {
    "maps": "maps",
    "objects": "maps, objects",
    "variants": "maps, and those of altered images or weights",
    "model": "maps, the model",
}
UNCHANGED = {
    "scale": "a positive factor",
    "shift": "a constant added",
    "monotone": "any increasing function",
}


def main() -> None:
    """Write all of it."""
    SCHEMA.parent.mkdir(exist_ok=True)
    SCHEMA.write_text(schema())
    README.write_text(with_tables(README.read_text()))
    COMPARISON.write_text(with_measures(COMPARISON.read_text()))
    EVALUATION.write_text(with_experiments(EVALUATION.read_text()))


def schema() -> str:
    """The JSON schema of a configuration."""
    return json.dumps(config.Study.model_json_schema(), indent=2, sort_keys=True) + "\n"


def with_tables(text: str) -> str:
    """A text with the table after each `<!-- keys: SECTION -->` made anew."""

    def fill(found: re.Match[str]) -> str:
        name = found.group(1)
        return f"<!-- keys: {name} -->\n{table(SECTIONS[name])}<!-- end -->"

    return re.sub(r"<!-- keys: (.+?) -->\n.*?<!-- end -->", fill, text, flags=re.DOTALL)


def with_measures(text: str) -> str:
    """A text with the table between `<!-- measures -->` and `<!-- end -->` made anew."""
    lines = [
        "| measure | values | symmetric | constant | unchanged by | cost at 56, 224 | from |",
        "|---|---|---|---|---|---:|---|",
        *map(measure_row, MEASURES.values()),
    ]
    made = "<!-- measures -->\n" + "\n".join(lines) + "\n<!-- end -->"
    return re.sub(r"<!-- measures -->\n.*?<!-- end -->", lambda _: made, text, flags=re.DOTALL)


def with_experiments(text: str) -> str:
    """A text with the table between `<!-- experiments -->` and `<!-- end -->` made anew."""
    lines = [
        "| experiment | asks | reads | ranks methods by |",
        "|---|---|---|---|",
        *map(experiment_row, EXPERIMENTS.values()),
    ]
    made = "<!-- experiments -->\n" + "\n".join(lines) + "\n<!-- end -->"
    return re.sub(r"<!-- experiments -->\n.*?<!-- end -->", lambda _: made, text, flags=re.DOTALL)


def experiment_row(one: Experiment) -> str:
    """What the catalogue says of an experiment."""
    ranked = [f"`{m.name}`, {m.better} is better" for m in one.measures if m.ranked]
    cells = [f"`{one.name}`", one.question, READS[one.reads], "; ".join(ranked) or "nothing"]
    return f"| {' | '.join(cells)} |"


def measure_row(measure: Measure) -> str:
    """What the catalogue says of a measure."""
    low, high = measure.bounds
    constant = "no value" if measure.of_constant is None else f"{measure.of_constant}"
    if isinstance(measure.of_constant, float):
        constant = f"{measure.of_constant:g}"
    # Any increasing function is also a factor or a constant.
    changes = measure.unchanged_by
    told = ("monotone",) if "monotone" in changes else changes
    cells = [
        f"`{measure.name}`",
        f"{low} to {high}",
        "yes" if measure.symmetric else "no",
        constant,
        ", ".join(UNCHANGED[change] for change in told) or "nothing",
        ", ".join(f"{cost:g}" for cost in measure.cost),
        measure.reference,
    ]
    return f"| {' | '.join(cells)} |"


def table(section: type[BaseModel]) -> str:
    """A section's keys as a Markdown table."""
    if not section.model_fields:
        return "No settings.\n"
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, field in section.model_fields.items():
        kind = described(field.annotation).replace("|", "\\|")
        lines.append(f"| `{key}` | {kind} | {default(field)} | {field.description or ''} |")
    return "\n".join(lines) + "\n"


def default(field: FieldInfo) -> str:
    """A field's default as it would be written."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel) or value in ({}, ""):
        return ""
    return "none" if value is None or value is PydanticUndefined else f"`{value}`"


def described(annotation: Any) -> str:
    """A type in words."""
    if get_origin(annotation) is Annotated:
        return described(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    if get_origin(annotation) in (list, dict, tuple):
        inner = ", ".join(dict.fromkeys(described(one) for one in get_args(annotation)))
        return f"{get_origin(annotation).__name__} of {inner}"
    parts = [one for one in get_args(annotation) if one is not type(None)]
    if parts:
        return " or ".join(dict.fromkeys(described(one) for one in parts))
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path"}
    return names.get(annotation, "anything")


if __name__ == "__main__":
    main()
