"""The run store: one SQLite file a run, a row an image and framework, open to anyone's own SQL.

What a run is of stands in it. A run that was ended goes on where it stood; one of anything else is another run.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from convert.arrays import Array
from convert.errors import shown
from convert.frameworks import FRAMEWORKS
from verify.gate import Gate
from verify.store.border import StoreError, is_locked, reading, writing
from verify.store.checksums import checksum_of, kept, row_checksum
from verify.store.documents import facts_documents, gate_document, read_facts, read_gate
from verify.store.facts import RunFacts
from verify.store.lock import WriterLock
from verify.store.rows import TOP, ImageFacts, ImageRow, Prediction, top_classes
from verify.store.schema import open_database

MAX_DOCUMENT = 1 << 24  # characters; the names of 21,841 classes are a million
PATIENCE = 300.0  # seconds that a commit waits for whoever is reading; a select of all rows takes one or two
IMAGES = "SELECT id, name, label, width, height, mode, error, max_abs, checksum FROM images ORDER BY id"
PUT_IMAGE = "INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
PUT_PREDICTION = "INSERT INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
PREDICTIONS = "SELECT * FROM predictions ORDER BY image, framework"
NoneType = type(None)

Rows = Sequence[Sequence[object]]


class RunStore:
    """A run store in one file, to be written to; what stands in it already stays.

    Args:
        path: the file, made if it does not exist; None keeps the rows in memory.
        lock: of that path, where it is held already; the store releases it.

    Raises:
        StoreError: the file is no run store of this version, is damaged, cannot be opened, or another process
            writes to it.
    """

    def __init__(self, path: Path | None, lock: WriterLock | None = None) -> None:
        self.path = path
        self._lock = lock or (WriterLock(path) if path else None)
        exclusive = self._lock is not None and not self._lock.held
        try:
            self.database = open_database(path, make=True, exclusive=exclusive)
        except BaseException:
            self._release()
            raise

    @classmethod
    def open(cls, path: Path) -> RunStore:
        """Opens a store to read it as it stands at this moment; it may be written to all the while.

        Raises:
            StoreError: there is none, or it is none, of another version, or damaged.
        """
        if not path.is_file():
            raise StoreError(f"{path}: no such file; name the run stores that `verify --report` wrote")
        store = cls.__new__(cls)
        store.path, store._lock = path, None
        store.database = open_database(path, make=False)
        return store

    def close(self) -> None:
        """Closes the file, which another process may then write to."""
        self.database.close()
        self._release()

    def _release(self) -> None:
        if self._lock:
            self._lock.release()

    def put_run(self, facts: RunFacts) -> None:
        """Notes what the run is of, in place of what stood there."""
        rows = [(part, text, checksum_of([part, text])) for part, text in facts_documents(facts).items()]
        self._write(("DELETE FROM run", [()]), ("INSERT INTO run VALUES (?, ?, ?)", rows))

    @property
    def holds_run(self) -> bool:
        """Whether it is noted what the run is of; not in a new store."""
        return bool(self._select("SELECT part FROM run LIMIT 1"))

    def run(self) -> RunFacts:
        """What the run is of.

        Raises:
            StoreError: nothing is noted, or what is noted is damaged.
        """
        if not self.holds_run:
            raise StoreError(f"{self.path}: holds no run; name the run stores that `verify --report` wrote")
        with reading(self.path):
            documents = {}
            self._check_length("SELECT max(length(document)) FROM run")
            for part, text, checksum in self._select("SELECT part, document, checksum FROM run"):
                _compare(checksum, checksum_of([part, text]), f"{shown(repr(part))} of `run`")
                documents[part] = text
            return read_facts(documents)

    def put_gates(self, gates: Iterable[Gate]) -> None:
        """The checkpoints' own gates, in place of what stood there."""
        texts = list(map(gate_document, gates))
        rows = [(text, checksum_of([text])) for text in texts]
        self._write(("DELETE FROM gates", [()]), ("INSERT INTO gates VALUES (?, ?)", rows))

    def gates(self) -> list[Gate]:
        """The checkpoints' own gates, in the order in which they were put."""
        with reading(self.path):
            self._check_length("SELECT max(length(document)) FROM gates")
            rows = self._select("SELECT rowid, document, checksum FROM gates ORDER BY rowid")
            for number, text, checksum in rows:
                _compare(checksum, checksum_of([text]), f"row {number} of `gates`")
            return [read_gate(text, f"row {number} of `gates`") for number, text, _ in rows]

    def numbers(self) -> set[int]:
        """Positions of the images that are done."""
        return {number for (number,) in self._select("SELECT id FROM images")}

    def count(self) -> int:
        """How many images are done."""
        ((count,),) = self._select("SELECT count(*) FROM images")
        return int(count)

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
        predictions = {
            framework: {number: [*map(kept, row)] for number, *row in _prediction_rows(read, logits[framework])}
            for framework in (FRAMEWORKS if read else ())
        }
        rows = []
        for image in images:
            columns = (*astuple(image)[:-1], image.error or None, kept(differences.get(image.number)))
            own = {name: of[image.number] for name, of in predictions.items() if image.number in of}
            rows.append((*columns, row_checksum(columns, own)))
        self._write(
            (PUT_IMAGE, rows),
            *(
                (PUT_PREDICTION, [(number, name, *row) for number, row in of.items()])
                for name, of in predictions.items()
            ),
        )

    def rows(self) -> list[ImageRow]:
        """Every image in the data set's order."""
        return list(self.numbered_rows().values())

    def numbered_rows(self) -> dict[int, ImageRow]:
        """Position in the data set to image, in that order.

        Raises:
            StoreError: a row is not what was written.
        """
        stored: dict[int, dict[str, Sequence[Any]]] = {}
        predictions, images = self._select(PREDICTIONS), self._select(IMAGES)
        with reading(self.path):
            for number, framework, *values in predictions:
                stored.setdefault(number, {})[framework] = values
            rows = {}
            for number, *values, checksum in images:
                own = stored.pop(number, {})
                _compare(checksum, row_checksum([number, *values], own), f"row {shown(number)}")
                rows[number] = _image(values, {name: _prediction(own[name]) for name in sorted(own)})
            if stored:
                raise ValueError(f"it has a prediction on image {shown(next(iter(stored)))}, which it lacks")
            if len(rows) < len(images):
                raise ValueError("it has an image twice")
            return {number: rows[number] for number in sorted(rows)}

    def _check_length(self, query: str) -> None:
        """Before a document is read, which takes many times its length."""
        ((longest,),) = self._select(query)
        if longest is not None and longest > MAX_DOCUMENT:
            raise ValueError(f"a document of {longest:,} characters")

    def _select(self, query: str) -> list[tuple[Any, ...]]:
        with reading(self.path):
            return self.database.execute(query).fetchall()

    def _write(self, *steps: tuple[str, Rows]) -> None:
        """Each statement with each of its rows, all in one transaction, as soon as no one reads."""
        end = time.monotonic() + PATIENCE
        with writing(self.path):
            while not self._wrote(steps, last=time.monotonic() > end):
                pass

    def _wrote(self, steps: Sequence[tuple[str, Rows]], *, last: bool) -> bool:
        try:
            self.database.execute("BEGIN IMMEDIATE")
            for statement, rows in steps:
                self.database.executemany(statement, rows)
            self.database.execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):
                self.database.rollback()
            if last or not is_locked(error):
                raise
            return False
        return True


