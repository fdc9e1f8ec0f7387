"""Data sets in the layout that they are published in, a few small images of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import timm.data
from PIL import Image

from project import Project
from sightline.errors import SightlineError
from sightline.images.read import read_entries
from sightline.images.shards import Entry
from sightline.images.sources import list_source
from sightline.maps.store import read_maps
from sightline.models.classes import read_classes
from sightline.study.resolve import ResolvedStudy


def picture(path: Path, size: tuple[int, int], **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 120, 30)).save(path, **options)


def entries(source: dict[str, Any]) -> dict[str, Entry]:
    found = read_entries(source, list_source(source, 0), 0)
    return {one.image_id: one for one in found}


def boxes(entry: Entry) -> list[tuple[str, tuple[float, ...]]]:
    return [(label, tuple(box or ())) for label, box, _ in entry.objects]


# --- ILSVRC -------------------------------------------------------------------------------------

NAME = "ILSVRC2012_val_0000000{}"
ANNOTATION = """<annotation>
	<folder>val</folder>
	<filename>{name}</filename>
	<source><database>ILSVRC_2012</database></source>
	<size><width>{width}</width><height>{height}</height><depth>3</depth></size>
	<segmented>0</segmented>
{objects}</annotation>
"""
OBJECT = """	<object>
		<name>{}</name>
		<pose>Unspecified</pose>
		<truncated>0</truncated>
		<difficult>0</difficult>
		<bndbox>
			<xmin>{}</xmin>
			<ymin>{}</ymin>
			<xmax>{}</xmax>
			<ymax>{}</ymax>
		</bndbox>
	</object>
