"""The run store: one SQLite file a run, a row an image and framework, open to anyone's own SQL.

What a run is of stands in it. A run that was ended goes on where it stood; one of anything else is another run.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

import numpy as np

from convert.arrays import Array
from convert.errors import FerryError, shown
from convert.frameworks import FRAMEWORKS
from verify.gate import Gate, Measure
from verify.store.documents import facts_documents, read_facts
from verify.store.facts import RunFacts
from verify.store.rows import TOP, ImageFacts, ImageRow, Prediction, top_classes

SCHEMA_VERSION = 3  # 2 kept what the run is of as sentences

SCHEMA = f"""
PRAGMA user_version = {SCHEMA_VERSION};
CREATE TABLE run (
    part TEXT PRIMARY KEY,   -- 'identity': the same in every shard; 'machine': the same when a run goes on;
                             -- 'notes'; 'settings': what a result is concluded from besides
    document TEXT NOT NULL   -- as JSON
);
CREATE TABLE gates (document TEXT NOT NULL);  -- of the checkpoints, in order, as JSON
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
    confidence REAL,         -- softmax of the best class
    PRIMARY KEY (image, framework)
) WITHOUT ROWID;
"""


SHOWN = 300  # characters of what is wrong with a store
ANEW = "run it anew into another --report folder"
NoneType = type(None)


class StoreError(FerryError):
    """A file that is no run store, or one that does not belong to the run."""


class RunStore:
    """A run store in one file; what stands in it already stays.

    Args:
        path: the file, made if it does not exist; None keeps the rows in memory.

    Raises:
        StoreError: the file is no run store of this version, or cannot be opened.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        try:
            self.database = sqlite3.connect(path or ":memory:", timeout=1)
            if path is not None:  # until it is closed, or its process ends however that ends
                self.database.executescript("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;")
            if not self.database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                self.database.executescript(SCHEMA)
            version = self.database.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.OperationalError as error:
            locked = "locked" in str(error)
            why = "another process is using it; wait for it, or take another --report folder" if locked else error
            raise StoreError(f"{path}: cannot be opened: {why}") from error
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{path}: is no run store: {error}; another --report folder gets a new one") from error
        if version != SCHEMA_VERSION:
            self.database.close()
            raise StoreError(
                f"{path}: is a run store of version {version}, this is {SCHEMA_VERSION}; "
                "another --report folder gets a new one"
            )

    @classmethod
    def open(cls, path: Path) -> RunStore:
        """Opens a store that exists. Raises StoreError if it does not."""
        if not path.is_file():
            raise StoreError(f"{path}: no such file; name the run stores that `verify --report` wrote")
        return cls(path)

    def close(self) -> None:
        """Closes the file, which other processes may then open."""
        self.database.close()

    def put_run(self, facts: RunFacts) -> None:
        """Notes what the run is of, in place of what stood there."""
        with self.database:
            self.database.execute("DELETE FROM run")
            self.database.executemany("INSERT INTO run VALUES (?, ?)", facts_documents(facts).items())

    @property
    def holds_run(self) -> bool:
        """Whether it is noted what the run is of; not in a new store."""
        return bool(self._select("SELECT part FROM run"))

    def run(self) -> RunFacts:
        """What the run is of.

        Raises:
            StoreError: nothing is noted, or what is noted is damaged.
        """
        if not self.holds_run:
            raise StoreError(f"{self.path}: holds no run; name the run stores that `verify --report` wrote")
        with self._damage_named():
            return read_facts(dict(self._select("SELECT part, document FROM run")))

    def put_gates(self, gates: Iterable[Gate]) -> None:
        """The checkpoints' own gates, in place of what stood there."""
        with self.database:
            self.database.execute("DELETE FROM gates")
            self.database.executemany("INSERT INTO gates VALUES (?)", [(_gate_text(gate),) for gate in gates])

    def gates(self) -> list[Gate]:
        """The checkpoints' own gates, in the order in which they were put."""
        texts = [text for (text,) in self._select("SELECT document FROM gates ORDER BY rowid")]
        with self._damage_named():
            return [_gate(text) for text in texts]

    def numbers(self) -> set[int]:
        """Positions of the images that are done."""
        return {number for (number,) in self._select("SELECT id FROM images")}

    def put_batch(self, images: Sequence[ImageFacts], logits: Mapping[str, Array]) -> None:
        """A batch's images, and both frameworks' logits (N, num_classes) of those without an error: all or nothing.

        Raises:
            StoreError: the disk is full, or fails; the store holds what it held before.
        """
        read = [image.number for image in images if not image.error]
        differences: dict[int, float] = {}
        if read:
            with np.errstate(invalid="ignore"):  # the difference of two infinities is NaN, which the gate sees
                largest = np.abs(logits["torch"].astype(np.float64) - logits["paddle"].astype(np.float64)).max(axis=1)
            differences = dict(zip(read, largest.tolist(), strict=True))
        try:
            with self.database:
                self.database.executemany(
                    "INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    [(*astuple(image)[:-1], image.error or None, differences.get(image.number)) for image in images],
                )
                for framework in FRAMEWORKS if read else ():
                    self.database.executemany(
                        "INSERT INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        _prediction_rows(read, framework, logits[framework]),
                    )
        except sqlite3.OperationalError as error:
            raise StoreError(f"{self.path}: cannot be written: {error}") from error

    def rows(self) -> list[ImageRow]:
        """Every image in the data set's order."""
        return list(self.numbered_rows().values())

    def numbered_rows(self) -> dict[int, ImageRow]:
        """Position in the data set to image, in that order."""
        predictions: dict[int, dict[str, Prediction]] = {}
        rows = self._select("SELECT * FROM predictions ORDER BY image, framework")
        images = self._select("SELECT id, name, label, error, max_abs FROM images ORDER BY id")
        with self._damage_named():
            for image, framework, *values in rows:
                predictions.setdefault(image, {})[framework] = _prediction(values)
            return {number: _image(values, predictions.get(number, {})) for number, *values in images}

    def _select(self, query: str) -> list[tuple[Any, ...]]:
        with self._damage_named():
            return self.database.execute(query).fetchall()

    @contextmanager
    def _damage_named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, ValueError, TypeError, KeyError, RecursionError) as error:
            raise StoreError(f"{self.path}: is a damaged run store: {shown(error, SHOWN)}; {ANEW}") from error


