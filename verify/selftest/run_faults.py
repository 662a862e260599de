"""Faults in the images, and in the run over them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from convert.arrays import Array
from verify import sample
from verify.datasets import Dataset
from verify.selftest.bench import Workers
from verify.store.checksums import row_checksum
from verify.store.run_store import IMAGES, PREDICTIONS, RunStore
from verify.workers.batches import Attached
from verify.workers.messages import BatchRef
from verify.workers.worker import Worker

CLASSES = 10


def change_a_copy(change: Callable[[Path], None]) -> Callable[[Path], Path]:
    """Makes the function that copies the bundled images into a folder and changes the copy."""

    def folder(scratch: Path) -> Path:
        copy = scratch / "images"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(sample.IMAGES, copy)
        change(copy)
        return copy

    return folder


def first_image(root: Path, label: int) -> Path:
    return min((root / str(label)).iterdir())


def replace_an_image(root: Path) -> None:
    shutil.copyfile(first_image(root, 3), first_image(root, 8))


def cut_an_image(root: Path) -> None:
    path = first_image(root, 2)
    path.write_bytes(path.read_bytes()[:200])


def lose_a_class(root: Path) -> None:
    shutil.rmtree(root / "7")


def add_a_class(root: Path) -> None:
    shutil.copytree(root / "7", root / "10")


def relabel(change: Callable[[int], int]) -> Callable[[Dataset], Dataset]:
    def change_labels(dataset: Dataset) -> Dataset:
        return replace(dataset, items=tuple(replace(item, label=change(item.label or 0)) for item in dataset.items))

    return change_labels


def grow_after_listing(dataset: Dataset) -> Dataset:
    """Lists one image with a byte less, as if its file had grown between its listing and its reading."""
    grown, *others = dataset.items
    return replace(dataset, items=(replace(grown, nbytes=grown.nbytes - 1), *others))


def change_store(*statements: str) -> Callable[[RunStore], None]:
    """Makes the function that runs SQL on the run store after the run, as if the run had written those rows itself."""

    def run_statements(store: RunStore) -> None:
        with store.database:
            for statement in (*statements, "DELETE FROM predictions WHERE image NOT IN (SELECT id FROM images)"):
                store.database.execute(statement)
            _renew_checksums(store)

    return run_statements


def _renew_checksums(store: RunStore) -> None:
    """Without this the store's own checksums would tell of the fault, and no gate would get to see it."""
    predictions: dict[int, dict[str, Sequence[object]]] = {}
    for number, framework, *values in store.database.execute(PREDICTIONS):
        predictions.setdefault(number, {})[framework] = values
    for *columns, _ in store.database.execute(IMAGES).fetchall():
        checksum = row_checksum(columns, predictions.get(columns[0], {}))
        store.database.execute("UPDATE images SET checksum = ? WHERE id = ?", (checksum, columns[0]))


class _OverwritingWorker:
    """A worker that overwrites the second batch's pixels with the first's before it computes."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.batches: list[Array] = []

    def forward(self, batch: BatchRef) -> Array:
        with Attached() as attached:
            view = attached.view(batch)
            self.batches.append(view.copy() if not self.batches else view[:0].copy())
            if len(self.batches) == 2:
                view[...] = self.batches[0][: len(view)]
            del view
        return self.worker.forward(batch)


def repeat_first_batch(workers: Workers) -> Workers:
    """Gives both frameworks the first batch's pixels for the second batch."""
    return {**workers, "torch": cast("Worker", _OverwritingWorker(workers["torch"]))}
