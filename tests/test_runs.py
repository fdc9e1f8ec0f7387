"""Many ranges in few words."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightline.cli.options import pattern_files
from sightline.errors import SightlineError
from sightline.study.ranges import cut
from sightline.study.runs import lengthen, shorten

# What Linux allows an argument of a command.
LONGEST_ARGUMENT = 128 * 1024


@pytest.mark.parametrize("count", [1, 7, 8, 9, 16, 24, 25, 100, 1000])
@pytest.mark.parametrize("length", [1, 8, 1024])
@pytest.mark.parametrize("earlier", [(), (3,), (8, 20), (5, 6, 7, 99)])
def test_shortened_names_are_those_that_came(
    count: int, length: int, earlier: tuple[int, ...]
) -> None:
    names = [one.name for one in cut(count, length, earlier)]
    assert lengthen(shorten(names)) == names
    # Of some ranges alone, with others between them left out.
    assert lengthen(shorten(names[::2])) == names[::2]
    assert lengthen(shorten([])) == []


def test_few_names_are_left_as_they_are() -> None:
    assert shorten(["000000-000007", "000008-000015"]) == ["000000-000007", "000008-000015"]
    assert shorten(["000000-000007", "000008-000015", "000016-000018"]) == ["000000-000018/8"]
    # A study that grew from 12 images to 32.
    grown = [one.name for one in cut(32, 4, (10,))]
    assert shorten(grown) == ["000000-000009/4", "000010-000011", "000012-000031/4"]


def test_a_hundred_thousand_ranges_fit_in_an_argument() -> None:
    names = [one.name for one in cut(800_000, 8, (100, 1000, 12_345))]
    assert len(names) > 100_000
    short = ",".join(shorten(names))
    assert len(short) < 200 < LONGEST_ARGUMENT < len(",".join(names))
    files = pattern_files("maps/{model}/{range}.h5", range=short, model="a,b")
    assert files[:2] == [Path("maps/a/000000-000007.h5"), Path("maps/b/000000-000007.h5")]
    assert len(files) == 2 * len(names)


@pytest.mark.parametrize("wrong", ["000000-000007/", "000000-000007/x", "000000-000007/0", "0/8"])
def test_what_is_no_range_is_refused(wrong: str) -> None:
    with pytest.raises(SightlineError, match=r"no image range|as in 000000-000999/8"):
        lengthen([wrong])
