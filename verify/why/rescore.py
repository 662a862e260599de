"""A sample of the images seen under other protocols: each file is read once, and PyTorch's worker answers."""

from __future__ import annotations

import contextlib
import io
import warnings
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
from verify.images.decode import DECODE_ERRORS, FORMATS
from verify.images.preprocess import Pixels
from verify.why.mistakes import Hypothesis, Treatment, prepare
from verify.workers.batches import SharedBatch
from verify.workers.worker import Worker

if TYPE_CHECKING:
    from verify.why.question import Question

UNCHANGED = -1  # in place of a class: the change leaves the image's pixels as the run saw them

Classes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Opened:
    """A decoded file, as it lies and as its EXIF would turn it."""

    flat: Image.Image
    turned: Image.Image


def predict(
    worker: Worker, items: Sequence[Item], changes: Sequence[Hypothesis], *, question: Question
) -> list[Classes]:
    """For each change the best class of every image (N,) int64, `UNCHANGED` where it has no effect on the pixels.

    Raises:
        FerryError: an image that the run could read is gone, or the worker has no memory for a batch.
    """
    found: list[Classes] = [np.full(len(items), UNCHANGED) for _ in changes]
    side, most = question.recipe.size, min(question.batch_size, len(items))
    with (
        SharedBatch(most * 3 * side * side * 4) as shared,
        ThreadPoolExecutor(question.workers) as pool,
        tqdm(total=len(items) * len(changes), unit="image", desc="why", disable=None) as bar,
    ):
        for start in range(0, len(items), most):
            opened = list(pool.map(_open, items[start : start + most]))
            treatments = [Treatment(recipe=question.recipe), *(hypothesis.change for hypothesis in changes)]
            prepared = _prepared(pool, opened, treatments)
            base = next(prepared)
            for classes, batch in zip(found, prepared, strict=True):
                changed = [number for number, pixels in enumerate(batch) if _differs(pixels, base[number])]
                if changed:
                    job = shared.put(np.stack([pixels for pixels in (batch[i] for i in changed) if pixels is not None]))
                    classes[[start + number for number in changed]] = _best(worker.forward(job), question)
                bar.update(len(batch))
    return found


def _best(logits: Array, question: Question) -> Classes:
    chosen: Classes = (logits if question.class_indices is None else logits[:, question.class_indices]).argmax(axis=1)
    return chosen


def _prepared(
    pool: ThreadPoolExecutor, opened: Sequence[_Opened], treatments: Sequence[Treatment]
) -> Iterator[list[Pixels | None]]:
    """The images under each treatment in turn; the next is worked on while the worker has the last."""
    ahead: list[Future[Pixels | None]] = []
    for treatment in treatments:
        last, ahead = ahead, [pool.submit(_prepare, image, treatment) for image in opened]
        if last:
            yield [future.result() for future in last]
    yield [future.result() for future in ahead]


def _prepare(image: _Opened, treatment: Treatment) -> Pixels | None:
    try:
        return prepare(image.turned if treatment.turned else image.flat, treatment)
    except ValueError:  # a line of pixels that this resize makes too large, as the run's own did not
        return None


def _differs(pixels: Pixels | None, base: Pixels | None) -> bool:
    return pixels is not None and (base is None or not np.array_equal(pixels, base))


def _open(item: Item) -> _Opened:
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # of EXIF, as where the run decodes
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    try:
        with Image.open(io.BytesIO(item.blob.read()), formats=FORMATS) as image:
            flat = turned = image.convert("RGB")
            with contextlib.suppress(*DECODE_ERRORS):  # of broken EXIF, which turns nothing
                turned = ImageOps.exif_transpose(image).convert("RGB")
            return _Opened(flat, turned)
    except (BlobError, *DECODE_ERRORS) as error:
        raise FerryError(f"{item.name}: could be read in the run, and no longer: {error}") from error