def _prediction_rows(numbers: Sequence[int], framework: str, logits: Array) -> Iterable[list[int | float | str | None]]:
    order = top_classes(logits)
    best = np.take_along_axis(logits, order, axis=1)
    confidence = _confidence(logits.astype(np.float64))
    gap: list[None] = [None] * (TOP - order.shape[1])
    for number, classes, values, sure in zip(numbers, order.tolist(), best.tolist(), confidence.tolist(), strict=True):
        yield [number, framework, *classes, *gap, *values, *gap, sure]


def _confidence(logits: Array) -> Array:
    with np.errstate(invalid="ignore", over="ignore"):
        confidence: Array = 1 / np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)
    return confidence


def _prediction(values: Sequence[Any]) -> Prediction:
    classes = tuple(value for value in values[:TOP] if value is not None)
    if not classes or not all(type(value) is int and value >= 0 for value in classes):
        raise ValueError(f"the classes of a prediction are {shown(values[:TOP])}")
    return Prediction(classes, tuple(map(_number, values[TOP : TOP + len(classes)])), _number(values[2 * TOP]))


def _image(values: Sequence[Any], predictions: Mapping[str, Prediction]) -> ImageRow:
    name, label, error, max_abs = values
    types = ((name, str), (label, (int, NoneType)), (error, (str, NoneType)))
    if not all(isinstance(value, kind) for value, kind in types):
        raise ValueError(f"name, label and error of an image are {shown((name, label, error))}")
    return ImageRow(name, label, error, _number(max_abs), predictions)


def _number(value: Any) -> float:
    """NaN, which SQLite keeps as NULL, or the number."""
    if not isinstance(value, (float, int, NoneType)):
        raise ValueError(f"{shown(repr(value))} stands in the place of a number")
    return float("nan") if value is None else float(value)


def _gate_text(gate: Gate) -> str:
    return json.dumps(asdict(gate))


def _gate(text: str) -> Gate:
    values = json.loads(text)
    return Gate(
        name=values["name"],
        measured=values["measured"],
        limit=values["limit"],
        measures=tuple(Measure(**measure) for measure in values["measures"]),
        problems=tuple(values["problems"]),
        details=tuple((name, detail) for name, detail in values["details"]),
        reason=values["reason"],
    )
