"""Ids, seeds, ranges, configurations and what makes a job run again."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise, permutations
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import sightline
from sightline.errors import SightlineError
from sightline.files import replacing
from sightline.images.sources import PHOTOS
from sightline.methods.catalogue import CATALOGUE, find_method
from sightline.study.code import code_digest
from sightline.study.config import Model, read_study, validate_settings
from sightline.study.ids import canonical_json, check_id, seed_of
from sightline.study.methods import resolve_method
from sightline.study.models import resolve_model
from sightline.study.ranges import (
    COUNTS_FILE,
    LONGEST_RANGE,
    PASSES_PER_JOB,
    Range,
    cut,
    earlier_counts,
    parse_range,
    range_length,
    remember_count,
)
from sightline.study.resolve import ResolvedStudy

# --- Ids and seeds ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "0", "gradcam@0.25", "ViT-B_32+x.y", "A" * 80])
def test_ids_that_may_name_files(name: str) -> None:
    assert check_id("model", name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "-a", "@a", "a b", "a/b", "a\n", "é", "a:b", "a*"])
def test_ids_that_may_not(name: str) -> None:
    with pytest.raises(SightlineError, match="cannot be the id of a model"):
        check_id("model", name)


def test_equal_values_are_equal_text() -> None:
    one = {"b": [1, 2.5, None], "a": {"y": "é", "x": True}}
    other = {"a": {"x": True, "y": "é"}, "b": [1, 2.5, None]}
    assert canonical_json(one) == canonical_json(other)
    assert canonical_json(one) == '{"a":{"x":true,"y":"é"},"b":[1,2.5,null]}'


def test_a_seed_depends_on_every_part_and_their_order() -> None:
    parts: tuple[Any, ...] = (0, "resnet18", "kernelshap", "cat/1.jpg", "predicted")
    changed = [
        (*parts[:i], other, *parts[i + 1 :]) for i, other in enumerate([1, "b", "c", "d", "e"])
    ]
    seeds = {seed_of(*one) for one in [parts, *changed, *permutations(parts)]}
    assert len(seeds) == 1 + 5 + 120 - 1
    # Where one part ends and the next begins counts too.
    assert seed_of(0, "ab", "c") != seed_of(0, "a", "bc")
    assert seed_of(0, "1") != seed_of(0, 1)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_seeds_are_these() -> None:
    # The first 8 bytes of the SHA-256 of the parts' JSON, halved (sha256sum and a calculator).
    # Another value would give every stochastic map of every study another draw.
    found = seed_of(0, "resnet18", "kernelshap", "cat/1.jpg", "predicted")
    assert found == 8_672_717_426_071_065_160
    assert seed_of(1, "vit", "rise", "ünï.png", "class:3") == 4_699_536_165_416_375_852


def test_seeds_are_spread_evenly() -> None:
    seeds = np.array([seed_of(0, "m", "k", f"{i}.jpg", "predicted") for i in range(4000)])
    assert len(set(seeds)) == 4000
    counts = np.bincount(seeds >> 60, minlength=8)
    assert len(counts) == 8
    assert np.abs(counts - 500).max() < 5 * np.sqrt(500)


# --- Ranges -------------------------------------------------------------------------------------


@pytest.mark.parametrize("passes", [1, 1.5, 3, 64, 65, 202, 350, 1000, 6000, 65_536, 10**9])
def test_a_range_is_a_power_of_two_of_about_so_many_passes(passes: float) -> None:
    length = range_length(passes)
    assert length & (length - 1) == 0
    assert 1 <= length <= LONGEST_RANGE
    if length > 1:
        assert length * passes <= PASSES_PER_JOB
    if length < LONGEST_RANGE:
        assert 2 * length * passes > PASSES_PER_JOB


def test_range_lengths_of_the_methods() -> None:
    lengths = {name: resolve_method(name, {}).range_length for name in CATALOGUE}
    expected = {
        "gradcam": 1024,
        "gradcam_plus_plus": 1024,
        "layercam": 1024,
        "hirescam": 1024,
        "xgradcam": 1024,
        "abscam_initial": 1024,
        "eigencam": 1024,
        "scorecam": 32,
        "abscam_final": 32,
        "ablationcam": 32,
        "saliency": 1024,
        "input_x_gradient": 1024,
        "smoothgrad": 256,
        "guided_backprop": 1024,
        "guided_gradcam": 1024,
        "integrated_gradients": 128,
        "gradient_shap": 256,
        "noise_tunnel": 64,
        "occlusion": 64,
        "rise": 8,
        "sobel": 1024,
        "attention_rollout": 1024,
        "gradient_attention": 1024,
        "deeplift_shap": 1024,
        "lrp": 1024,
        "kernelshap": 128,
        "lime": 64,
    }
    assert lengths | expected == lengths
    assert resolve_method("kernelshap", {"samples": 1000}).range_length == 64
    assert resolve_method("scorecam", {"channels": 63}).range_length == 1024


def test_names_of_ranges() -> None:
    assert Range(0, 128).name == "000000-000127"
    assert Range(999_000, 1_000_001).name == "999000-1000000"
    for one in (Range(0, 1), Range(100, 256), Range(0, 2_000_000)):
        assert parse_range(one.name) == one
        assert len(one) == one.stop - one.start
    for wrong in ("", "0", "0-", "a-b", "000000-000127.h5", "-1-5"):
        with pytest.raises(SightlineError, match="is no image range"):
            parse_range(wrong)
    with pytest.raises(SightlineError, match="ends before it begins"):
        parse_range("000005-000004")


def test_growing_from_100_to_256_keeps_the_first_range() -> None:
    before = cut(100, 128)
    assert [one.name for one in before] == ["000000-000099"]
    after = cut(256, 128, (100,))
    assert [one.name for one in after] == ["000000-000099", "000100-000127", "000128-000255"]


@pytest.mark.parametrize("seed", range(30))
def test_growth_keeps_every_range_there_is(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    lengths = [int(2 ** rng.integers(0, 8)) for _ in range(3)]
    made: dict[int, set[Range]] = {length: set() for length in lengths}
    most = 0
    for count in map(int, rng.integers(1, 400, 12)):
        for length in lengths:
            ranges = cut(count, length, earlier_counts(tmp_path))
            assert ranges[0].start == 0
            assert ranges[-1].stop == count
            assert all(one.stop == other.start for one, other in pairwise(ranges))
            assert all(1 <= len(one) <= length for one in ranges)
            if count >= most:
                # More images than ever: whatever the largest study had made is used again.
                assert made[length] <= set(ranges)
                made[length] = set(ranges)
        remember_count(tmp_path, count)
        most = max(most, count)


def test_counts_are_remembered_while_they_grow(tmp_path: Path) -> None:
    results = tmp_path / "results"
    assert earlier_counts(results) == ()
    for count in (100, 100, 64, 256, 100):
        remember_count(results, count)
    assert earlier_counts(results) == (100, 256)
    assert json.loads((results / COUNTS_FILE).read_text()) == [100, 256]
    modified = (results / COUNTS_FILE).stat().st_mtime_ns
    remember_count(results, 256)
    assert (results / COUNTS_FILE).stat().st_mtime_ns == modified


@pytest.mark.parametrize("text", ["", "{", "[1, 'a']", "7", '["a"]', "[null]"])
def test_damaged_counts_are_said(tmp_path: Path, text: str) -> None:
    (tmp_path / COUNTS_FILE).write_text(text)
    with pytest.raises(SightlineError, match=r"counts\.json should hold a list.*Delete it"):
        earlier_counts(tmp_path)


def test_a_file_is_complete_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            assert temporary.parent == path.parent
            assert temporary.suffix == path.suffix
            assert not path.exists()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not list(path.parent.iterdir())
    with replacing(path) as temporary:
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


# --- Configuration ------------------------------------------------------------------------------


def config(**changed: Any) -> dict[str, Any]:
    usual = {
        "study": "tiny",
        "images": {"source": "shapes", "count": 8},
        "models": {"a": {"name": "test_resnet", "pretrained": False}},
        "methods": ["gradcam"],
    }
    return {key: value for key, value in (usual | changed).items() if value is not ...}


def model(**changed: Any) -> dict[str, Any]:
    return {"models": {"a": {"name": "test_resnet", "pretrained": False} | changed}}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    # Keys, at every depth, with the nearest known one.
    "top": ({"modles": {}}, r"modles: Unknown key 'modles'\. Did you mean 'models'\?"),
    "in a model": (model(pretraned=True), r"models\.a\.pretraned: .* Did you mean 'pretrained'"),
    "in its input": (model(input={"sise": [9, 9]}), r"models\.a\.input\.sise: .* mean 'size'"),
    "in images": ({"images": {"source": "shapes", "cuont": 3}}, r"'cuont'\. Did you mean 'count'"),
    "in other images": ({"images": {"source": "photos", "split": "train"}}, "Unknown key 'split'"),
    "in compare": (
        {"compare": {"measures": {"rbf": {"sigm": 3}}}},
        r"compare\.measures\.rbf\.sigm: .* Did you mean 'sigma'",
    ),
    "in figures": ({"figures": {"formt": "svg"}}, r"figures\.formt: .* Did you mean 'format'"),
    "in sanity": ({"sanity": {"imags": 3}}, r"sanity\.imags: .* Did you mean 'images'"),
    "in a method": ({"methods": {"gradcam": {"dpeth": 1}}}, r"methods\.gradcam\.dpeth: .* 'depth'"),
    # Model ids that are also keys or sources somewhere.
    "id like a source": ({"models": {"photos": {"nam": "x"}}}, r"photos\.nam: .* mean 'name'"),
    "id like a key": ({"models": {"input": {"nam": "x"}}}, r"input\.nam: .* mean 'name'"),
    # Values.
    "missing": ({"images": ...}, "images: this key is missing"),
    "missing in images": ({"images": {"source": "folder"}}, "path: this key is missing"),
    "source": (
        {"images": {"source": "flickr"}},
        "images: .*'flickr'.*'shapes', 'photos', 'folder'",
    ),
    "no models": ({"models": []}, "models: .*name at least one"),
    "no methods": ({"methods": {}}, "methods: .*name at least one"),
    "model twice": ({"models": ["zoo:x", "x"]}, "models: .*x occurs more than once"),
    "method twice": ({"methods": ["gradcam", "gradcam"]}, "gradcam occurs more than once"),
    "role twice": ({"roles": ["label", "label"]}, "label occurs more than once"),
    "study id": ({"study": "my study"}, "'my study' cannot be the id of a study"),
    "model id": ({"models": {"a/b": {"name": "x"}}}, "'a/b' cannot be the id of a model"),
    "method id": ({"methods": {"a b": {}}}, "'a b' cannot be the id of a method"),
    "method": ({"methods": ["gradcm"]}, r"Unknown method 'gradcm'\. Did you mean 'gradcam'"),
    "method by key": ({"methods": {"x": {"method": "kernelsap"}}}, "Did you mean 'kernelshap'"),
    "setting": ({"methods": {"gradcam": {"depth": 2}}}, r"methods\.gradcam\.depth: .*\(got 2\)"),
    "depth": ({"methods": ["gradcam@deep"]}, "after @ a depth is expected, got 'deep'"),
    "depth of none": ({"methods": ["kernelshap@0.5"]}, r"kernelshap@0\.5\.depth: Unknown key"),
    "role": ({"roles": ["top6"]}, "roles: 'top6' is none of predicted, label, top2 to top5"),
    "role class": ({"roles": ["class:"]}, "'class:' is none of"),
    "no roles": ({"roles": []}, "roles: "),
    "label": ({"roles": ["label"]}, "label needs to know the outputs of a: give it classes"),
    "cuts": (
        {"compare": {"measures": {"kappa": {"cuts": [0.7, 0.4]}}}},
        r"compare\.measures\.kappa\.cuts: .*cuts must increase",
    ),
    "cuts and top": (
        {"compare": {"measures": {"kappa": {"cuts": [0.7], "top": 5}}}},
        r"compare\.measures\.kappa\.top: .*cuts or top, not both",
    ),
    "measure": ({"compare": {"measures": ["cosin"]}}, r"compare\.measures\.cosin: .*'cosine'"),
    "shown measure": ({"figures": {"measure": "rbg"}}, r"figures\.measure: .*'rbf'"),
    "scaling of a method": (
        {"compare": {"scaling": {"gradcan": ["max"]}}},
        r"compare\.scaling: .*'gradcam'",
    ),
    "step": ({"compare": {"scaling": ["minmx"]}}, r"compare\.scaling: .*mean 'minmax'\?"),
    "step of a method": (
        {"compare": {"scaling": {"gradcam": ["max", "clip:9"]}}},
        r"compare\.scaling: .*gradcam: .*'clip:9' has wrong arguments: expected clip:low:high",
    ),
    "no step": ({"compare": {"scaling": []}}, r"compare\.scaling: .*\[raw\] leaves maps"),
    "no list of steps": (
        {"compare": {"scaling": "max"}},
        r"compare\.scaling: .*expected thesis, a list of steps, or lists by method.*got 'max'",
    ),
    "raw and more": ({"compare": {"scaling": ["raw", "abs"]}}, r"'raw' .* stands alone"),
    "window": (
        {"compare": {"measures": {"ssim": {"window": 8}}}},
        r"compare\.measures\.ssim\.window.*expected an odd number \(got 8\)",
    ),
    "window and grid": (
        {"compare": {"grid": 8, "measures": ["ssim"]}},
        r"compare\.measures\.ssim: .*maps of 11x11 at least, but compare\.grid is 8",
    ),
    "cells and grid": (
        {"compare": {"grid": 8, "measures": {"emd": {"size": 9}}}},
        r"compare\.measures\.emd: .*maps of 9x9 at least",
    ),
    "top share": (
        {"compare": {"measures": {"iou": {"top": 100}}}},
        r"measures\.iou\.top: .*than 100",
    ),
    "sigma": (
        {"compare": {"measures": {"rbf": {"sigma": 0}}}},
        r"compare\.measures\.rbf\.sigma.*greater than 0 \(got 0\)",
    ),
    "count": ({"images": {"source": "shapes", "count": 0}}, r"count: .*\(got 0\)"),
    "factory": (model(name="hf:x"), r"models\.a\.name: 'hf:x': there is no hf\.py in the folder"),
    "form": (
        model(name="hf-hub:x"),
        r"name: 'hf-hub:x' is no model's name: expected a timm model, ",
    ),
    "repository": (model(name="hf-hub:a/b"), "a repository of the hub comes with its own weights"),
    "args": (model(args={"checkpoint_path": "x"}), r"args: checkpoint_path cannot be set there"),
    "size": (model(input={"size": [0, 9]}), r"input\.size\.0: .*greater than or equal to 1"),
    "std": (model(input={"std": [1, 0, 1]}), r"input\.std\.1: .*greater than 0"),
    "check": ({"sanity": {"checks": ["shfit"]}}, r"sanity\.checks\.0: .*'shift'.*got 'shfit'"),
    "check twice": ({"sanity": {"checks": ["shift"] * 2}}, "shift occurs more than once"),
    "one image": ({"sanity": {"images": 1}}, r"sanity\.images: .*\(got 1\)"),
    "infinite": (
        {"compare": {"measures": {"rbf": {"sigma": float("inf")}}}},
        r"compare\.measures\.rbf\.sigma.*finite",
    ),
    "nan": (
        {"compare": {"measures": {"kappa": {"cuts": [float("nan")]}}}},
        r"compare\.measures\.kappa\.cuts\.0: .*finite",
    ),
    "digest": (
        {"images": {"source": "archive", "url": "https://a/b.tgz", "digest": "md5:12"}},
        r"  images\.digest: .*match pattern",
    ),
    "outside": (
        {
            "images": {
                **{"source": "archive", "url": "https://a/b.tgz", "path": "../c"},
                "digest": "md5:" + 32 * "0",
            }
        },
        r"  images\.path: .*expected a folder inside the archive",
    ),
    "path in images": ({"images": {"source": "shapes", "count": 0}}, r"  images\.count: "),
    "both": (model(weights=__file__), "it has weights and is not pretrained"),
    "zoo": ({"models": ["zoo:nonesuch"]}, "Unknown model of the zoo 'nonesuch'"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_configuration_is_refused_with_one_message(wrong: str) -> None:
    changed, message = WRONG[wrong]
    with pytest.raises(SightlineError, match=message):
        ResolvedStudy(config(**changed))


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SightlineError) as error:
        ResolvedStudy(config(sede=1, compare={"grid": 2}, images=...))
    lines = str(error.value).splitlines()
    assert lines[0] == "The configuration is wrong."
    assert sorted(line.split(":")[0].strip() for line in lines[1:]) == [
        "compare.grid",
        "images",
        "sede",
    ]


def test_no_configuration_says_where_to_find_one() -> None:
    with pytest.raises(SightlineError, match="--configfile"):
        read_study({})


def test_too_large_a_count_is_refused_before_any_job(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    folder = {"source": "folder", "path": str(tmp_path), "count": 2}
    with pytest.raises(SightlineError, match=r"count is 2, but folder .* holds 1 images"):
        _ = ResolvedStudy(config(images=folder)).images
    photos = {"source": "photos", "count": len(PHOTOS) + 1}
    with pytest.raises(SightlineError, match=f"but photos holds {len(PHOTOS)} images"):
        _ = ResolvedStudy(config(images=photos)).images


def test_an_unknown_patch_is_refused() -> None:
    with pytest.raises(SightlineError, match=r"images\.patch is 'sun': expected all or one of"):
        _ = ResolvedStudy(config(images={"source": "shapes", "patch": "sun"})).images


def test_short_forms_mean_the_long_ones() -> None:
    short = ResolvedStudy(config(models=["resnet18.a1_in1k"], methods=["gradcam@0.25"]))
    long = ResolvedStudy(
        config(
            models={"resnet18.a1_in1k": {"name": "resnet18.a1_in1k"}},
            methods={"gradcam@0.25": {"method": "gradcam", "depth": 0.25}},
        )
    )
    assert short.models == long.models
    assert short.methods == long.methods
    assert short.methods["gradcam@0.25"].spec == {
        "method": "gradcam",
        "settings": {"depth": 0.25, "relu": True},
    }
    model = short.models["resnet18.a1_in1k"]
    assert model.fetched
    assert model.weights == Path("resources/weights/timm/resnet18.a1_in1k.safetensors")


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_depth_may_follow_the_name_of_what_reads_a_layer(name: str) -> None:
    if CATALOGUE[name].needs_layer:
        assert resolve_method(f"{name}@0.25", {}).settings["depth"] == 0.25
    else:
        with pytest.raises(SightlineError, match=rf"methods\.{name}@0\.25\.depth: Unknown key"):
            resolve_method(f"{name}@0.25", {})


def test_one_method_may_come_several_times() -> None:
    methods = {"deep": {"method": "gradcam"}, "gradcam@0.5": None, "gradcam": {"depth": 0.75}}
    found = ResolvedStudy(config(methods=methods)).methods
    depths = {name: one.settings["depth"] for name, one in found.items()}
    assert depths == {"deep": 1.0, "gradcam@0.5": 0.5, "gradcam": 0.75}
    assert {one.method.name for one in found.values()} == {"gradcam"}


def test_what_decides_a_models_maps_is_in_its_specification() -> None:
    usual = {"name": "resnet18", "pretrained": False}
    spec = resolve_model("a", Model(**usual)).spec
    changes: dict[str, Any] = {
        "name": "resnet34", "seed": 1, "args": {"num_classes": 3}, "classes": ["x"],
        "geometry": "model", "input": {"size": (96, 96)}, "layer": "layer3",
    }  # fmt: skip
    for key, value in changes.items():
        changed = resolve_model("a", Model(**(usual | {key: value}))).spec
        assert {one for one in spec if spec[one] != changed[one]} == {key}
    # And nothing else is: a family only colours figures.
    assert resolve_model("a", Model(**usual, family="cnn")).spec == spec
    assert set(changes) == set(spec)
    json.dumps(spec)  # it is a parameter of a rule


def test_the_source_of_a_range_does_not_know_the_count() -> None:
    one, other = (
        ResolvedStudy(config(images={"source": "shapes", "count": count})) for count in (8, 800)
    )
    assert one.source_spec == other.source_spec
    assert one.listing("000000-000007") == other.listing("000000-000007")
    assert one.listing("000000-000003") != one.listing("000004-000007")
    assert one.source != other.source


def test_a_studys_ranges_follow_its_method_and_its_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    methods = ["gradcam", "kernelshap"]
    small = ResolvedStudy(config(images={"source": "shapes", "count": 100}, methods=methods))
    assert small.ranges("gradcam") == small.ranges("kernelshap") == ["000000-000099"]
    remember_count(small.results, 100)
    grown = ResolvedStudy(config(images={"source": "shapes", "count": 300}, methods=methods))
    assert grown.ranges("gradcam") == ["000000-000099", "000100-000299"]
    assert grown.ranges("kernelshap") == [
        "000000-000099", "000100-000127", "000128-000255", "000256-000299"
    ]  # fmt: skip
    assert grown.prediction_ranges == grown.ranges("gradcam")
    assert grown.results == Path("results/tiny")


def test_the_files_of_a_range_are_a_persons_own(tmp_path: Path) -> None:
    for i in range(6):
        (tmp_path / f"{i}.png").touch()
    study = ResolvedStudy(config(images={"source": "folder", "path": str(tmp_path)}))
    files = study.files("000001-000003")
    assert files == [one.path for one in study.images[1:4]]
    assert len(files) == 3
    assert ResolvedStudy(config()).files("000001-000003") == []


def test_settings_of_a_method_say_where_they_are_wrong() -> None:
    with pytest.raises(SightlineError) as error:
        validate_settings("methods.x", find_method("kernelshap").settings, {"samples": 1, "b": 2})
    assert "methods.x.samples: " in str(error.value)
    assert "methods.x.b: Unknown key 'b'" in str(error.value)


# --- The digest of code -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package to edit."""
    source, copy = Path(sightline.__file__).parent, tmp_path_factory.mktemp("copy") / "sightline"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def code_of(package: Path) -> Callable[..., str]:
    """The copy's own code_digest, loaded anew as each run of Snakemake does."""
    spec = importlib.util.spec_from_file_location("copied_code", package / "study" / "code.py")
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., str] = module.code_digest
    return found


