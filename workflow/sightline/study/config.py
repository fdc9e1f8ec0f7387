"""The configuration of a study: every key, its type, default and meaning.

`workflow/schemas/config.schema.json` is made from here, as is the table of
keys in `config/README.md`'s test.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sightline.compare.catalogue import DEFAULT
from sightline.errors import SightlineError, unknown
from sightline.images.archive import DIGEST
from sightline.maps.steps import parse_steps
from sightline.models.precision import Precision
from sightline.study.ids import check_id


class Section(BaseModel):
    """A part of the configuration; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ShapesImages(Section):
    """Images made by code: shapes of eight classes on cropped photographs."""

    source: Literal["shapes"]
    count: int = Field(64, ge=1, description="images, in the study's order")
    split: Literal["held-out", "train"] = Field("held-out", description="which photographs")
    objects: Literal[1, 2] = Field(1, description="objects an image, of different classes")
    patch: str | None = Field(
        None, description="class whose images carry the tell-tale patch, or all"
    )


class PhotosImages(Section):
    """The photographs inside the scikit-image package."""

    source: Literal["photos"]
    count: int | None = Field(None, ge=1, description="images; all unless given")


class FolderImages(Section):
    """A folder of images, flat or with one subfolder a class."""

    source: Literal["folder"]
    path: Path = Field(description="the folder")
    count: int | None = Field(None, ge=1, description="images; all unless given")


class ManifestImages(Section):
    """A CSV file: path, label, and optionally id, x0, y0, x1, y1, mask."""

    source: Literal["manifest"]
    path: Path = Field(description="the CSV file; paths in it are relative to it")
    count: int | None = Field(None, ge=1, description="images; all unless given")


class ArchiveImages(Section):
    """A tar or zip archive of images, downloaded by `snakemake prefetch`."""

    source: Literal["archive"]
    url: str = Field(pattern=r"^(https?|file)://", description="of a tar or zip archive")
    digest: str = Field(pattern=DIGEST, description="of the archive: sha256:... or md5:...")
    path: Path = Field(Path("."), description="the folder inside it")
    count: int | None = Field(None, ge=1, description="images; all unless given")

    @field_validator("path")
    @classmethod
    def _inside(cls, path: Path) -> Path:
        if path.is_absolute() or ".." in path.parts:
            raise ValueError("expected a folder inside the archive")
        return path


class IlsvrcImages(Section):
    """The validation images of ILSVRC 2012, with a box an object."""

    source: Literal["ilsvrc"]
    path: Path = Field(description="the images, in one folder or one a synset")
    annotations: Path = Field(description="the folder of XML files, one an image")
    labels: Path | None = Field(
        None, description="LOC_val_solution.csv; else the folders, or each image's first object"
    )
    count: int | None = Field(None, ge=1, description="images; all unless given")


class ChestXray14Images(Section):
    """ChestX-ray14: radiographs with several findings, some with a box."""

    source: Literal["chestxray14"]
    path: Path = Field(
        description="with Data_Entry_2017.csv, BBox_List_2017.csv and the images below it"
    )
    boxed: bool = Field(True, description="only images with a box")
    count: int | None = Field(None, ge=1, description="images; all unless given")


Images = Annotated[
    ShapesImages
    | PhotosImages
    | FolderImages
    | ManifestImages
    | ArchiveImages
    | IlsvrcImages
    | ChestXray14Images,
    Field(discriminator="source"),
]


