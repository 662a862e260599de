"""A sample of the images seen under other protocols: each file is read once, and PyTorch's worker answers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps
from tqdm import tqdm

from convert.arrays import Array
from convert.errors import FerryError
from verify.datasets import BlobError, Item
from verify.images.decode import DECODE_ERRORS, DecodeError, open_image, to_rgb
from verify.images.preprocess import Pixels
from verify.images.quiet import quiet_libraries
from verify.why.mistakes import Hypothesis, Treatment, prepare
from verify.workers.batches import SharedBatch
from verify.workers.worker import Worker

if TYPE_CHECKING:
    from verify.why.question import Question

UNCHANGED = -1  # in place of a class: the change leaves the image's pixels as the run saw them

Classes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class OpenedImage:
    """A decoded image, as its file holds it and as its EXIF would turn it."""

    flat: Image.Image
    turned: Image.Image


def predict(
    worker: Worker, items: Sequence[Item], changes: Sequence[Hypothesis], *, question: Question
) -> list[Classes]:
    """For each change the best class of every image (N,) int64, `UNCHANGED` where it has no effect on the pixels.

    Raises:
        FerryError: an image that the run could read is gone, or the worker has no memory for a batch.
    """
    best: list[Classes] = [np.full(len(items), UNCHANGED) for _ in changes]
    side, most = question.protocol.size, min(question.batch_size, len(items))
    with (
        SharedBatch(most * 3 * side * side * 4) as shared,
        ThreadPoolExecutor(question.threads) as pool,
        tqdm(total=len(items) * len(changes), unit="image", desc="why", disable=None) as bar,
    ):
        for start in range(0, len(items), most):
            with quiet_libraries():
                opened = list(pool.map(open_item, items[start : start + most]))
            treatments = [Treatment(protocol=question.protocol), *(hypothesis.change for hypothesis in changes)]
            prepared = _prepared(pool, opened, treatments)
            base = next(prepared)
            for classes, batch in zip(best, prepared, strict=True):
                changed = [number for number, image in enumerate(batch) if _differs(image, base[number])]
                if changed:
                    pixels = np.stack([image for image in (batch[number] for number in changed) if image is not None])
                    logits = worker.forward(shared.put(pixels))
                    classes[[start + number for number in changed]] = _best_classes(logits, question)
                bar.update(len(batch))
    return best


def _best_classes(logits: Array, question: Question) -> Classes:
    if question.class_indices is not None:
        logits = logits[:, question.class_indices]
    best: Classes = logits.argmax(axis=1)
    return best


def _prepared(
    pool: ThreadPoolExecutor, opened: Sequence[OpenedImage], treatments: Sequence[Treatment]
) -> Iterator[list[Pixels | None]]:
    """The images under each treatment in turn; the next is worked on while the worker has the last."""
    ahead: list[Future[Pixels | None]] = []
    for treatment in treatments:
        last, ahead = ahead, [pool.submit(_prepare, image, treatment) for image in opened]
        if last:
            yield [future.result() for future in last]
    yield [future.result() for future in ahead]


def _prepare(image: OpenedImage, treatment: Treatment) -> Pixels | None:
    try:
        return prepare(image.turned if treatment.turned else image.flat, treatment)
    except ValueError:  # a line of pixels that this resize makes too large, as the run's own did not
        return None


def _differs(pixels: Pixels | None, base: Pixels | None) -> bool:
    return pixels is not None and (base is None or not np.array_equal(pixels, base))


def open_item(item: Item) -> OpenedImage:
    """Reads and decodes one image.

    Raises:
        FerryError: it can no longer be read.
    """
    try:
        with open_image(item.blob.read(), item.name) as image:
            flat = turned = to_rgb(image)
            with contextlib.suppress(*DECODE_ERRORS):  # of broken EXIF, which turns nothing
                turned = ImageOps.exif_transpose(image).convert("RGB")
            return OpenedImage(flat, turned)
    except (BlobError, OSError, MemoryError, DecodeError) as error:
        raise FerryError(f"{item.name}: could be read in the run, and no longer: {error}") from error
