"""The outputs that are ImageNet's 1000 classes, from each form of the table."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

import pytest

from verify.datasets import DatasetError
from verify.datasets.class_map import read_class_map
from verify.datasets.imagenet import wordnet_ids

IDS = wordnet_ids()


def timms(name: str) -> list[str]:
    return importlib.resources.files("timm.data").joinpath(f"_info/{name}").read_text().split()


def test_timms_list_of_every_outputs_id_is_read(tmp_path: Path) -> None:
    outputs = timms("imagenet22k_ms_synsets.txt")
    (tmp_path / "map").write_text("\n".join(outputs) + "\n")
    indices = read_class_map(tmp_path / "map", 21842)

    assert [outputs[index] for index in indices] == timms("imagenet_synsets.txt")


@pytest.mark.parametrize("name", ["imagenet22k_synsets.txt", "imagenet21k_goog_synsets.txt"])
def test_the_class_that_the_22k_heads_lack_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "map").write_text("\n".join(timms(name)))
    with pytest.raises(DatasetError) as caught:
        read_class_map(tmp_path / "map", len(timms(name)))

    assert str(caught.value) == (
        f"{tmp_path}/map: 1 of the 1000 WordNet ids missing, first n04399382; lines of `wordnet_id index` can name the "
        "output that stands for it"
    )


def test_a_table_of_the_22k_head_by_timms_ids(tmp_path: Path) -> None:
    outputs = timms("imagenet22k_synsets.txt")
    standing_in = next(place for place, name in enumerate(outputs) if name not in IDS)  # for the one that is not there
    lines = [f"{name} {place}" for place, name in enumerate(outputs)]
    lines[standing_in] = f"n04399382 {standing_in}"
    (tmp_path / "map").write_text("\n".join(lines))
    indices = read_class_map(tmp_path / "map", 21841)

    assert [outputs[index] for index in indices] == [
        outputs[standing_in] if name == "n04399382" else name for name in timms("imagenet_synsets.txt")
    ]


def test_ids_may_stand_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "map").write_text("".join(f"{name} {2 * place}\n" for place, name in reversed(list(enumerate(IDS)))))

    assert read_class_map(tmp_path / "map", 2000).tolist() == list(range(0, 2000, 2))


def test_another_number_of_classes_takes_plain_indices(tmp_path: Path) -> None:
    (tmp_path / "map").write_text("5\n0\n3\n")

    assert read_class_map(tmp_path / "map", 6, count=3).tolist() == [5, 0, 3]


PAIRS = [f"{name} {place}" for place, name in enumerate(IDS)]
NUMBERS = [str(place) for place in range(1000)]
BAD = {
    "an index out of range": ([*NUMBERS[:-1], "2000"], "class 999 is output 2000, but the model's are 0 to 1999"),
    "an index twice": ([*NUMBERS[:-1], "3"], "classes 3 and 999 are both output 3"),
    "too few indices": (NUMBERS[:-1], "maps 999 classes, but the data have 1000"),
    "a word": ([*NUMBERS[:-1], "x"], "line 1000: expected an index, found x"),
    "a negative index": ([*NUMBERS[:-1], "-1"], "line 1000: expected an index, found -1"),
    "an id missing": (
        PAIRS[:-1],
        "1 of the 1000 WordNet ids missing, first n15075141; lines of `wordnet_id index` can name "
        "the output that stands for it",
    ),
    "an id twice": ([*PAIRS, PAIRS[0]], "line 1001: n01440764 stands there twice"),
    "no id": (["tench 0", *PAIRS[1:]], "line 1: expected a WordNet id, found tench"),
    "ids of another model": (list(IDS), "1,000 WordNet ids, but the model has 2000 classes"),
    "both forms": ([*PAIRS[:-1], "999"], "expected lines of `wordnet_id index`, of one index, or of one WordNet id"),
    "nothing": ([], "expected lines of `wordnet_id index`, of one index, or of one WordNet id"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_table_is_refused_that_has(kind: str, tmp_path: Path) -> None:
    lines, message = BAD[kind]
    (tmp_path / "map").write_text("".join(f"{line}\n" for line in lines))
    with pytest.raises(DatasetError) as caught:
        read_class_map(tmp_path / "map", 2000)

    assert str(caught.value) in (f"{tmp_path}/map: {message}", f"{tmp_path}/map, {message}")
