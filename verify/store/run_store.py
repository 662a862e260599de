"""The run store: one SQLite file a run, a row an image and framework, open to anyone's own SQL.

What a run is of stands in it. A run that was ended goes on where it stood; one of anything else is another run.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path

import numpy as np

from convert.arrays import Array
from convert.errors import FerryError
from convert.files import NotRegular, refuse_irregular
from convert.frameworks import FRAMEWORKS
from verify.gate import Gate, Verdict
from verify.store.rows import TOP, ImageFacts, ImageRow, Prediction, RunFacts, top_classes

SCHEMA_VERSION = 2
SIBLINGS = ("-journal", "-wal", "-shm")  # that SQLite looks for beside a file

SCHEMA = f"""
PRAGMA user_version = {SCHEMA_VERSION};
CREATE TABLE run (
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    kind TEXT NOT NULL,      -- 'identity': the same in every shard; 'machine': the same when a run goes on; 'note';
                             -- 'setting': for programs
    PRIMARY KEY (kind, key)
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
        if path is not None:
            _refuse_irregular_files(path)
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
            for kind, values in facts.kinds().items():
                self.database.executemany(
                    "INSERT INTO run VALUES (?, ?, ?)", [(key, value, kind) for key, value in values.items()]
                )

    def run(self) -> RunFacts:
        """What the run is of; empty in a new store."""
        kinds: dict[str, dict[str, str]] = {"identity": {}, "machine": {}, "note": {}, "setting": {}}
        for key, value, kind in self.database.execute("SELECT key, value, kind FROM run ORDER BY rowid"):
            kinds[kind][key] = value
        return RunFacts(*kinds.values())

    def put_gates(self, gates: Iterable[Gate]) -> None:
        """The checkpoints' own gates, in place of what stood there."""
        with self.database:
            self.database.execute("DELETE FROM gates")
            self.database.executemany("INSERT INTO gates VALUES (?)", [(_gate_text(gate),) for gate in gates])

    def gates(self) -> list[Gate]:
        """The checkpoints' own gates, in the order in which they were put."""
        return [_gate(text) for (text,) in self.database.execute("SELECT document FROM gates ORDER BY rowid")]

    def numbers(self) -> set[int]:
        """Positions of the images that are done."""
        return {number for (number,) in self.database.execute("SELECT id FROM images")}

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
        for image, framework, *values in self.database.execute("SELECT * FROM predictions ORDER BY image, framework"):
            predictions.setdefault(image, {})[framework] = _prediction(values)
        images = self.database.execute("SELECT id, name, label, error, max_abs FROM images ORDER BY id")
        return {
            number: ImageRow(
                name, label, error, float("nan") if max_abs is None else max_abs, predictions.get(number, {})
            )
            for number, name, label, error, max_abs in images
        }


def _refuse_irregular_files(path: Path) -> None:
    """SQLite opens by name, what lies beside a store too, and would wait for ever where a pipe lies."""
    for place in (path, *(path.with_name(path.name + suffix) for suffix in SIBLINGS)):
        try:
            refuse_irregular(place)
        except NotRegular as error:
            raise StoreError(
                f"{place}: cannot be opened: {error.strerror}; another --report folder has none"
            ) from error


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


def _prediction(values: Sequence[float | None]) -> Prediction:
    classes = tuple(int(value) for value in values[:TOP] if value is not None)
    logits = tuple(float("nan") if value is None else value for value in values[TOP : TOP + len(classes)])
    confidence = values[2 * TOP]
    return Prediction(classes, logits, float("nan") if confidence is None else confidence)


def _gate_text(gate: Gate) -> str:
    return json.dumps([gate.name, gate.verdict.name, gate.measured, gate.limit, gate.problems, gate.values])


def _gate(text: str) -> Gate:
    name, verdict, measured, limit, problems, values = json.loads(text)
    pairs = tuple((str(key), value) for key, value in values)
    return Gate(name, Verdict[verdict], measured, limit, tuple(problems), pairs)
