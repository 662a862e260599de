"""The accuracy run: batch by batch through both frameworks, every batch in the store before the next one counts."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace

import numpy as np
from tqdm import tqdm

from convert.arrays import Array
from convert.errors import FerryError
from convert.frameworks import FRAMEWORKS
from verify.datasets import Dataset, Item
from verify.images.decode import Decoded, stamp
from verify.recipes.protocol import Protocol
from verify.store.facts import Speed
from verify.store.rows import ImageFacts, top_classes
from verify.store.run_store import RunStore
from verify.store.shard import Shard
from verify.workers.batches import SharedBatch, check_room
from verify.workers.compute import Compute
from verify.workers.decoders import Decoders
from verify.workers.messages import BatchRef
from verify.workers.worker import Worker, forward_both

AHEAD = 2  # batches that are decoded while another is computed
OVERWRITTEN = "its pixels in memory are not those that were decoded"  # a fault of this program, or of the machine


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """How a data set is run.

    Attributes:
        protocol: how images are prepared.
        batch_size: images a forward pass.
        shard: which of the batches.
        decoders: processes that decode.
        compute: where the models run.
        class_indices: (classes,) columns of the logits that are the data set's classes, in label order; None for all.
    """

    protocol: Protocol
    batch_size: int = 32
    shard: Shard = field(default_factory=Shard)
    decoders: int = 2
    compute: Compute = field(default_factory=Compute)
    class_indices: Array | None = None

    def batches(self, images: int) -> Sequence[range]:
        """The shard's batches of positions in a data set of so many images."""
        whole = [range(first, min(first + self.batch_size, images)) for first in range(0, images, self.batch_size)]
        return self.shard.share(whole)

    def check_room(self, images: int) -> None:
        """Raises FerryError where the batches of a data set of so many images do not fit into shared memory."""
        rows = max(map(len, self.batches(images)), default=0)
        check_room(rows * self.image_bytes, AHEAD + 1)

    @property
    def image_bytes(self) -> int:
        """Of an image's pixels in a batch."""
        return 3 * self.protocol.size * self.protocol.size * 4

    def items(self, dataset: Dataset) -> list[Item]:
        """The shard's images."""
        return [dataset.items[number] for batch in self.batches(len(dataset.items)) for number in batch]


