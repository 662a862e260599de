"""The run store: what it keeps, readable with anyone's own SQL."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax

from convert.arrays import Array
from verify.store import ImageRow, Prediction, RunStore


def rows_of(torch: Array, paddle: Array | None = None) -> list[ImageRow]:
    """What the store gives back for images of label 0 with those logits."""
    with closing(RunStore(None)) as store:
        for number in range(len(torch)):
            store.put_image(number, f"{number}.png", 0, (80, 60, "RGB", None))
        store.put_logits(range(len(torch)), {"torch": torch, "paddle": torch if paddle is None else paddle})
        return store.rows()


def select(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def test_the_five_best_are_kept_best_first() -> None:
    (row,) = rows_of(np.array([[0.5, 3.0, -1.0, 2.0, 9.0, 1.0]], np.float32))

    best = row.predictions["torch"]
    assert (best.classes, best.logits) == ((4, 1, 3, 5, 0), (9.0, 3.0, 2.0, 1.0, 0.5))


def test_the_confidence_is_scipy_s_softmax_over_all_classes() -> None:
    logits = np.random.default_rng(0).normal(scale=5, size=(4, 12)).astype(np.float32)

    found = [row.predictions["torch"].confidence for row in rows_of(logits)]
    np.testing.assert_allclose(found, softmax(logits.astype(np.float64), axis=1).max(axis=1), rtol=1e-14)


def test_the_confidence_of_logits_that_are_no_numbers_is_none() -> None:
    rows = rows_of(np.array([[np.nan, 1.0], [np.inf, 1.0], [1000.0, -1000.0]], np.float32))

    assert [str(row.predictions["torch"].confidence) for row in rows] == ["nan", "nan", "1.0"]


def test_among_equal_logits_the_lower_class_comes_first() -> None:
    (row,) = rows_of(np.array([[1.0, 2.0, 2.0, 1.0, 2.0, 1.0]], np.float32))

    assert row.predictions["paddle"].classes == (1, 2, 4, 0, 3)


def test_a_tie_among_a_thousand_classes_goes_to_the_lowest() -> None:
    (row,) = rows_of((np.arange(1000) % 3 == 0).astype(np.float32)[None])

    assert row.predictions["torch"].classes == (0, 3, 6, 9, 12)


def test_a_zero_of_either_sign_is_a_tie() -> None:
    (row,) = rows_of(np.array([[-0.0, 0.0]], np.float32), np.array([[0.0, -0.0]], np.float32))

    assert [row.predictions[framework].classes for framework in ("torch", "paddle")] == [(0, 1), (0, 1)]


@pytest.mark.parametrize("classes", [1, 2, 4])
def test_a_model_of_fewer_classes_has_fewer_predictions(classes: int) -> None:
    (row,) = rows_of(np.arange(float(classes))[None])

    assert row.predictions["torch"].classes == tuple(reversed(range(classes)))


def test_the_margin_is_between_the_best_and_the_second() -> None:
    assert Prediction((3, 1, 2), (5.0, 4.5, 0.0)).margin == 0.5


def test_the_margin_of_a_model_of_one_class_is_infinite() -> None:
    assert Prediction((0,), (5.0,)).margin == math.inf


def test_the_largest_difference_of_any_logit_is_kept() -> None:
    first, second = rows_of(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.5], [3.25, 4.0]]))

    assert (first.max_abs, second.max_abs) == (0.5, 0.25)


def test_float32_logits_come_back_to_the_last_bit() -> None:
    logits = np.random.default_rng(0).normal(size=(1, 5)).astype(np.float32)
    (row,) = rows_of(logits)

    assert row.predictions["torch"].logits == tuple(sorted(logits[0].tolist(), reverse=True))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_difference_that_is_no_number_comes_back_as_nan(value: float) -> None:
    (row,) = rows_of(np.array([[1.0, value]]), np.array([[1.0, value]]))

    assert math.isnan(row.max_abs)


def test_a_nan_is_never_the_best_class() -> None:
    (row,) = rows_of(np.array([[math.nan, 1.0, 2.0]]))

    assert row.predictions["torch"].classes == (2, 1, 0)


def test_an_image_that_was_not_decoded_has_no_predictions() -> None:
    with closing(RunStore(None)) as store:
        store.put_image(0, "broken.png", 3, (0, 0, "", "cut"))
        (row,) = store.rows()

    assert (row.name, row.label, row.error, row.predictions) == ("broken.png", 3, "cut", {})
    assert math.isnan(row.max_abs)


def test_rows_come_in_the_sets_order_whatever_the_order_of_writing() -> None:
    with closing(RunStore(None)) as store:
        for number in (2, 0, 1):
            store.put_image(number, f"{number}.png", None, (1, 1, "L", None))

        assert [row.name for row in store.rows()] == ["0.png", "1.png", "2.png"]


def test_the_file_is_open_to_anyones_own_sql(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with closing(RunStore(path)) as store:
        store.put_run({"arch": "convnext_tiny", "protocol": "bicubic"})
        store.put_image(0, "a/x.png", 7, (80, 60, "CMYK", None))
        store.put_logits([0], {"torch": np.array([[1.0, 2.0]]), "paddle": np.array([[1.0, 2.5]])})

    assert select(path, "SELECT * FROM run ORDER BY key") == [("arch", "convnext_tiny"), ("protocol", "bicubic")]
    assert select(path, "SELECT * FROM images") == [(0, "a/x.png", 7, 80, 60, "CMYK", None, 0.5)]
    assert select(path, "SELECT * FROM predictions ORDER BY framework") == [
        (0, "paddle", 1, 0, None, None, None, 2.5, 1.0, None, None, None, 1 / (1 + math.exp(-1.5))),
        (0, "torch", 1, 0, None, None, None, 2.0, 1.0, None, None, None, 1 / (1 + math.exp(-1.0))),
    ]


def test_an_earlier_runs_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    for name in ("earlier", "later"):
        with closing(RunStore(path)) as store:
            store.put_image(0, name, None, (1, 1, "L", None))

    assert select(path, "SELECT name FROM images") == [("later",)]
