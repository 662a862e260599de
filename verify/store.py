"""The run store: one SQLite file a run, a row an image and framework, open to anyone's own SQL."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convert.arrays import Array

TOP = 5
FRAMEWORKS = ("torch", "paddle")

SCHEMA = """
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE images (
    id INTEGER PRIMARY KEY,  -- position in the data set
    name TEXT NOT NULL UNIQUE,
    label INTEGER,           -- NULL in a set without labels
    width INTEGER, height INTEGER, mode TEXT,  -- of the file's own image
    error TEXT,              -- why it could not be decoded; such an image has no predictions
    max_abs REAL             -- largest difference of any logit between the frameworks; NULL where one is not a number
);
CREATE TABLE predictions (
    image INTEGER NOT NULL REFERENCES images (id),
    framework TEXT NOT NULL, -- 'torch' or 'paddle'
    class1 INTEGER, class2 INTEGER, class3 INTEGER, class4 INTEGER, class5 INTEGER,  -- best first
    logit1 REAL, logit2 REAL, logit3 REAL, logit4 REAL, logit5 REAL,
    confidence REAL,         -- softmax of the best class over all classes; NULL where it is not a number
    PRIMARY KEY (image, framework)
);
"""


@dataclass(frozen=True)
class Prediction:
    """One framework's view of one image.

    Attributes:
        classes: the five best, best first; fewer where the model has fewer.
        logits: theirs.
        confidence: softmax of the best class over all classes, in float64; NaN where it is not known.
    """

    classes: tuple[int, ...]
    logits: tuple[float, ...]
    confidence: float = math.nan

    @property
    def margin(self) -> float:
        """Logit of the best class less that of the second; inf for a model of one class."""
        return self.logits[0] - self.logits[1] if len(self.logits) > 1 else float("inf")


@dataclass(frozen=True)
class ImageRow:
    """One image of the run.

    Attributes:
        name: its path under the data set's folder.
        label: its class, or None.
        error: why it could not be decoded; None if it could.
        max_abs: the largest difference between the frameworks' logits; NaN where one is not a number.
        predictions: by framework; empty for an image that could not be decoded.
    """

    name: str
    label: int | None
    error: str | None
    max_abs: float
    predictions: Mapping[str, Prediction]

    @property
    def read(self) -> bool:
        """Whether both frameworks have a prediction."""
        return set(self.predictions) == set(FRAMEWORKS)

    @property
    def flipped(self) -> bool:
        """Whether their best classes differ."""
        return len({prediction.classes[0] for prediction in self.predictions.values()}) > 1


class RunStore:
    """A new run store; an existing file of that name is replaced.

    Args:
        path: the file, or None to keep the rows in memory.
    """

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.unlink(missing_ok=True)
        self.database = sqlite3.connect(path or ":memory:")
        self.database.executescript(SCHEMA)

    def close(self) -> None:
        self.database.close()

    def put_run(self, facts: Mapping[str, str]) -> None:
        """Notes what the run is of: protocol, files, versions."""
        with self.database:
            self.database.executemany("INSERT INTO run VALUES (?, ?)", facts.items())

    def put_image(self, number: int, name: str, label: int | None, facts: tuple[int, int, str, str | None]) -> None:
        """An image of the set with (width, height, mode, error), before or without its predictions."""
        with self.database:
            self.database.execute(
                "INSERT INTO images (id, name, label, width, height, mode, error) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (number, name, label, *facts),
            )

    def put_logits(self, numbers: Sequence[int], logits: Mapping[str, Array]) -> None:
        """Both frameworks' logits (N, num_classes) of those images, in one transaction."""
        with np.errstate(invalid="ignore"):  # the difference of two infinities is NaN, which the gate sees
            differences = np.abs(logits["torch"].astype(np.float64) - logits["paddle"].astype(np.float64)).max(axis=1)
        with self.database:
            self.database.executemany(
                "UPDATE images SET max_abs = ? WHERE id = ?", zip(differences.tolist(), numbers, strict=True)
            )
            for framework in FRAMEWORKS:
                rows = _top_rows(numbers, framework, logits[framework])
                self.database.executemany(
                    "INSERT INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
                )

    def rows(self) -> list[ImageRow]:
        """Every image in the data set's order."""
        predictions: dict[int, dict[str, Prediction]] = {}
        for image, framework, *values, confidence in self.database.execute(
            "SELECT * FROM predictions ORDER BY image, framework"
        ):
            classes = tuple(value for value in values[:TOP] if value is not None)
            logits = tuple(_number(value) for value in values[TOP : TOP + len(classes)])
            predictions.setdefault(image, {})[framework] = Prediction(classes, logits, _number(confidence))
        found = self.database.execute("SELECT id, name, label, error, max_abs FROM images ORDER BY id")
        return [
            ImageRow(name, label, error, _number(max_abs), predictions.get(number, {}))
            for number, name, label, error, max_abs in found
        ]


def _top_rows(numbers: Sequence[int], framework: str, logits: Array) -> Iterable[list[int | float | str | None]]:
    # Stable: among equal logits the lower class comes first in both frameworks alike. A NaN sorts last.
    order = np.argsort(-logits, axis=1, kind="stable")[:, :TOP]
    best = np.take_along_axis(logits, order, axis=1)
    sure = best_probability(logits)
    gap: list[None] = [None] * (TOP - order.shape[1])
    for number, classes, values, p in zip(numbers, order.tolist(), best.tolist(), sure.tolist(), strict=True):
        yield [number, framework, *classes, *gap, *values, *gap, p]


def best_probability(logits: Array) -> Array:
    """Softmax of each image's best class, (N,) float64, of logits (N, num_classes); NaN where a logit is."""
    with np.errstate(invalid="ignore"):
        wide = logits.astype(np.float64)
        return np.asarray(1 / np.exp(wide - wide.max(axis=1, keepdims=True)).sum(axis=1))


def _number(value: float | None) -> float:
    return math.nan if value is None else value  # SQLite keeps NaN as NULL
