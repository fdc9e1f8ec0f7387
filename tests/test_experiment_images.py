"""Images that experiments ask for are there, and objects that they take out are on some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapfiles import write_maps
from sightline.errors import SightlineError
from sightline.evaluate.catalogue import EXPERIMENTS
from sightline.evaluate.catalogue.bias import Bias
from sightline.images.object_labels import object_labels
from sightline.images.read import read_entries
from sightline.images.sources import list_source
from sightline.jobs.experiments.evaluate_maps import MapsJob
from sightline.jobs.experiments.evaluate_variants import AlteredMaps, evaluate_variants
from sightline.study.resolve import ResolvedStudy


def study(**given: Any) -> ResolvedStudy:
    models = {"m": {"name": "resnet18.a1_in1k", "pretrained": False}}
    return ResolvedStudy({"study": "test", "models": models, "methods": ["gradcam"], **given})


MANIFEST = """path,label,object,x0,y0,x1,y1
a.png,cat,,0,0,9,9
a.png,cat,collar,2,2,4,4
b.png,dog,,,,,
c.png,dog,leash,1,1,3,3
"""


@pytest.mark.parametrize(
    ("images", "evaluate", "message"),
    [
        (
            {"source": "shapes", "count": 8},
            {"bias": {"images": 9}},
            r"^evaluate\.bias\.images is 9, but the study has 8 images\. Lower it",
        ),
        (
            {"source": "shapes", "count": 8},
            {"odd": {"experiment": "bias", "what": "stars"}},
            r"^evaluate\.odd\.what: Unknown label of an object 'stars'\. Did you mean 'star'\?",
        ),
        # No image carries the patch unless the study asks for it.
        (
            {"source": "shapes", "count": 8, "patch": "star"},
            {"bias": {"what": "marker", "images": 2}},
            r"none of the first 2 images has an object labelled 'marker', which others have",
        ),
        (
            {"source": "shapes", "count": 8},
            {"bias": {"what": "marker"}},
            "label .*'marker'",
        ),
        ({"source": "manifest"}, {"bias": {"what": "leach"}}, "Did you mean 'leash'"),
        ({"source": "manifest"}, {"bias": {"what": "dog"}}, "Known: cat, collar, leash"),
        (
            {"source": "photos"},
            {"localisation": {}},
            r"localisation: .*\(photos\) has any",
        ),
        ({"source": "photos"}, {"bias": {}}, r"evaluate\.bias: it needs images on which objects"),
    ],
)
def test_images_are_held_against_what_experiments_ask_for(
    images: dict[str, Any], evaluate: dict[str, Any], message: str, tmp_path: Path
) -> None:
    if images["source"] == "manifest":
        (tmp_path / "m.csv").write_text(MANIFEST)
        images = images | {"path": str(tmp_path / "m.csv")}
    odd = study(images=images, evaluate=evaluate)
    with pytest.raises(SightlineError, match=message):
        odd.check_images(downloading=False)


@pytest.mark.parametrize("what", ["", "cat", "collar", "leash"])
def test_objects_that_some_images_have_are_enough(what: str, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(MANIFEST)
    images = {"source": "manifest", "path": str(tmp_path / "m.csv")}
    study(images=images, evaluate={"bias": {"what": what}}).check_images(downloading=False)


@pytest.mark.parametrize("patch", [None, "all", "star"])
@pytest.mark.parametrize("objects", [1, 2])
def test_objects_of_shapes_are_named_as_they_are_made(objects: int, patch: str | None) -> None:
    source = {"source": "shapes", "count": 24, "split": "held-out"}
    source |= {"objects": objects, "patch": patch}
    listed = list_source(source, 0)
    made = {label for one in read_entries(source, listed, 0) for label, *_ in one.objects}
    assert object_labels(source, listed) == made


def test_maps_from_which_nothing_was_taken_out_are_an_error(tmp_path: Path) -> None:
    """Of sources whose objects only the files tell, the job that reads all maps says so."""
    maps = np.ones((3, 6, 6))
    files = [
        write_maps(tmp_path / "before.h5", maps),
        write_maps(tmp_path / "after.h5", maps, region=np.zeros((3, 12, 12), bool)),
    ]
    job = MapsJob(
        model="m",
        module=EXPERIMENTS["bias"].path,
        settings=Bias(what="stars"),
        scaling={"one": ("max",)},
        count=3,
        seed=0,
    )
    altered = AlteredMaps("mean", None, {"one": [files[1]]})
    with pytest.raises(SightlineError, match=r"m, mean: nothing was taken out of any of 3 images"):
        evaluate_variants(job, {"one": [files[0]]}, [altered], tmp_path / "t.parquet")
