"""Processes that decode images into memory that the frameworks' workers see."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType

from verify.datasets import Item
from verify.images.decode import Decoded, decode_item
from verify.recipes.protocol import Protocol
from verify.workers.batches import Attached
from verify.workers.child import Child, answer
from verify.workers.messages import BatchRef

PIECE = 4  # images a message: enough to hide the message's cost, few enough to share a batch out evenly


@dataclass(frozen=True)
class DecodeJob:
    """Asks a decoder for images.

    Attributes:
        items: the images.
        protocol: how they are prepared.
        batch: where their pixels go.
        first_row: row of the batch that gets the first of them.
    """

    items: tuple[Item, ...]
    protocol: Protocol
    batch: BatchRef
    first_row: int


class Decoders:
    """So many processes that decode, started at once. Use as a context manager.

    Args:
        count: of processes.
        protocol: how images are prepared.
    """

    def __init__(self, count: int, protocol: Protocol) -> None:
        self.protocol = protocol
        self._count = count
        self._stack = ExitStack()
        self._all: list[_Decoder] = []
        self._free: queue.SimpleQueue[_Decoder] = queue.SimpleQueue()

    def __enter__(self) -> Decoders:
        with ExitStack() as stack:
            for number in range(self._count):
                decoder = stack.enter_context(_Decoder(number))
                self._all.append(decoder)
                self._free.put(decoder)
            self._threads = ThreadPoolExecutor(self._count)  # each waits for a process
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind:  # the threads wait for their processes, and nothing of theirs is wanted any more
            for decoder in self._all:
                decoder.kill()
        self._threads.shutdown(cancel_futures=True)
        self._stack.close()

    def decode(self, items: Sequence[Item], batch: BatchRef) -> list[Future[list[Decoded]]]:
        """Starts decoding a batch; what was found comes in the items' order, the pixels go into the batch's rows."""
        jobs = [
            DecodeJob(tuple(items[first_row : first_row + PIECE]), self.protocol, batch, first_row)
            for first_row in range(0, len(items), PIECE)
        ]
        return [self._threads.submit(self._ask, job) for job in jobs]

    def _ask(self, job: DecodeJob) -> list[Decoded]:
        decoder = self._free.get()
        try:
            images: list[Decoded] = decoder.call(job)
        finally:
            self._free.put(decoder)
        return images


class _Decoder(Child):
    def __init__(self, number: int) -> None:
        super().__init__(f"decoder {number + 1}", _serve, hint="a smaller --batch-size or fewer --workers help")

    def __enter__(self) -> _Decoder:
        return self


def _serve(connection: Connection) -> None:
    with Attached() as attached:
        answer(connection, {DecodeJob: lambda job: _decode(job, attached)})


def _decode(job: DecodeJob, attached: Attached) -> list[Decoded]:
    rows = attached.view(job.batch)
    images = []
    for row, item in enumerate(job.items, start=job.first_row):
        decoded = decode_item(item, job.protocol)
        if decoded.pixels is not None:
            rows[row] = decoded.pixels
        images.append(decoded.without_pixels())
    return images