def evaluate(dataset: Dataset, plan: RunPlan, workers: Mapping[str, Worker], store: RunStore) -> Speed:
    """Runs the shard's images that the store does not have; each batch is one transaction.

    Args:
        dataset: the images.
        plan: how.
        workers: with the float32 models loaded.
        store: of this run.

    Raises:
        FerryError: a worker was ended or ran out of memory, or the store cannot be written. What is in the store stays.
    """
    batches = plan.batches(len(dataset.items))
    if not batches:
        whole = -(-len(dataset.items) // plan.batch_size)
        raise FerryError(
            f"--shard {plan.shard}: has no image; there are {whole} batches, so take at most {whole} shards"
        )
    done = store.numbers()
    if strange := sorted(done - {number for batch in batches for number in batch}):
        raise FerryError(f"{store.path}: holds image {strange[0]}, which is none of shard {plan.shard}; move it away")
    left = [batch for batch in batches if batch.start not in done]  # a batch is in the store as a whole
    total = sum(map(len, batches))
    now = sum(map(len, left))
    if not left:
        return Speed(images=0, before=total, seconds=0.0)
    start = time.monotonic()
    # Closed here, not when the last reference goes: its processes and memory must not outlive an error.
    with (
        _ProgressBar(total, total - now) as progress,
        closing(_compute_batches(dataset.items, left, plan, workers)) as computed,
    ):
        for facts, logits in computed:
            store.put_batch(facts, logits)
            progress.add(facts, logits)
    return Speed(images=now, before=total - now, seconds=time.monotonic() - start)


def _compute_batches(
    items: Sequence[Item], batches: Sequence[range], plan: RunPlan, workers: Mapping[str, Worker]
) -> Generator[tuple[list[ImageFacts], dict[str, Array]], None, None]:
    side = plan.protocol.size
    with ExitStack() as stack:
        rows = max(map(len, batches))
        slots = [stack.enter_context(SharedBatch(rows * plan.image_bytes)) for _ in range(AHEAD + 1)]
        decoders = stack.enter_context(Decoders(plan.decoders, plan.protocol))
        ahead: deque[tuple[range, BatchRef, list[Future[list[Decoded]]]]] = deque()
        for number in range(len(batches) + AHEAD):
            if number < len(batches):
                batch = batches[number]
                ref = slots[number % len(slots)].ref((len(batch), 3, side, side), "float32")
                ahead.append((batch, ref, decoders.decode(items[batch.start : batch.stop], ref)))
            if number >= AHEAD:
                batch, ref, pieces = ahead.popleft()
                decoded = [image for piece in pieces for image in piece.result()]
                facts = [_facts(n, items[n], image) for n, image in zip(batch, decoded, strict=True)]
                stamps = [image.stamp for image in decoded if not image.error]
                slot = slots[(number - AHEAD) % len(slots)]
                ref = _drop_unreadable(slot, ref, facts)
                logits = _logits(workers, ref, plan)
                stamps_afterwards = [stamp(pixels) for pixels in slot.view(ref)]
                yield drop_overwritten(facts, logits, stamps, stamps_afterwards)


def _facts(number: int, item: Item, decoded: Decoded) -> ImageFacts:
    return ImageFacts(number, item.name, item.label, decoded.width, decoded.height, decoded.mode, decoded.error)


def _drop_unreadable(slot: SharedBatch, ref: BatchRef, facts: Sequence[ImageFacts]) -> BatchRef:
    """Where the batch lies without the rows of images that could not be decoded."""
    good = [row for row, image in enumerate(facts) if not image.error]
    if len(good) == len(facts):
        return ref
    rows = slot.view(ref)
    rows[: len(good)] = rows[good]
    return slot.ref((len(good), *ref.shape[1:]), ref.dtype)


def drop_overwritten(
    facts: list[ImageFacts], logits: dict[str, Array], expected: Sequence[int], actual: Sequence[int]
) -> tuple[list[ImageFacts], dict[str, Array]]:
    """The batch without the images whose pixels, after both models had them, are no longer the decoder's.

    Args:
        facts: of every image of the batch.
        logits: framework to (N, num_classes), of the images without an error.
        expected: stamps of those images' pixels as they were decoded.
        actual: stamps of what lies there after both models had it.
    """
    same = np.array([one == other for one, other in zip(expected, actual, strict=True)], bool)
    if same.all():
        return facts, logits
    verdicts = iter(same)
    facts = [image if image.error or next(verdicts) else replace(image, error=OVERWRITTEN) for image in facts]
    return facts, {framework: rows[same] for framework, rows in logits.items()}


def _logits(workers: Mapping[str, Worker], batch: BatchRef, plan: RunPlan) -> dict[str, Array]:
    if not batch.shape[0]:
        return {}
    logits = forward_both(workers, batch, plan.compute)
    if plan.class_indices is None:
        return logits
    return {framework: columns[:, plan.class_indices] for framework, columns in logits.items()}


class _ProgressBar:
    """The bar on a terminal: images a second, time left, both running top-1, flips. Use as a context manager."""

    def __init__(self, total: int, before: int) -> None:
        self.bar = tqdm(total=total, initial=before, unit="image", desc="verify", disable=None)
        self.labelled = self.flips = 0
        self.right = dict.fromkeys(FRAMEWORKS, 0)

    def __enter__(self) -> _ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # the terminal has gone, which is no reason to fail
            self.bar.close()

    def add(self, facts: Sequence[ImageFacts], logits: Mapping[str, Array]) -> None:
        if logits and not self.bar.disable:
            best = {framework: top_classes(logits[framework])[:, 0] for framework in FRAMEWORKS}
            labels = np.array([-1 if image.label is None else image.label for image in facts if not image.error])
            self.flips += int(np.count_nonzero(best["torch"] != best["paddle"]))
            self.labelled += int(np.count_nonzero(labels >= 0))
            for framework in FRAMEWORKS:
                self.right[framework] += int(np.count_nonzero(best[framework] == labels))
            scores = {name: f"{100 * right / self.labelled:.2f}" for name, right in self.right.items() if self.labelled}
            self.bar.set_postfix(scores | {"flips": str(self.flips)}, refresh=False)
        with suppress(OSError):
            self.bar.update(len(facts))
