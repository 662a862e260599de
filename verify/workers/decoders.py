"""Processes that decode images into memory that the frameworks' workers see."""

from __future__ import annotations

import queue
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType

from convert.errors import FerryError
from verify.datasets import Item
from verify.datasets.limited import limit_memory
from verify.images.decode import Decoded, decode_item
from verify.images.quiet import quiet_libraries
from verify.recipes.protocol import Protocol
from verify.workers.batches import Attached
from verify.workers.child import Child
from verify.workers.messages import BatchRef

PIECE = 4  # images a message: enough to hide the message's cost, few enough to share a batch out evenly
SECONDS = 30.0  # of processor time an image; the largest that `bounds` lets through takes 6 on a slow core
MEGABYTES = 1024  # an image, beyond what `bounds` reckons with: whatever else a library takes

# How an image ends its decoder, by its own doing. Another end, such as want of memory, is no fault of the image.
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL)


@dataclass(frozen=True)
class DecodeJob:
    """Asks a decoder for images. Each `Decoded` is an answer of its own.

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

    def without_first(self, count: int) -> DecodeJob:
        """The job for the images behind so many."""
        return DecodeJob(self.items[count:], self.protocol, self.batch, self.first_row + count)


class Decoders:
    """So many processes that decode, started at once. Use as a context manager.

    Args:
        count: of processes.
        protocol: how images are prepared.
        seconds: of processor time that an image may take.
    """

    def __init__(self, count: int, protocol: Protocol, *, seconds: float = SECONDS) -> None:
        self.protocol = protocol
        self.seconds = seconds
        self._count = count
        self._stack = ExitStack()
        self._all: list[_Decoder] = []
        self._free: queue.SimpleQueue[_Decoder] = queue.SimpleQueue()

    def __enter__(self) -> Decoders:
        with ExitStack() as stack:
            for number in range(self._count):
                decoder = stack.enter_context(_Decoder(number, self.seconds))
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
        """The answers to a job. An image that ends its decoder is named, and another decoder goes on behind it."""
        decoder = self._free.get()
        images: list[Decoded] = []
        try:
            while len(images) < len(job.items):
                images += decoder.answers(job.without_first(len(images)))
                if decoder.ended:
                    decoder = self._stack.enter_context(_Decoder(decoder.number, self.seconds))
        finally:
            self._free.put(decoder)
        return images


class _Decoder(Child):
    def __init__(self, number: int, seconds: float) -> None:
        hint = "a smaller --batch-size or fewer --workers help"
        super().__init__(f"decoder {number + 1}", _serve, seconds, hint=hint)
        self.number = number
        self.seconds = seconds
        self.ended = False

    def __enter__(self) -> _Decoder:
        return self

    def answers(self, job: DecodeJob) -> list[Decoded]:
        """The images of a job, up to the one that ends this process."""
        images: list[Decoded] = []
        self.send(job)
        for item in job.items:
            try:
                images.append(self.receive())
            except FerryError as error:
                if not (reason := self._fault_of_image()):
                    raise FerryError(f"{error}; it was at {item.name}") from error
                self.ended = True
                return [*images, Decoded(None, error=reason)]
        return images

    def _fault_of_image(self) -> str:
        """Why the image that it had was the end of the process; empty if another thing was."""
        code = -(self.process.exitcode or 0)
        if code == signal.SIGPROF:
            return f"takes more than {self.seconds:g} s of processor time to decode"
        return f"ends its decoder by {signal.Signals(code).name}" if code in CRASHES else ""


def _serve(connection: Connection, seconds: float) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # one that was started late was started outside the main thread
    with Attached() as attached, suppress(BrokenPipeError, ConnectionResetError, EOFError):
        while True:
            job: DecodeJob = connection.recv()
            rows = attached.view(job.batch)
            for row, item in enumerate(job.items, start=job.first_row):
                with _limits(seconds), quiet_libraries():
                    decoded = decode_item(item, job.protocol)
                if decoded.pixels is not None:
                    rows[row] = decoded.pixels
                connection.send(decoded.without_pixels())


@contextmanager
def _limits(seconds: float) -> Iterator[None]:
    """Ends this process by SIGPROF when it has computed so long, and lets it have so much memory."""
    limit_memory(MEGABYTES)
    signal.setitimer(signal.ITIMER_PROF, seconds)  # processor time: a busy machine, or one that slept, changes nothing
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        limit_memory(None)
