"""Every image of the data set exactly once, under its own label and with its own pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_images import write_images
from pairs import CALM, PROTOCOL, scored

from verify.accuracy.evaluate import OVERWRITTEN, drop_overwritten
from verify.datasets import read_dataset
from verify.gate import Verdict
from verify.gates.paired import paired_gate
from verify.images.decode import decode, stamp
from verify.store.coverage import coverage_problems, listing
from verify.store.rows import ImageFacts, ImageRow

ROWS = [ImageRow(f"{number}.png", number % 3, None, 0.0, {}) for number in range(6)]
LISTED = listing(ROWS)

FAULTS = {
    "a batch lost": (ROWS[:4], "the run store holds 4 images, and the data set 6"),
    "a batch twice": ([*ROWS, *ROWS[:2]], "the run store holds 8 images, and the data set 6"),
    "a label changed": ([replace(ROWS[0], label=1), *ROWS[1:]], None),
    "an image renamed": ([replace(ROWS[0], name="x.png"), *ROWS[1:]], None),
    "two images exchanged": ([ROWS[1], ROWS[0], *ROWS[2:]], None),
    "one in place of another": ([*ROWS[:5], ROWS[0]], None),
}
OTHER = "names or labels in the run store are not those of the data set, or in another order"


def test_the_data_set_s_own_rows_have_no_problem() -> None:
    assert coverage_problems(ROWS, LISTED) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_it_sees(fault: str) -> None:
    rows, text = FAULTS[fault]

    assert coverage_problems(rows, LISTED) == [text or OTHER]


def test_images_and_rows_are_listed_alike(tmp_path: Path) -> None:
    items = read_dataset(write_images(tmp_path), 10).items

    assert listing(items) == listing([ImageRow(item.name, item.label, None, 0.0, {}) for item in items])


def test_the_paired_gate_fails_for_what_is_not_covered() -> None:
    result = scored(np.array([CALM]), np.array([CALM]), [0])

    assert paired_gate(result).verdict is Verdict.PASSED
    assert paired_gate(result, coverage=["lost"]).problems == ("lost",)
    assert paired_gate(result, coverage=["lost"]).verdict is Verdict.FAILED


def test_pixels_that_were_overwritten_are_an_image_that_was_not_read() -> None:
    facts = [ImageFacts(n, f"{n}.png", 0, 8, 8, "RGB", error) for n, error in enumerate(("", "cut", "", ""))]
    logits = {"torch": np.arange(3.0)[:, None], "paddle": np.arange(3.0)[:, None]}

    kept, left = drop_overwritten(facts, logits, [1, 2, 3], [1, 9, 3])

    assert [image.error for image in kept] == ["", "cut", OVERWRITTEN, ""]
    assert {framework: rows.tolist() for framework, rows in left.items()} == {
        "torch": [[0.0], [2.0]],
        "paddle": [[0.0], [2.0]],
    }


def test_every_image_of_the_sample_has_a_stamp_of_its_own() -> None:
    from verify.sample import IMAGES

    images = [decode(path, PROTOCOL) for path in sorted(IMAGES.glob("*/*"))]

    assert len({image.stamp for image in images}) == len(images) == 364
    assert all(image.pixels is not None and image.stamp == stamp(image.pixels) for image in images)
