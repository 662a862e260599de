"""The accuracy run: every image once, whatever interrupts it, however it is shared out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_images import write_images
from pairs import BATCH, PROTOCOL, write_pair

from convert.arrays import Array
from convert.errors import FerryError
from verify.accuracy.evaluate import RunPlan, evaluate
from verify.datasets import Dataset, read_dataset
from verify.store.facts import Speed
from verify.store.rows import ImageFacts
from verify.store.run_store import RunStore
from verify.store.shard import Shard, parse_shard
from verify.workers.compute import Compute
from verify.workers.worker import Worker

pytest_plugins = ["stand_ins"]

PLAN = RunPlan(protocol=PROTOCOL, batch_size=BATCH, decoders=2, compute=Compute(threads=1))
IMAGES = 23  # four batches of five and one of three


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Images of which two, in one batch and in another, cannot be decoded."""
    root = write_images(tmp_path_factory.mktemp("images"), count=IMAGES)
    for name in ("class_01/image_01.JPEG", "class_05/image_15.JPEG"):
        (root / name).write_bytes((root / name).read_bytes()[:200])
    return read_dataset(root, 10)


@pytest.fixture(scope="module")
def loaded(workers: dict[str, Worker], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Worker]:
    pair = write_pair(tmp_path_factory.mktemp("pair"))
    for framework, worker in workers.items():
        worker.load(pair.load_job(framework))
    return workers


def dump(store: RunStore) -> list[str]:
    """Every row of every image, as SQL that would write it."""
    return [
        line for line in store.database.iterdump() if line.startswith(('INSERT INTO "images"', 'INSERT INTO "pred'))
    ]


@pytest.fixture(scope="module")
def whole(dataset: Dataset, loaded: dict[str, Worker]) -> list[str]:
    """The rows of an uninterrupted run."""
    with closing(RunStore(None)) as store:
        evaluate(dataset, PLAN, loaded, store)
        return dump(store)


class Interrupting(RunStore):
    """A store at which Ctrl-C is pressed before it keeps its n-th batch."""

    def __init__(self, path: Path, batches: int) -> None:
        super().__init__(path)
        self.left = batches

    def put_batch(self, images: Sequence[ImageFacts], logits: Mapping[str, Array]) -> None:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        super().put_batch(images, logits)


def test_every_image_is_in_the_store_once_with_its_label(dataset: Dataset, whole: list[str]) -> None:
    images = [line for line in whole if '"images"' in line]

    assert len(images) == IMAGES
    for number, (line, item) in enumerate(zip(images, dataset.items, strict=True)):
        assert line.startswith(f"INSERT INTO \"images\" VALUES({number},'{item.name}',{item.label},")


def test_images_that_cannot_be_decoded_have_their_reason_and_no_prediction(
    dataset: Dataset, loaded: dict[str, Worker]
) -> None:
    with closing(RunStore(None)) as store:
        evaluate(dataset, PLAN, loaded, store)
        broken = {row.name: len(row.predictions) for row in store.rows() if row.error}
        others = {len(row.predictions) for row in store.rows() if not row.error}

    assert broken == {"class_01/image_01.JPEG": 0, "class_05/image_15.JPEG": 0}
    assert others == {2}


def test_a_batch_without_one_image_that_can_be_decoded_runs(tmp_path: Path, loaded: dict[str, Worker]) -> None:
    root = write_images(tmp_path, count=2, classes=2)
    for path in root.glob("*/*"):
        path.write_bytes(b"no image")
    with closing(RunStore(None)) as store:
        evaluate(read_dataset(root, 2), PLAN, loaded, store)

        assert [row.read for row in store.rows()] == [False, False]


@pytest.mark.parametrize("batches", range(5))
def test_a_run_that_was_interrupted_goes_on_to_the_very_rows(
    batches: int, dataset: Dataset, loaded: dict[str, Worker], whole: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "run.sqlite"
    with closing(Interrupting(path, batches)) as store, pytest.raises(KeyboardInterrupt):
        evaluate(dataset, PLAN, loaded, store)
    with closing(RunStore(path)) as store:
        before = len(store.numbers())
        speed = evaluate(dataset, PLAN, loaded, store)

        assert dump(store) == whole
    assert (before, speed.before, speed.images) == (batches * BATCH, batches * BATCH, IMAGES - batches * BATCH)


def test_a_run_that_is_done_computes_nothing(dataset: Dataset, loaded: dict[str, Worker], tmp_path: Path) -> None:
    with closing(RunStore(tmp_path / "run.sqlite")) as store:
        evaluate(dataset, PLAN, loaded, store)
        again = evaluate(dataset, PLAN, {}, store)

    assert again == Speed(images=0, before=IMAGES, seconds=0.0)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_the_shards_together_have_the_very_rows_of_one_run(
    count: int, dataset: Dataset, loaded: dict[str, Worker], whole: list[str]
) -> None:
    rows: list[str] = []
    for number in range(count, 0, -1):
        with closing(RunStore(None)) as store:
            evaluate(dataset, replace(PLAN, shard=Shard(number, count)), loaded, store)
            rows += dump(store)

    assert sorted(rows) == sorted(whole)


def test_more_shards_than_batches_leave_one_without_an_image(dataset: Dataset, loaded: dict[str, Worker]) -> None:
    with closing(RunStore(None)) as store, pytest.raises(FerryError) as caught:
        evaluate(dataset, replace(PLAN, shard=Shard(1, 6)), loaded, store)

    assert str(caught.value) == "--shard 1/6: has no image; there are 5 batches, so take at most 5 shards"


def test_images_of_another_shard_in_the_store_are_an_error(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "run.1-of-2.sqlite"
    with closing(RunStore(path)) as store:
        store.put_batch([ImageFacts(22, "strange", None, 1, 1, "L", "cut")], {})
        with pytest.raises(FerryError) as caught:
            evaluate(dataset, replace(PLAN, shard=Shard(1, 2)), {}, store)

    assert str(caught.value) == f"{path}: holds image 22, which is none of shard 1/2; move it away"


def test_class_indices_choose_the_columns_of_both_frameworks(dataset: Dataset, loaded: dict[str, Worker]) -> None:
    order = np.array([3, 9, 0, 7, 5, 1])
    with closing(RunStore(None)) as plain, closing(RunStore(None)) as mapped:
        evaluate(dataset, PLAN, loaded, plain)
        evaluate(dataset, replace(PLAN, class_indices=order), loaded, mapped)
        pairs = [(a, b) for a, b in zip(plain.rows(), mapped.rows(), strict=True) if a.read]

    for framework in ("torch", "paddle"):
        best = [(a.predictions[framework].classes[0], order[b.predictions[framework].classes[0]]) for a, b in pairs]
        assert [one for one, other in best if one in order] == [other for one, other in best if one in order]
        assert any(one in order for one, _ in best)


@pytest.mark.parametrize("images", [1, 4, 5, 6, 23, 160])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_share_the_batches_out_evenly_and_in_order(images: int, count: int) -> None:
    batches = list(replace(PLAN, shard=Shard()).batches(images))
    parts = [list(Shard(number, count).share(batches)) for number in range(1, count + 1)]

    assert sum(parts, []) == batches  # noqa: RUF017 - a handful
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["", "2", "0/3", "4/3", "1/0", "-1/3", "1/3/5", "1 /3", "a/b", "\u0661/\u0663"])
def test_what_is_no_shard_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match="a shard is I/N with I from 1 to N") as caught:
        parse_shard(text)

    assert str(caught.value).startswith(repr(text))
