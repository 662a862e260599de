"""What a verification reads before a framework loads."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from checkpoint_files import run_python
from made_up_images import listing, touch, write_images
from pairs import write_pair

from convert.archs import get_spec
from convert.errors import FerryError
from verify.inputs import Inputs
from verify.options import Options
from verify.recipes.choose import Overrides
from verify.recipes.protocol import Protocol

DIGITS = get_spec("convnext_digits")
HEAD = 1100  # outputs, of which a class map names 1000


def options(folder: Path, **values: Any) -> Options:
    return Options(arch=DIGITS.name, src=folder / "x.pth", dst=folder / "x.pdparams", **values)


def test_a_pair_alone_has_no_data_and_the_protocol_that_it_was_given(tmp_path: Path) -> None:
    write_pair(tmp_path, DIGITS)

    inputs = Inputs.read(options(tmp_path, protocol=Protocol(size=64)))

    assert (inputs.pair.spec, inputs.dataset, inputs.class_indices) == (DIGITS, None, None)
    assert (inputs.chosen.protocol, inputs.chosen.recipe) == (Protocol(size=64), None)


def test_values_of_a_protocol_and_a_data_set_are_read(tmp_path: Path) -> None:
    write_pair(tmp_path, DIGITS)

    inputs = Inputs.read(options(tmp_path, data=write_images(tmp_path / "val"), overrides=Overrides(size=96)))

    assert inputs.chosen.protocol == Protocol(size=96, resize=109)
    assert inputs.dataset is not None
    assert len(inputs.dataset.items) == 12


@pytest.fixture
def larger(tmp_path: Path) -> Options:
    """A head of more classes, a map to 1000 of them, and an image of the last one."""
    write_pair(tmp_path, dataclasses.replace(DIGITS, num_classes=HEAD))
    (tmp_path / "map.txt").write_text("\n".join(map(str, range(100, HEAD))))
    listing(touch(tmp_path / "val", "x.png"), "x.png 999\n")
    return options(tmp_path, data=tmp_path / "val", class_map=tmp_path / "map.txt")


def test_labels_are_those_of_the_class_map(larger: Options) -> None:
    inputs = Inputs.read(larger)

    assert inputs.class_indices is not None
    assert inputs.class_indices.tolist() == list(range(100, HEAD))


def test_a_label_outside_the_class_map_is_refused_though_the_head_has_it(larger: Options) -> None:
    listing(touch(larger.src.parent / "val", "x.png"), "x.png 1000\n")

    with pytest.raises(FerryError, match="label 1000, but the model's 1000 classes are 0 to 999"):
        Inputs.read(larger)


def test_a_class_map_without_a_data_set_is_refused_from_python_too(larger: Options) -> None:
    with pytest.raises(FerryError, match=r"map\.txt: a class map needs a data set$"):
        Inputs.read(dataclasses.replace(larger, data=None))


def test_reading_loads_no_framework(tmp_path: Path) -> None:
    write_pair(tmp_path, DIGITS)
    code = (
        "import sys, pathlib\n"
        "from verify.inputs import Inputs\n"
        "from verify.options import Options\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "Inputs.read(Options(src=folder / 'x.pth', dst=folder / 'x.pdparams', data=folder / 'val'))\n"
        "print(*{'torch', 'paddle'} & set(sys.modules))"
    )
    write_images(tmp_path / "val")

    child = run_python(code, tmp_path)

    assert (child.stdout, child.stderr) == ("\n", "")