"""
SNAKE, SKI, DOG = "n01751748", "n04228054", "n02105855"


def annotate(path: Path, size: tuple[int, int], *objects: tuple[Any, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        ANNOTATION.format(
            name=path.stem,
            width=size[0],
            height=size[1],
            objects="".join(OBJECT.format(*one) for one in objects),
        )
    )


@pytest.fixture
def ilsvrc(tmp_path: Path) -> dict[str, Any]:
    """Three images: one object; two objects over the edge; resized to half after annotating."""
    annotations = tmp_path / "Annotations/CLS-LOC/val"
    images = tmp_path / "Data/CLS-LOC/val"
    for number, size in ((1, (50, 40)), (2, (30, 60)), (3, (25, 15))):
        picture(images / f"{NAME.format(number)}.JPEG", size)
    annotate(annotations / f"{NAME.format(1)}.xml", (50, 40), (SNAKE, 11, 10, 44, 19))
    two = ((SKI, 2, 3, 30, 20), (SKI, 0, 5, 31, 61))
    annotate(annotations / f"{NAME.format(2)}.xml", (30, 60), *two)
    annotate(annotations / f"{NAME.format(3)}.xml", (50, 30), (DOG, 10, 4, 50, 30))
    (tmp_path / "LOC_val_solution.csv").write_text(
        "ImageId,PredictionString\n"
        f"{NAME.format(2)},{SKI} 2 3 30 20 {SKI} 0 5 31 61 \n"
        f"{NAME.format(1)},{SNAKE} 11 10 44 19 \n"
        f"{NAME.format(3)},{DOG} 10 4 50 30 \n"
        f"{NAME.format(4)},{DOG} 1 1 2 2 \n"
    )
    return {
        "source": "ilsvrc",
        "path": str(images),
        "annotations": str(annotations),
        "labels": None,
        "count": None,
    }


def labelled(ilsvrc: dict[str, Any]) -> dict[str, Any]:
    return ilsvrc | {"labels": str(Path(ilsvrc["path"]).parents[2] / "LOC_val_solution.csv")}


def test_ilsvrc_has_a_box_an_object_in_the_pixels_of_the_image(ilsvrc: dict[str, Any]) -> None:
    found = entries(ilsvrc)
    assert {name: one.label for name, one in found.items()} == {
        f"{NAME.format(1)}.JPEG": SNAKE,
        f"{NAME.format(2)}.JPEG": SKI,
        f"{NAME.format(3)}.JPEG": DOG,
    }
    one, two, three = (boxes(found[f"{NAME.format(number)}.JPEG"]) for number in (1, 2, 3))
    assert one == [(SNAKE, (11, 10, 44, 19))]
    assert two == [(SKI, (2, 3, 30, 20)), (SKI, (0, 5, 30, 60))]
    assert three == [(DOG, (5, 2, 25, 15))]


def test_labels_are_known_from_the_list_before_any_annotation_is_read(
    ilsvrc: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    without = {one.image_id: one.label for one in list_source(ilsvrc, 0)}
    assert set(without.values()) == {""}
    monkeypatch.setattr(Path, "read_bytes", None)
    found = list_source(labelled(ilsvrc), 0)
    assert {one.label for one in found} == {SNAKE, SKI, DOG}
    for one in found:
        assert one.path is not None
        assert one.about is not None
        assert one.about.stem == one.path.stem


def test_ilsvrc_in_one_folder_a_synset(ilsvrc: dict[str, Any]) -> None:
    folder = Path(ilsvrc["path"])
    for number, synset in ((1, SNAKE), (2, SKI), (3, DOG)):
        name = f"{NAME.format(number)}.JPEG"
        (folder / synset).mkdir()
        (folder / name).rename(folder / synset / name)
    assert {one.image_id: one.label for one in list_source(ilsvrc, 0)} == {
        f"{synset}/{NAME.format(number)}.JPEG": synset
        for number, synset in ((1, SNAKE), (2, SKI), (3, DOG))
    }
    assert len(entries(ilsvrc)[f"{DOG}/{NAME.format(3)}.JPEG"].objects) == 1


def test_an_image_on_its_side_has_the_boxes_of_the_upright_one(ilsvrc: dict[str, Any]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(Path(ilsvrc["path"]) / f"{NAME.format(1)}.JPEG", (40, 50), exif=exif)
    entry = entries(ilsvrc)[f"{NAME.format(1)}.JPEG"]
    assert boxes(entry) == [(SNAKE, (11, 10, 44, 19))]


def test_imagenets_classes_and_its_map_of_synsets_know_the_labels(tmp_path: Path) -> None:
    info = timm.data.ImageNetInfo()
    path = tmp_path / "LOC_synset_mapping.txt"
    path.write_text(
        "".join(
            f"{info.index_to_label_name(k)} {info.index_to_description(k)}\n" for k in range(1000)
        )
    )
    shipped, mapped = read_classes("imagenet-1k"), read_classes(str(path))
    assert shipped is not None
    assert mapped is not None
    for synset, words, output in ((SNAKE, "sea snake", 65), (SKI, "ski", 795)):
        for classes in (shipped, mapped):
            assert classes.index(synset) == output
            assert classes.name(output) == words
    # Imagenette's folders.
    tench, radio = (mapped.index(name) for name in ("n01440764", "n02979186"))
    assert (tench, radio) == (0, 482)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation>", "is no XML file in UTF-8: no element found"),
        (b"\xff\xfe<\x00a\x00", "is no XML file in UTF-8"),
        (
            '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><annotation>&c;</annotation>',
            "declares a document type",
        ),
        (
            '<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>',
            "declares a document type",
        ),
        (
            "<annotation><object/></annotation>",
            "expected the numbers width, height, got nothing, nothing",
        ),
        (ANNOTATION.format(name="", width=40, height=50, objects=""), "of 40x50 .* has 50x40"),
        (ANNOTATION.format(name="", width=0, height=0, objects=""), "of 0x0 .* has 50x40"),
        (
            ANNOTATION.format(
                name="", width=50, height=40, objects=OBJECT.format(DOG, 1, 2, "x", 4)
            ),
            "expected the numbers xmin, ymin, xmax, ymax, got 1, 2, x, 4",
        ),
        (
            ANNOTATION.format(name="", width=50, height=40, objects=OBJECT.format(DOG, 9, 2, 9, 4)),
            r"the box \[9.0, 2.0, 9.0, 4.0\] of n02105855 is empty on an image of 50x40",
        ),
        (
            ANNOTATION.format(name="", width=50, height=40, objects=OBJECT.format("", 9, 2, 9, 4)),
            "an object has no name",
        ),
    ],
)
def test_a_wrong_annotation_is_named(
    ilsvrc: dict[str, Any], text: str | bytes, message: str
) -> None:
    path = Path(ilsvrc["annotations"]) / f"{NAME.format(1)}.xml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SightlineError, match=message) as error:
        entries(ilsvrc)
    assert str(path) in str(error.value)


def test_what_is_missing_of_ilsvrc_is_said(ilsvrc: dict[str, Any], tmp_path: Path) -> None:
    (Path(ilsvrc["annotations"]) / f"{NAME.format(2)}.xml").unlink()
    with pytest.raises(SightlineError, match=r"2\.xml cannot be read: .*images\.annotations"):
        entries(ilsvrc)
    with pytest.raises(SightlineError, match=r"images\.annotations: nowhere is not a folder"):
        list_source(ilsvrc | {"annotations": "nowhere"}, 0)
    short = tmp_path / "short.csv"
    for text, message in (
        ("1\n2\n", "begins with 1. Expected LOC_val_solution.csv"),
        ("", "begins with nothing"),
        (f"ImageId,PredictionString\n{NAME.format(1)},\n", "line 2: expected an image and its"),
        (f"ImageId,PredictionString\n{NAME.format(1)},{DOG} 1 1 2 2\n", "short.csv has no row of"),
    ):
        short.write_text(text)
        with pytest.raises(SightlineError, match=message):
            list_source(ilsvrc | {"labels": str(short)}, 0)


# --- ChestX-ray14 -------------------------------------------------------------------------------

FINDINGS = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n"
    "00000001_000.png,Effusion|Mass,0,1,058Y,M,PA,2682,2749,0.143,0.143,\n"
    "00000001_001.png,No Finding,1,1,058Y,M,PA,2894,2729,0.143,0.143,\n"
    "00000002_000.png,Infiltration,0,2,081Y,M,PA,2500,2048,0.171,0.171,\n"
    "00000003_000.png,Hernia,0,3,081Y,F,PA,2582,2991,0.143,0.143,\n"
)
BOXES = (
    "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
    "00000001_000.png,Mass,225.5,547.0,86.75,79.25,,,\n"
    "00000002_000.png,Infiltrate,0,10,100,20.5,,,\n"
    "00000001_000.png,Effusion,686.1,131.5,185.4,313.4,,,\n"
)


@pytest.fixture
def chest(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "Data_Entry_2017.csv").write_text(FINDINGS)
    (tmp_path / "BBox_List_2017.csv").write_text(BOXES)
    for folder, name, side in (
        ("images_001", "00000001_000.png", 1024),
        ("images_001", "00000001_001.png", 8),
        ("images_002", "00000002_000.png", 256),
        ("images_012", "00000003_000.png", 8),
    ):
        picture(tmp_path / folder / "images" / name, (side, side))
    return {"source": "chestxray14", "path": str(tmp_path), "boxed": True, "count": None}


def test_images_with_a_box_have_their_boxed_findings_first(chest: dict[str, Any]) -> None:
    found = entries(chest)
    assert {name: one.label for name, one in found.items()} == {
        "00000001_000.png": "Mass|Effusion",
        "00000002_000.png": "Infiltration",
    }
    assert boxes(found["00000001_000.png"]) == [
        ("Mass", (225.5, 547.0, 312.25, 626.25)),
        ("Effusion", pytest.approx((686.1, 131.5, 871.5, 444.9))),
    ]
    # A quarter of the published size.
    assert boxes(found["00000002_000.png"]) == [("Infiltration", (0, 2.5, 25, 7.625))]


def test_all_images_with_or_without_findings(chest: dict[str, Any]) -> None:
    found = entries(chest | {"boxed": False})
    assert {name: (one.label, len(one.objects)) for name, one in found.items()} == {
        "00000001_000.png": ("Mass|Effusion", 2),
        "00000001_001.png": ("", 0),
        "00000002_000.png": ("Infiltration", 1),
        "00000003_000.png": ("Hernia", 0),
    }


def test_the_order_balances_first_labels(chest: dict[str, Any]) -> None:
    root = Path(chest["path"])
    rows = [f"{i:08d}_000.png" for i in range(10, 30)]
    with (root / "Data_Entry_2017.csv").open("a") as file:
        file.writelines(f"{name},Effusion|Mass,0,1,\n" for name in rows)
    with (root / "BBox_List_2017.csv").open("a") as file:
        for name, finding in zip(rows, ["Mass", "Effusion"] * 10, strict=True):
            file.write(f"{name},{finding},1,1,5,5,,,\n")
    for name in rows:
        (root / "images_003").mkdir(exist_ok=True)
        (root / "images_003" / name).touch()
    firsts = [one.label.partition("|")[0] for one in list_source(chest, 0)][:3]
    assert sorted(firsts) == ["Effusion", "Infiltration", "Mass"]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("BBox_List_2017.csv", "x,y\n", r"BBox_List_2017\.csv begins with 'x,y'. Expected 'Image"),
        ("Data_Entry_2017.csv", "", r"Data_Entry_2017\.csv begins with ''"),
        ("BBox_List_2017.csv", BOXES.replace("79.25", "0"), "line 2: the box is 86.75 wide and 0"),
        ("BBox_List_2017.csv", BOXES.replace("79.25", "?"), "line 2: expected .* got '00000001"),
        ("BBox_List_2017.csv", BOXES.replace(",20.5,", ""), "line 3: expected an image, a finding"),
        ("BBox_List_2017.csv", BOXES + "9.png,Mass,1,1,2,2\n", "Data_Entry_2017.csv has no row"),
        ("Data_Entry_2017.csv", FINDINGS + "x.png\n", "line 6: expected an image and its findings"),
    ],
)
def test_wrong_tables_are_named(chest: dict[str, Any], file: str, text: str, message: str) -> None:
    (Path(chest["path"]) / file).write_text(text)
    with pytest.raises(SightlineError, match=message):
        list_source(chest, 0)


def test_what_is_missing_of_the_radiographs_is_said(chest: dict[str, Any]) -> None:
    root = Path(chest["path"])
    picture(root / "again" / "00000001_000.png", (8, 8))
    with pytest.raises(SightlineError, match=r"00000001_000\.png is there twice"):
        list_source(chest, 0)
    (root / "again" / "00000001_000.png").unlink()
    (root / "images_002/images/00000002_000.png").unlink()
    with pytest.raises(SightlineError, match=r"has a box on 00000002_000\.png, but .* has no file"):
        list_source(chest, 0)
    (root / "BBox_List_2017.csv").unlink()
    with pytest.raises(SightlineError, match=r"BBox_List_2017\.csv cannot be read"):
        list_source(chest, 0)


# --- As studies ---------------------------------------------------------------------------------


def test_what_a_range_is_made_of_are_images_and_what_says_of_them(
    ilsvrc: dict[str, Any], chest: dict[str, Any]
) -> None:
    model = {"name": "resnet18", "pretrained": False}
    for source, about in (
        (ilsvrc, {f"{NAME.format(number)}.xml" for number in (1, 2, 3)}),
        (chest, {"BBox_List_2017.csv"}),
    ):
        study = ResolvedStudy(
            {"study": "s", "images": source, "models": {"m": model}, "methods": ["gradcam"]}
        )
        files = study.files(f"000000-{len(study.images) - 1:06d}")
        assert len(set(files)) == len(files)
        assert {one.name for one in files} - {str(one.path.name) for one in study.images} == about
        assert np.all([one.is_file() for one in files])


@pytest.mark.workflow
@pytest.mark.xdist_group("workflow")
def test_one_multilabel_model_on_radiographs_from_images_to_tables(
    chest: dict[str, Any], tmp_path: Path
) -> None:
    names = ["Infiltration", "Mass", "Effusion", "Hernia"]
    model = {"pretrained": False, "args": {"num_classes": 4}, "classes": names}
    study = {
        "study": "chest",
        "images": chest,
        "models": {"test_resnet": model | {"task": "multilabel"}},
        "methods": ["gradcam", "saliency"],
        "roles": ["label"],
        "evaluate": ["peak_inside", "confidence_change"],
    }
    folder = tmp_path / "project"
    folder.mkdir()
    project = Project(folder, study)
    project.complete()
    results = folder / "results/chest"
    objects = pd.read_csv(results / "tables/objects.csv")
    assert sorted(objects["label"]) == ["Effusion", "Infiltration", "Mass"]
    table = pd.read_csv(results / "tables/evaluate/peak_inside.csv")
    shares = table[(table["method"] == "saliency") & (table["role"] == "label")]
    assert shares["mean"].between(0, 1).all()
    for file in (results / "maps/original/test_resnet").rglob("*.h5"):
        assert set(read_maps(file).explained) == {"Mass", "Infiltration"}
    # What compares models is left out where there is one.
    assert not (results / "answers.html").exists()
    assert (results / "figures/gradcam/overlays.png").exists()
    assert not project.planned()
