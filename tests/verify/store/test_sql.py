"""The questions that the run store's manual asks it, put to a store."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from verify.store.rows import ImageFacts
from verify.store.run_store import RunStore

MANUAL = Path(__file__).resolve().parents[3] / "verify/store/README.md"
FLIPS, CLASSES, WRONG = re.findall(r"^```sql\n(.*?)^```$", MANUAL.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Five images of two classes: both have `b` and `c` wrong, Paddle alone has `d` wrong, and `e` is broken."""
    torch = np.array([[2, 0], [3, 0], [1, 0], [0, 0.125]], np.float32)
    paddle = np.array([[2, 0], [3, 0], [1, 0], [0.125, 0]], np.float32)
    images = [
        ImageFacts(number, name, label, 8, 8, "RGB")
        for number, (name, label) in enumerate(zip("abcd", (0, 1, 1, 1), strict=True))
    ]
    path = tmp_path / "run.sqlite"
    with closing(RunStore(path)) as store:
        store.put_batch([*images, ImageFacts(4, "e", 0, 0, 0, "", "cut short")], {"torch": torch, "paddle": paddle})
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def test_whose_best_class_differs(database: sqlite3.Connection) -> None:
    assert database.execute(FLIPS).fetchall() == [("d", 1, 1, 0, 0.125)]


def test_which_classes_are_worst(database: sqlite3.Connection) -> None:
    rows = database.execute(CLASSES).fetchall()

    assert rows == [(1, "paddle", 3, 0.0), (1, "torch", 3, 33.33), (0, "paddle", 1, 100.0), (0, "torch", 1, 100.0)]


def test_what_paddle_has_wrong(database: sqlite3.Connection) -> None:
    rows = database.execute(WRONG).fetchall()

    assert [(name, label, best, margin) for name, label, best, _, margin in rows] == [
        ("b", 1, 0, 3.0),
        ("c", 1, 0, 1.0),
        ("d", 1, 0, 0.125),
    ]