Pixels = Annotated[int, Field(ge=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Input(Section):
    """What replaces the preprocessing that the model comes with."""

    size: tuple[Pixels, Pixels] | None = Field(None, description="height and width in pixels")
    mean: tuple[Finite, Finite, Finite] | None = Field(
        None, description="of red, green, blue in 0..1"
    )
    std: tuple[Positive, Positive, Positive] | None = Field(
        None, description="of red, green, blue in 0..1"
    )
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] | None = None
    crop_pct: float | None = Field(None, gt=0, le=1, description="share kept by the centre crop")


class Model(Section):
    """A classifier."""

    name: str = Field(
        "",
        description="a timm model, hf-hub:USER/REPOSITORY, torchvision:MODEL, a factory "
        "package.module:FUNCTION, or zoo:NAME for a shipped one; the id unless given",
    )
    pretrained: bool = Field(True, description="false: random weights, for trying things")
    seed: int = Field(0, ge=0, description="of the random weights")
    weights: Path | None = Field(None, description="a checkpoint: .safetensors, .pth, .pt")
    args: dict[str, Any] = Field(
        default_factory=dict, description="of timm, torchvision or the factory"
    )
    classes: Literal["imagenet-1k"] | list[str] | Path | None = Field(
        None, description="names of the outputs: imagenet-1k, a list, or a file with one a line"
    )
    task: Literal["single", "multilabel"] = Field(
        "single",
        description="an image is of one class (softmax), or of any number (a sigmoid an output)",
    )
    geometry: Literal["squash", "model", "pad"] = Field(
        "squash",
        description="the whole image resized; the model's own resize and crop; or the whole image "
        "with its aspect kept and borders",
    )
    input: Input = Field(default_factory=Input)
    layer: str | None = Field(
        None, description="submodule read by CAMs, branches joined by +; found unless named"
    )
    family: str | None = Field(
        None, description="cnn, transformer, ...: colours figures, and is tested for its effect"
    )
    attributes: dict[str, str | bool | int | float] = Field(
        default_factory=dict, description="what else is known of it, such as its training recipe"
    )


def _with_short_forms(schema: dict[str, Any]) -> None:
    """Let a list of names, or an id with nothing behind it, stand for specifications."""
    specification = {"anyOf": [schema.pop("additionalProperties"), {"type": "null"}]}
    schema["anyOf"] = [
        {"type": "array", "items": {"type": "string"}},
        {"type": schema.pop("type"), "additionalProperties": specification},
    ]


class Compare(Section):
    """How maps of different models are held against each other."""

    grid: int = Field(224, ge=8, le=1024, description="maps are resampled to grid x grid")
    scaling: Literal["thesis"] | list[str] | dict[str, list[str]] = Field(
        "thesis",
        description="steps before maps are compared: those of the thesis for each method, steps "
        "for all, or steps by method",
    )
    measures: dict[str, dict[str, Any]] = Field(
        DEFAULT, json_schema_extra=_with_short_forms, description="of how alike two maps are"
    )
    subsets: list[Literal["same_class", "both_correct"]] = Field(
        ["same_class", "both_correct"],
        description="images, besides all: on which a pair answers one class, or the label",
    )
    bootstrap: int = Field(1000, ge=100, description="resamples of the images for intervals")
    interval: Literal["bca", "percentile"] = Field("bca", description="kind of the intervals")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="of the intervals")
    second_seed: int = Field(
        16,
        ge=0,
        description="images explained again with another seed, of stochastic methods; 0 for none",
    )
    draws: int = Field(25, ge=2, description="subsets of each size, for how many images are enough")
    precision: Positive = Field(
        0.02, description="half width wanted of the interval of a pair's mean similarity"
    )
    linkage: Literal["average", "single", "complete", "weighted"] = Field(
        "average", description="of the tree in figures and of the silhouettes; tables have all"
    )
    resolution: Positive = Field(1.06, description="of the Louvain communities")
    resolutions: list[Positive] = Field(
        [0.9, 0.95, 1.0, 1.03, 1.06, 1.1, 1.15, 1.2, 1.3],
        description="tried beside it: how many communities, and do they hold?",
    )
    exact_models: int = Field(
        20, ge=0, description="most models for which the best communities are proven; 0 for never"
    )
    exact_seconds: Positive = Field(60.0, description="most time for such a proof")
    seed: int = Field(
        42, ge=0, description="of resamples, permutations, communities, embeddings and clouds"
    )
    factors: list[str] = Field(
        ["family"],
        description="what may explain how far apart models are: family, accuracy, parameters, "
        "any of the models' attributes, any column of the table",
    )
    table: Path | None = Field(
        None, description="a CSV file with the column model, and others to be factors"
    )
    permutations: int = Field(
        9999, ge=1, description="of labels among models; all of them where there are no more"
    )
    level: float = Field(0.05, gt=0, lt=1, description="of the tests, corrected for their number")

    @field_validator("factors")
    @classmethod
    def _factors_once(cls, value: list[str]) -> list[str]:
        return _different(value)

    @field_validator("measures", mode="before")
    @classmethod
    def _short_measures(cls, value: Any) -> Any:
        if isinstance(value, list):
            value = dict.fromkeys(_different([str(name) for name in value]))
        if isinstance(value, dict):
            return {check_id("measure", str(key)): spec or {} for key, spec in value.items()}
        return value

    @field_validator("measures")
    @classmethod
    def _some_measure(cls, value: dict[str, Any]) -> dict[str, Any]:
        return _not_empty(value)

    @field_validator("scaling", mode="before")
    @classmethod
    def _known_steps(cls, value: Any) -> Any:
        if value != "thesis":
            by_method = value if isinstance(value, dict) else {"": value}
            for method, steps in by_method.items():
                _check_steps(f"{method}: " if method else "", steps)
        return value

    @field_validator("subsets")
    @classmethod
    def _subsets_once(cls, value: list[Any]) -> list[Any]:
        return _different(value)