def _compare(stored: object, computed: int, what: str) -> None:
    if stored != computed:
        raise ValueError(f"{what} is not what was written")


def _prediction_rows(numbers: Sequence[int], logits: Array) -> Iterable[tuple[Any, ...]]:
    """Image, classes, logits and confidence of each row of logits (N, num_classes)."""
    order = top_classes(logits)
    best = np.take_along_axis(logits, order, axis=1)
    confidence = _confidence(logits.astype(np.float64))
    gap: list[None] = [None] * (TOP - order.shape[1])
    for number, classes, values, sure in zip(numbers, order.tolist(), best.tolist(), confidence.tolist(), strict=True):
        yield (number, *classes, *gap, *values, *gap, sure)


def _confidence(logits: Array) -> Array:
    with np.errstate(invalid="ignore", over="ignore"):
        confidence: Array = 1 / np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)
    return confidence


def _prediction(values: Sequence[Any]) -> Prediction:
    classes = tuple(value for value in values[:TOP] if value is not None)
    if not classes or not all(type(value) is int and value >= 0 for value in classes):
        raise ValueError(f"the classes of a prediction are {shown(values[:TOP])}")
    confidence = _number(values[2 * TOP])
    if confidence < 0 or confidence > 1:  # both False for NaN
        raise ValueError(f"the confidence of a prediction is {confidence}")
    return Prediction(classes, tuple(map(_number, values[TOP : TOP + len(classes)])), confidence)


def _image(values: Sequence[Any], predictions: Mapping[str, Prediction]) -> ImageRow:
    name, label, _, _, _, error, max_abs = values
    types = ((name, str), (label, (int, NoneType)), (error, (str, NoneType)))
    if not all(isinstance(value, kind) for value, kind in types):
        raise ValueError(f"name, label and error of an image are {shown((name, label, error))}")
    largest = _number(max_abs)
    if largest < 0:  # False for NaN
        raise ValueError(f"the largest difference of an image's logits is {largest}")
    return ImageRow(name, label, error, largest, predictions)


def _number(value: Any) -> float:
    """NaN, which SQLite keeps as NULL, or the number."""
    if not isinstance(value, (float, int, NoneType)):
        raise ValueError(f"{shown(repr(value))} stands in the place of a number")
    return float("nan") if value is None else float(value)
