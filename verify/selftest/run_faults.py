"""Faults in the images, and in the run over them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import cast

import numpy as np

from convert.arrays import Array
from verify import sample
from verify.datasets import Dataset
from verify.selftest.bench import Workers
from verify.store.run_store import RunStore
from verify.workers.messages import ForwardJob
from verify.workers.worker import Worker

CLASSES = 10


def in_a_copy(change: Callable[[Path], None]) -> Callable[[Path], Path]:
    """The bundled images with a change in their folder."""

    def folder(scratch: Path) -> Path:
        copy = scratch / "images"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(sample.IMAGES, copy)
        change(copy)
        return copy

    return folder


def first(root: Path, label: int) -> Path:
    return min((root / str(label)).iterdir())


def replace_an_image(root: Path) -> None:
    shutil.copyfile(first(root, 3), first(root, 8))


def cut_an_image(root: Path) -> None:
    path = first(root, 2)
    path.write_bytes(path.read_bytes()[:200])


def lose_a_class(root: Path) -> None:
    shutil.rmtree(root / "7")


def add_a_class(root: Path) -> None:
    shutil.copytree(root / "7", root / "10")


def relabelled(change: Callable[[int], int]) -> Callable[[Dataset], Dataset]:
    def listed(dataset: Dataset) -> Dataset:
        return replace(dataset, items=tuple(replace(item, label=change(item.label or 0)) for item in dataset.items))

    return listed


def one_has_grown(dataset: Dataset) -> Dataset:
    """An image whose file changes between its listing and its reading."""
    one, *others = dataset.items
    return replace(dataset, items=(replace(one, nbytes=one.nbytes - 1), *others))


def changed_by(*statements: str) -> Callable[[RunStore], None]:
    """SQL on the run store, after the run."""

    def store(found: RunStore) -> None:
        with found.database:
            for statement in statements:
                found.database.execute(statement)

    return store


class _Overwriting:
    """A worker before which the second batch's pixels are overwritten by the first's."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.batches: list[Array] = []

    def forward(self, job: ForwardJob) -> Array:
        memory = SharedMemory(job.memory)
        view: Array = np.ndarray(job.shape, job.dtype, buffer=memory.buf)
        self.batches.append(view.copy() if not self.batches else view[:0].copy())
        if len(self.batches) == 2:
            view[...] = self.batches[0][: len(view)]
        del view
        memory.close()
        return self.worker.forward(job)


def a_batch_again(workers: Workers) -> Workers:
    """Both frameworks get the first batch's pixels for the second batch."""
    return {**workers, "torch": cast("Worker", _Overwriting(workers["torch"]))}