class Figures(Section):
    """How figures look."""

    format: Literal["svg", "png"] = "svg"
    measure: str | None = Field(
        None, description="the similarity they show; the first of compare.measures unless given"
    )
    palette: str = Field("viridis", description="a colour map of matplotlib or seaborn")
    overlay: str = Field("turbo", description="colour map of the saliency overlays")
    images: int = Field(6, ge=1, description="images in the grid of overlays")


Check = Literal["randomise", "completeness", "shift", "offset", "inside", "seeds"]


class Sanity(Section):
    """Checks of whether explanations hold."""

    images: int = Field(16, ge=2, description="the first ones of the study")
    checks: list[Check] = Field(list(get_args(Check)), min_length=1, description="which")
    stages: int = Field(4, ge=1, description="of the cascade of randomised weights")

    @field_validator("checks")
    @classmethod
    def _checks_once(cls, value: list[Check]) -> list[Check]:
        _different([str(check) for check in value])
        return value


class Study(Section):
    """A study."""

    study: str = Field(description="its name; results go to results/<study>")
    seed: int = Field(0, ge=0, description="of the image order and of all stochastic methods")
    images: Images
    models: dict[str, Model] = Field(json_schema_extra=_with_short_forms)
    methods: dict[str, dict[str, Any]] = Field(json_schema_extra=_with_short_forms)
    roles: list[str] = Field(
        ["predicted"],
        min_length=1,
        description="classes explained: predicted, label, top2..top5, class:<k>",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where models run")
    precision: Precision = Field(
        "float32", description="of the operations that explain: fewer bits are for GPUs"
    )
    compare: Compare = Field(default_factory=Compare)
    figures: Figures = Field(default_factory=Figures)
    evaluate: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        json_schema_extra=_with_short_forms,
        description="experiments that tell whether explanations hold",
    )
    sanity: Sanity | None = Field(None, description="checks of the explanations; none unless given")

    @field_validator("study")
    @classmethod
    def _study_id(cls, value: str) -> str:
        return check_id("study", value)

    @field_validator("models", mode="before")
    @classmethod
    def _short_models(cls, value: Any) -> Any:
        if isinstance(value, list):
            ids = _different([str(name).rpartition(":")[2] for name in value])
            value = {key: {"name": str(name)} for key, name in zip(ids, value, strict=True)}
        if isinstance(value, dict):
            return {
                check_id("model", str(key)): {"name": str(key)} | spec
                if isinstance(spec := given or {}, dict)
                else spec
                for key, given in value.items()
            }
        return value

    @field_validator("methods", mode="before")
    @classmethod
    def _short_methods(cls, value: Any) -> Any:
        if isinstance(value, list):
            value = dict.fromkeys(_different([str(name) for name in value]))
        if isinstance(value, dict):
            return {check_id("method", str(key)): spec or {} for key, spec in value.items()}
        return value

    @field_validator("evaluate", mode="before")
    @classmethod
    def _short_experiments(cls, value: Any) -> Any:
        if isinstance(value, list):
            value = dict.fromkeys(_different([str(name) for name in value]))
        if isinstance(value, dict):
            return {check_id("experiment", str(key)): spec or {} for key, spec in value.items()}
        return value

    @field_validator("roles")
    @classmethod
    def _roles_once(cls, value: list[str]) -> list[str]:
        return _different(value)

    @field_validator("models", "methods")
    @classmethod
    def _some(cls, value: dict[str, Any]) -> dict[str, Any]:
        return _not_empty(value)


