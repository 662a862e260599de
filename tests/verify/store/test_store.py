"""The run store: what it keeps, readable with anyone's own SQL."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_gates import failed, passed
from run_facts import facts_of_run
from scipy.special import softmax

from convert.arrays import Array
from verify.gate import Measure, not_run
from verify.store.border import StoreError
from verify.store.rows import ImageFacts, ImageRow, Prediction
from verify.store.run_store import RunStore
from verify.store.schema import SCHEMA_VERSION
from verify.store.shard import Shard


def rows_of(torch: Array, paddle: Array | None = None) -> list[ImageRow]:
    """What the store gives back for images of label 0 with those logits."""
    with closing(RunStore(None)) as store:
        images = [ImageFacts(number, f"{number}.png", 0, 80, 60, "RGB") for number in range(len(torch))]
        store.put_batch(images, {"torch": torch, "paddle": torch if paddle is None else paddle})
        return store.rows()


def select(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def test_the_five_best_are_kept_best_first() -> None:
    (row,) = rows_of(np.array([[0.5, 3.0, -1.0, 2.0, 9.0, 1.0]], np.float32))

    prediction = row.predictions["torch"]
    assert (prediction.classes, prediction.logits) == ((4, 1, 3, 5, 0), (9.0, 3.0, 2.0, 1.0, 0.5))


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
        store.put_batch([ImageFacts(0, "broken.png", 3, 0, 0, "", "cut")], {})
        (row,) = store.rows()

    assert (row.name, row.label, row.error, row.predictions) == ("broken.png", 3, "cut", {})
    assert math.isnan(row.max_abs)


def test_the_confidence_is_the_softmax_of_the_best_class() -> None:
    logits = np.random.default_rng(0).normal(size=(1, 7)) * 5
    (row,) = rows_of(logits)

    assert row.predictions["torch"].confidence == pytest.approx(softmax(logits).max(), rel=1e-12)


def test_the_confidence_of_a_nan_is_no_number() -> None:
    (row,) = rows_of(np.array([[math.nan, 1.0]]))

    assert math.isnan(row.predictions["torch"].confidence)


def test_rows_come_in_the_sets_order_whatever_the_order_of_writing() -> None:
    with closing(RunStore(None)) as store:
        for number in (2, 0, 1):
            store.put_batch([ImageFacts(number, f"{number}.png", None, 1, 1, "L", "cut")], {})

        assert [row.name for row in store.rows()] == ["0.png", "1.png", "2.png"]


def test_a_batch_that_cannot_be_kept_as_a_whole_is_not_kept() -> None:
    images = [ImageFacts(number, "same.png", None, 1, 1, "L", "cut") for number in (0, 1)]
    with closing(RunStore(None)) as store:
        with pytest.raises(StoreError, match=r"^None: cannot be written: UNIQUE constraint failed: images\.name$"):
            store.put_batch(images, {})

        assert store.numbers() == set()


def test_the_file_is_open_to_anyones_own_sql(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with closing(RunStore(path)) as store:
        store.put_run(facts_of_run(shard=Shard(1, 2)))
        logits = {"torch": np.array([[1.0, 2.0]]), "paddle": np.array([[2.0, 2.0]])}
        store.put_batch([ImageFacts(0, "a/x.png", 7, 80, 60, "CMYK")], logits)

    assert select(path, "SELECT part FROM run") == [("identity",), ("machine",), ("notes",), ("settings",)]
    assert select(path, "SELECT json_extract(document, '$.arch.name') FROM run WHERE part = 'identity'") == [
        ("convnext_tiny",)
    ]
    images = "SELECT id, name, label, width, height, mode, error, max_abs FROM images"
    assert select(path, images) == [(0, "a/x.png", 7, 80, 60, "CMYK", None, 1.0)]
    assert select(path, "SELECT * FROM predictions WHERE framework = 'paddle'") == [
        (0, "paddle", 0, 1, None, None, None, 2.0, 2.0, None, None, None, 0.5)
    ]


def test_what_was_put_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    facts = facts_of_run()
    gates = [
        passed("structure", "7 tensors", "all", Measure("tensors", 7), Measure("max rel", 1e-300, 0.1), digest="ab"),
        failed("float64 oracle", "much", "little", ("a problem", "another")),
        not_run("paired accuracy", "no --data", "x"),
    ]
    with closing(RunStore(tmp_path / "run.sqlite")) as store:
        store.put_run(facts)
        store.put_gates(gates)
        store.put_batch([ImageFacts(5, "x", None, 1, 1, "L", "cut")], {})
    with closing(RunStore(tmp_path / "run.sqlite")) as store:
        assert (store.run(), store.gates(), store.numbers()) == (facts, gates, {5})


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with closing(RunStore(path)), pytest.raises(StoreError) as caught:
        RunStore(path)

    assert str(caught.value) == (
        f"{path}: cannot be opened: another process is using it; wait for it, or take another --report folder"
    )


BAD_FILES = {
    "no database": (b"x" * 2000, "is no run store: file is not a database; another --report folder gets a new one"),
    "an older version": (
        None,
        f"is a run store of version 1, this is {SCHEMA_VERSION}; another --report folder gets a new one",
    ),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_another_file_is_refused_and_left_as_it_is(kind: str, tmp_path: Path) -> None:
    path, (content, message) = tmp_path / "run.sqlite", BAD_FILES[kind]
    if content is None:
        with closing(sqlite3.connect(path)) as database:
            database.executescript("PRAGMA user_version = 1; CREATE TABLE run (key TEXT)")
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        RunStore(path)

    assert str(caught.value) == f"{path}: {message}"
    assert path.read_bytes() == before


def test_a_store_that_must_exist_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        RunStore.open(tmp_path / "absent.sqlite")

    assert str(caught.value) == (
        f"{tmp_path / 'absent.sqlite'}: no such file; name the run stores that `verify --report` wrote"
    )
    assert not list(tmp_path.iterdir())