JOB = ("sightline.jobs.explain",)
GRADIENT_CAMS = {
    "gradcam", "gradcam_plus_plus", "layercam", "hirescam", "xgradcam", "abscam_initial"
}  # fmt: skip
CHANNEL_CAMS = {"scorecam", "abscam_final", "ablationcam"}
METHODS = {name: (*JOB, method.module) for name, method in CATALOGUE.items()}


def digests(package: Path) -> dict[str, str]:
    code_digest = code_of(package)
    return {name: code_digest(*modules) for name, modules in METHODS.items()}


@contextmanager
def edited(package: Path, file: str, text: str = "\n# Changed.\n") -> Iterator[None]:
    path = package / file
    before = path.read_bytes()
    path.write_bytes(before + text.encode())
    try:
        yield
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize(
    ("file", "reruns"),
    [
        # The method's own module, and helpers that it alone imports, however far.
        ("methods/cams/gradcam.py", {"gradcam", "guided_gradcam"}),
        ("methods/gradients/guided_backprop.py", {"guided_backprop", "guided_gradcam"}),
        ("methods/cams/layercam.py", {"layercam"}),
        ("methods/cams/gradient_cam.py", GRADIENT_CAMS | CHANNEL_CAMS | {"guided_gradcam"}),
        ("methods/cams/channels.py", CHANNEL_CAMS),
        ("methods/cams/scorecam.py", {"scorecam"}),
        ("methods/attention/attention_rollout.py", {"attention_rollout"}),
        ("models/tokens.py", {"attention_rollout", "gradient_attention"}),
        ("models/attention.py", {"attention_rollout", "gradient_attention"}),
        ("methods/perturbations/kernelshap.py", {"kernelshap"}),
        ("methods/sampling.py", {"smoothgrad", "noise_tunnel", "gradient_shap", "rise"}),
        ("methods/gradients/smoothgrad.py", {"smoothgrad", "noise_tunnel"}),
        ("methods/gradients/integrated_gradients.py", {"integrated_gradients"}),
        ("methods/gradients/secant.py", {"integrated_gradients"}),
        ("methods/gradients/mean_slopes.py", {"integrated_gradients"}),
        ("methods/gradients/quadrature.py", {"integrated_gradients", "noise_tunnel"}),
        ("methods/perturbations/shapley_error.py", {"kernelshap"}),
        ("methods/perturbations/segments.py", {"kernelshap", "lime"}),
        ("methods/perturbations/coalitions.py", {"kernelshap", "lime"}),
        (
            "methods/copies.py",
            {"ablationcam", "integrated_gradients", "kernelshap", "lime", "occlusion", "rise"},
        ),
        ("methods/perturbations/lime.py", {"lime"}),
        ("methods/propagation/rescale.py", {"deeplift_shap"}),
        ("methods/propagation/lrp.py", {"lrp"}),
        ("methods/propagation/substitution.py", {"deeplift_shap", "integrated_gradients", "lrp"}),
        (
            "methods/propagation/operations.py",
            {"deeplift_shap", "integrated_gradients", "lrp", "guided_backprop", "guided_gradcam"},
        ),
        ("methods/perturbations/shapley.py", {"kernelshap"}),
        # What all of them run on.
        ("models/layers.py", set(CATALOGUE)),
        ("models/state.py", set(CATALOGUE)),
        ("maps/store.py", set(CATALOGUE)),
        ("images/decode.py", set(CATALOGUE)),
        ("study/ids.py", set(CATALOGUE)),
        ("files.py", set(CATALOGUE)),
        # What none of them runs.
        ("methods/catalogue/cams.py", set()),
        ("cli/explain.py", set()),
        ("notebook/__init__.py", set()),
        ("__init__.py", set()),
        ("images/shapes.py", set()),
        ("images/sources.py", set()),
        ("maps/align.py", set()),
        ("evaluate/inside.py", set()),
        ("compare/statistics.py", set()),
        ("plots/heatmap.py", set()),
        ("study/resolve.py", set()),
        ("models/zoo.py", set()),
    ],
)
def test_an_edit_reruns_what_depends_on_it(package: Path, file: str, reruns: set[str]) -> None:
    before = digests(package)
    with edited(package, file):
        after = digests(package)
    assert {name for name in METHODS if before[name] != after[name]} == reruns
    assert digests(package) == before