def _check_steps(where: str, steps: Any) -> None:
    if not isinstance(steps, list) or not steps:
        expected = "a list of steps" if where else "thesis, a list of steps, or lists by method"
        raise ValueError(f"{where}expected {expected}; [raw] leaves maps as they are")
    try:
        parse_steps([str(step) for step in steps])
    except SightlineError as error:
        raise ValueError(f"{where}{error}".rstrip(".")) from error


def _not_empty(value: dict[str, Any]) -> dict[str, Any]:
    if not value:
        raise ValueError("name at least one")
    return value


def _different(ids: list[str]) -> list[str]:
    twice = next((one for one in ids if ids.count(one) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice} occurs more than once")
    return ids


def read_study(config: dict[str, Any]) -> Study:
    """Check a configuration, as Snakemake or a YAML reader gives it.

    Raises
    ------
    SightlineError
        Naming every key that is wrong, and the nearest right one.
    """
    if not config:
        raise SightlineError(
            "No configuration: run from the project's folder, where profiles/default names "
            "config/config.yaml, or name a study by --configfile."
        )
    try:
        return Study.model_validate(config)
    except ValidationError as error:
        problems = [_explain(problem) for problem in error.errors()]
        raise SightlineError(_all_of("The configuration is wrong.", problems)) from error


def validate_settings(where: str, settings: type[BaseModel], values: dict[str, Any]) -> Any:
    """Check settings against their class.

    Raises
    ------
    SightlineError
        Naming every wrong key, below ``where``.
    """
    try:
        return settings.model_validate(values)
    except ValidationError as error:
        problems = [_explain(problem, where, settings) for problem in error.errors()]
        if len(problems) == 1:
            raise SightlineError(problems[0]) from error
        raise SightlineError(_all_of(f"{where}: some settings are wrong.", problems)) from error


def _all_of(what: str, problems: list[str]) -> str:
    """Problems below what they are of, a line each."""
    return "\n".join([what, *(f"  {problem}" for problem in problems)])


def _explain(problem: Any, where: str = "", root: type[BaseModel] = Study) -> str:
    path = [str(part) for part in problem["loc"]]
    shown_path = _without_sources(path) if root is Study else path
    key = ".".join([where, *shown_path] if where else shown_path)
    if problem["type"] == "extra_forbidden":
        section = _section_at(root, path[:-1])
        return f"{key}: " + str(unknown("key", path[-1], section.model_fields))
    if problem["type"] == "missing":
        return f"{key}: this key is missing."
    came = problem["input"]
    shown = f" (got {came!r})" if not isinstance(came, dict) else ""
    # Our own validators' messages, which pydantic begins with the kind of the exception.
    told = str(problem["msg"]).removeprefix("Value error, ").rstrip(".")
    return f"{key}: {told}{shown}."


def _without_sources(path: list[str]) -> list[str]:
    """A path without the source that tells which kind of images a key belongs to."""
    return [path[0], *path[2:]] if path[0] == "images" and len(path) > 2 else path


def _section_at(section: type[BaseModel], path: list[str]) -> type[BaseModel]:
    """The section that a path of keys, ids and tags leads to."""
    keys = iter(path)
    for key in keys:
        annotation = section.model_fields[key].annotation
        inner = _sections_in(annotation)
        if len(inner) > 1:
            tag = next(keys)
            section = next(one for one in inner if tag in _sources(one))
        elif inner:
            section = inner[0]
            if get_origin(annotation) is dict:
                next(keys)  # the entry's id, which may be named like a key
    return section


def _sources(section: type[BaseModel]) -> tuple[Any, ...]:
    return get_args(section.model_fields["source"].annotation)


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _sections_in(part)]
