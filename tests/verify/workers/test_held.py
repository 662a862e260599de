"""What was checked is what a framework loads: files are read once, into memory that nobody can change."""

from __future__ import annotations

import gc
import hashlib
import io
import json
import os
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
import torch
from checkpoint_files import as_tensors
from pairs import write_pair
from safetensors.torch import save_file
from twins import TINY

import convert.files
from convert.errors import FerryError, UnreadableSource
from convert.source.read import read_source
from verify.facts import facts_of
from verify.gate import Verdict
from verify.gates.structure import file_digests, run_structure
from verify.options import Options
from verify.pair import Pair, read_pair
from verify.recipes.choose import ChosenRecipe
from verify.recipes.protocol import Protocol
from verify.selftest.weights import distinct_weights
from verify.workers import paddle_backend, torch_backend
from verify.workers.held import PaddleStream, hold_file
from verify.workers.worker import Worker

pytest_plugins = ["stand_ins"]


class Runs:
    """What, unpickled, leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def exchange(pair: Pair, mark: Path) -> None:
    """Puts files that run code in the place of both."""
    for path in (pair.source.path, pair.target.path):
        other = path.with_name("other")
        other.write_bytes(pickle.dumps(Runs(mark)))
        other.replace(path)


def overwrite(pair: Pair, mark: Path) -> None:
    """Writes what runs code over both."""
    for path in (pair.source.path, pair.target.path):
        path.write_bytes(pickle.dumps(Runs(mark)))


def remove(pair: Pair, _mark: Path) -> None:
    for path in (pair.source.path, pair.target.path):
        path.unlink()


@pytest.mark.parametrize("change", [exchange, overwrite, remove])
def test_the_models_are_of_the_bytes_that_were_checked_whatever_the_paths_stand_for(
    change: Callable[[Pair, Path], None], workers: Mapping[str, Worker], tmp_path: Path
) -> None:
    pair = write_pair(tmp_path)
    files = file_digests(pair)
    sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.iterdir()}
    change(pair, tmp_path / "it ran")

    gate = run_structure(pair, files, workers)

    assert (gate.verdict, dict(gate.details)["readers"]) == (
        Verdict.PASSED,
        "torch by torch.load, paddle by paddle.load",
    )
    assert not (tmp_path / "it ran").exists()
    facts = facts_of(Options(src=pair.source.path, dst=pair.target.path), pair, given_recipe())
    assert facts.identity.source.sha256 == sums["x.pth"]
    assert facts.identity.target.sha256 == sums["x.pdparams"]


def given_recipe() -> ChosenRecipe:
    return ChosenRecipe(protocol=Protocol(size=64, resize=72), recipe=None, overridden=(), how="given")


def test_the_shards_of_an_index_are_held_too(workers: Mapping[str, Worker], tmp_path: Path) -> None:
    pair = write_pair(tmp_path)
    weights = distinct_weights(TINY.params(), dtype="float32")
    weight_map = {name: f"{number % 3}.safetensors" for number, name in enumerate(weights)}
    for shard in set(weight_map.values()):
        tensors = {name: array for name, array in weights.items() if weight_map[name] == shard}
        save_file(as_tensors(tensors), tmp_path / shard)
    index = tmp_path / "x.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    pair = read_pair(TINY, index, pair.target.path)
    files = file_digests(pair)
    for path in tmp_path.iterdir():
        path.unlink()

    assert run_structure(pair, files, workers).verdict is Verdict.PASSED


def test_nobody_can_write_to_what_is_held(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"content")
    file = hold_file(tmp_path / "x")

    for change in (lambda: os.pwrite(file.descriptor, b"C", 0), lambda: os.ftruncate(file.descriptor, 0)):
        with pytest.raises(PermissionError):
            change()
    with pytest.raises(TypeError):
        file.content[0] = 0
    assert bytes(file.content) == b"content"


def test_held_memory_is_given_back(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"content")
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a folder of links that come and go

    for _ in range(10):
        hold_file(tmp_path / "x")
    gc.collect()

    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - as above


def test_a_file_that_changes_while_it_is_taken_into_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_bytes(bytes(3 << 20))
    os.utime(tmp_path / "x", (0, 0))
    read_at = convert.files.read_at

    def meddled(descriptor: int, position: int, target: memoryview) -> int:
        if position:
            with (tmp_path / "x").open("r+b") as file:
                file.write(b"other")
        return read_at(descriptor, position, target)

    monkeypatch.setattr(convert.files, "read_at", meddled)

    with pytest.raises(UnreadableSource) as caught:
        hold_file(tmp_path / "x")

    cause = "changed while it was read; wait until whoever writes it has finished, and run this again"
    assert str(caught.value) == f"{tmp_path}/x: {cause}"


def test_memory_that_cannot_be_had_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(_descriptor: int, _content: object) -> int:
        raise OSError(28, "No space left on device")

    (tmp_path / "x").write_bytes(b"content")
    monkeypatch.setattr(os, "write", write)

    with pytest.raises(FerryError) as caught:
        hold_file(tmp_path / "x")

    said = "cannot be held in memory: No space left on device; its 7 bytes must fit beside the models"
    assert str(caught.value) == f"{tmp_path}/x: {said}"


def test_without_such_memory_a_file_without_a_name_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    (tmp_path / "x").write_bytes(b"content")

    file = hold_file(tmp_path / "x")

    assert bytes(file.content) == b"content"
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return write_pair(tmp_path)


LOADERS = {"torch": (torch, torch_backend), "paddle": (paddle, paddle_backend)}


@pytest.mark.parametrize("framework", LOADERS)
def test_what_a_framework_s_loader_raises_is_an_error_of_the_file(
    framework: str, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, backend = LOADERS[framework]

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no \x1b[31mred\nsecond line")

    monkeypatch.setattr(module, "load", refuse)

    with pytest.raises(FerryError) as caught:
        backend._read(pair.load_job(framework))

    said = r"refuses what paddleferry's reader accepts: RuntimeError: no \x1b[31mred"
    assert str(caught.value) == f"{framework}.load {said}"


@pytest.mark.parametrize("framework", LOADERS)
def test_a_key_that_a_framework_s_loader_does_not_find_is_one_too(
    framework: str, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, backend = LOADERS[framework]
    monkeypatch.setattr(module, "load", lambda *_, **__: {"model": {}})

    with pytest.raises(FerryError) as caught:
        backend._read(pair.load_job(framework))

    assert str(caught.value).startswith(f"{framework}.load refuses what paddleferry's reader accepts: KeyError: ")


def test_paddle_s_loader_gets_no_copy_and_reads_the_same(pair: Pair) -> None:
    file = hold_file(pair.target.path)

    ours = paddle.load(PaddleStream(file.content), return_numpy=True)
    theirs = paddle.load(io.BytesIO(bytes(file.content)), return_numpy=True)

    assert list(ours) == list(theirs)
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    assert read_source(file, arch=TINY).tensors.keys() == pair.target.tensors.keys()