@pytest.mark.parametrize(
    ("line", "runs"),
    [
        ("from sightline.methods.helper import VALUE", True),
        ("from sightline.methods import helper", True),
        ("import sightline.methods.helper", True),
        ("def late():\n    from sightline.methods.helper import VALUE", True),
        ("if VALUE:\n    from sightline.methods import helper", True),
        ("if TYPE_CHECKING:\n    import sightline.methods.helper", False),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    import sightline.methods.helper", True),
        ("# import sightline.methods.helper", False),
    ],
)
def test_the_digest_follows_imports(package: Path, line: str, runs: bool) -> None:
    (package / "methods" / "helper.py").write_text("VALUE = 1\n")
    with edited(package, "methods/cams/gradcam.py", f"\n{line}\n"):
        before = digests(package)["gradcam"]
        with edited(package, "methods/helper.py"):
            assert (digests(package)["gradcam"] != before) == runs
        assert digests(package)["gradcam"] == before


def test_the_digest_is_that_of_the_package_itself(package: Path) -> None:
    assert digests(package) == {name: code_digest(*modules) for name, modules in METHODS.items()}
    for modules in METHODS.values():
        assert code_digest(*reversed(modules)) == code_digest(*modules)
    with pytest.raises(ModuleNotFoundError, match=r"sightline\.nonesuch"):
        code_digest("sightline.nonesuch")
