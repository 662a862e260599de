"""One process a framework: they share batches through memory, and nothing else.

On a GPU the two fight over cuDNN in one process, and on a CPU each one's thread pool slows the other.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from types import TracebackType
from typing import Any

import numpy as np

from convert.arrays import Array
from convert.errors import FerryError
from verify.messages import Failed, ForwardJob, Loaded, LoadJob
from verify.process_settings import settle_process

BACKENDS = {
    "torch": ("verify.torch_backend", "TorchBackend", "pip install 'paddleferry[cpu]'"),
    "paddle": ("verify.paddle_backend", "PaddleBackend", "pip install 'paddleferry[cpu]', or [gpu]"),
}


@dataclass(frozen=True)
class Compute:
    """Where the models run.

    Attributes:
        device: "cpu" or "gpu".
        threads: of each framework's math; the two never compute at the same time.
    """

    device: str = "cpu"
    threads: int = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Worker:
    """A framework in a process of its own. Use as a context manager; leaving ends the process.

    Args:
        framework: "torch" or "paddle".
        compute: where it runs.
    """

    def __init__(self, framework: str, compute: Compute) -> None:
        self.framework = framework
        context = multiprocessing.get_context("spawn")  # a fork would carry the parent's threads' locks along
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, framework, compute), daemon=True)
        with _without_interrupts():
            self.process.start()
        theirs.close()
        self._version = ""

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()  # the worker's loop ends with it
        self.process.join(timeout=5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()

    @property
    def version(self) -> str:
        """ "torch 2.14.0"; waits until the framework is loaded. Raises FerryError if it cannot be."""
        self._wait_until_ready()
        return self._version

    def _wait_until_ready(self) -> None:
        if not self._version:
            self._version = self._receive()

    def load(self, job: LoadJob) -> Loaded:
        """Builds a model; a FerryError of the worker is raised here."""
        loaded: Loaded = self._call(job)
        return loaded

    def forward(self, job: ForwardJob) -> Array:
        """Logits (N, num_classes) of the batch in shared memory, in its dtype."""
        logits: Array = self._call(job)
        return logits

    def _call(self, message: Any) -> Any:
        self._wait_until_ready()
        try:
            self.connection.send(message)
        except BrokenPipeError:
            self._died()
        return self._receive()

    def _receive(self) -> Any:
        try:
            answer = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self._died()
        if isinstance(answer, Failed):
            raise FerryError(answer.text)
        return answer

    def _died(self) -> None:
        self.process.join(timeout=5)
        code = self.process.exitcode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            raise FerryError(
                f"the {self.framework} worker was ended by {name}; "
                "where the system was short of memory, a smaller --batch-size helps"
            )
        raise RuntimeError(f"the {self.framework} worker ended with status {code}; its traceback stands above")


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """What starts within ignores Ctrl-C: it is the parent's to handle, and it ends the workers."""
    if threading.current_thread() is not threading.main_thread():  # elsewhere signals cannot be set
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def start_workers(compute: Compute) -> Iterator[dict[str, Worker]]:
    """Both frameworks' workers by name, loading at the same time."""
    with ExitStack() as stack:
        yield {framework: stack.enter_context(Worker(framework, compute)) for framework in BACKENDS}


class SharedBatch:
    """Room for one batch that both workers see. Use as a context manager.

    Args:
        nbytes: of the largest batch.
    """

    def __init__(self, nbytes: int) -> None:
        self.memory = SharedMemory(create=True, size=max(nbytes, 1))

    def __enter__(self) -> SharedBatch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.memory.close()
        self.memory.unlink()

    def put(self, batch: Array) -> ForwardJob:
        """Copies a batch (N, C, H, W) in; it stays until the next one."""
        np.ndarray(batch.shape, batch.dtype, buffer=self.memory.buf)[...] = batch
        return ForwardJob(self.memory.name, batch.shape, batch.dtype.name)


def _serve(connection: Connection, framework: str, compute: Compute) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, EOFError):  # the parent is done, or gone
        _run(connection, framework, compute)


def _run(connection: Connection, framework: str, compute: Compute) -> None:
    settle_process(framework, compute.threads)
    module, name, remedy = BACKENDS[framework]
    try:
        backend = getattr(importlib.import_module(module), name)(compute.device, compute.threads)
    except ModuleNotFoundError as error:
        connection.send(Failed(f"{error.name} is not installed; {remedy}"))
        return
    except FerryError as error:
        connection.send(Failed(str(error)))
        return
    connection.send(backend.version())
    _loop(connection, backend)


def _loop(connection: Connection, backend: Any) -> None:
    memories: dict[str, SharedMemory] = {}
    handlers: dict[type, Callable[[Any], Any]] = {
        LoadJob: backend.load,
        ForwardJob: lambda job: backend.forward(_batch(job, memories)),
    }
    try:
        while True:
            message = connection.recv()
            try:
                answer = handlers[type(message)](message)
            except FerryError as error:
                answer = Failed(str(error))
            connection.send(answer)
    finally:
        for memory in memories.values():
            memory.close()


def _batch(job: ForwardJob, memories: dict[str, SharedMemory]) -> Array:
    if job.memory not in memories:
        memories[job.memory] = SharedMemory(job.memory)
    batch: Array = np.ndarray(job.shape, job.dtype, buffer=memories[job.memory].buf)
    return batch
