"""One process a framework: they share batches through memory, and nothing else.

On a GPU the two fight over cuDNN in one process, and on a CPU each one's thread pool slows the other.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from convert.arrays import Array
from convert.endings import shortages
from convert.errors import FerryError, shown
from verify.store.facts import Setup
from verify.workers.batches import Attached
from verify.workers.child import Child, Handlers, answer
from verify.workers.compute import Compute
from verify.workers.held import receive_files
from verify.workers.messages import (
    AnswerPart,
    BatchRef,
    Failed,
    ForwardJob,
    GoOn,
    GradientJob,
    Loaded,
    LoadJob,
    QuestionJob,
    Started,
    TensorsJob,
    TraceJob,
)
from verify.workers.settings import keep_out_of_the_output, settle_process

BACKENDS = {
    "torch": ("verify.workers.torch_backend", "TorchBackend", "pip install 'paddleferry[cpu]'"),
    "paddle": ("verify.workers.paddle_backend", "PaddleBackend", "pip install 'paddleferry[cpu]', or [gpu]"),
}


class Worker(Child):
    """A framework in a process of its own.

    Args:
        framework: "torch" or "paddle".
        compute: where it runs.
    """

    def __init__(self, framework: str, compute: Compute) -> None:
        super().__init__(
            f"{framework} worker",
            _serve,
            framework,
            compute,
            hint="a smaller --batch-size helps",
            python=compute.python_of(framework),
        )
        self.framework = framework
        self._started: Started | None = None

    def __enter__(self) -> Worker:
        return self

    @property
    def version(self) -> str:
        """The framework's; waits until it is loaded. Raises FerryError if it cannot be."""
        return self._wait_until_ready().version

    @property
    def setup(self) -> Setup:
        """What the framework computes with, as far as the logits depend on it; waits as `version` does."""
        return self._wait_until_ready().setup

    def _wait_until_ready(self) -> Started:
        if self._started is None:
            started: Started = self.receive()
            self._started = started
        return self._started

    def load(self, job: LoadJob) -> Loaded:
        """Builds a model; a FerryError of the worker is raised here."""
        self._wait_until_ready()
        self.send(job)
        self.give(job.files)
        loaded: Loaded = self.receive()
        return loaded

    def forward(self, batch: BatchRef) -> Array:
        """Logits (N, num_classes) of the batch in shared memory, in its dtype."""
        self._wait_until_ready()
        logits: Array = self.call(ForwardJob(batch))
        return logits

    def tensors(self, job: TensorsJob) -> dict[str, Array]:
        """Official names to the model's own tensors in PyTorch's layout."""
        tensors: dict[str, Array] = self.call(job)
        return tensors

    def ask(self, function: str, *arguments: Any) -> Any:
        """What a function, "module:function", says of the model that is loaded."""
        return self.call(QuestionJob(function, arguments))

    def stream(self, job: TraceJob | GradientJob) -> Generator[AnswerPart, Array | None, None]:
        """The parts of a long answer, one at a time; the worker waits in between.

        What is sent into the generator goes to the worker as the part's replacement. Closing it lets the worker end.
        """
        part = self.call(job)
        while isinstance(part, AnswerPart):
            try:
                replacement = yield part
            except GeneratorExit:
                while isinstance(self.call(GoOn()), AnswerPart):
                    pass
                raise
            part = self.call(GoOn(replacement))


@contextmanager
def start_workers(compute: Compute) -> Iterator[dict[str, Worker]]:
    """Both frameworks' workers by name, loading at the same time."""
    with ExitStack() as stack:
        yield {framework: stack.enter_context(Worker(framework, compute)) for framework in BACKENDS}


def forward_both(workers: Mapping[str, Worker], batch: BatchRef, compute: Compute) -> dict[str, Array]:
    """Both frameworks' logits: at the same time where they have a device each, else one after the other."""
    if not compute.has_two_devices:
        return {framework: worker.forward(batch) for framework, worker in workers.items()}
    for worker in workers.values():
        worker.send(ForwardJob(batch))
    return {framework: worker.receive() for framework, worker in workers.items()}


def _serve(connection: Connection, framework: str, compute: Compute) -> None:
    keep_out_of_the_output()
    settings = settle_process(framework, compute.threads)
    variables = {name: value for name, value in settings.items() if name == "MKL_DEBUG_CPU_TYPE"}
    if not compute.tf32:
        os.environ["NVIDIA_TF32_OVERRIDE"] = "0"  # for every NVIDIA library, whatever a framework's own flags say
    module, name, remedy = BACKENDS[framework]
    try:
        with shortages():
            backend = getattr(importlib.import_module(module), name)(compute)
            first: Started | Failed = Started(backend.version(), replace(backend.setup(), variables=variables))
    except ModuleNotFoundError as error:
        first = Failed(f"{error.name} is not installed; {remedy}")
    except FerryError as error:
        first = Failed(f"the {framework} worker: {error}" if error.__cause__ else str(error))
    except OSError as error:  # a folder that it wants to make, a library that is damaged
        first = Failed(f"{framework} cannot be loaded: {shown(error, 300)}")
    try:
        connection.send(first)
    except (BrokenPipeError, ConnectionResetError):  # the parent is gone
        return
    if isinstance(first, Failed):
        return
    _answer(connection, backend)


def _answer(connection: Connection, backend: Any) -> None:
    def exchange(name: str, array: Array | None) -> Array | None:
        connection.send(AnswerPart(name, array))
        reply: GoOn = connection.recv()
        return reply.replacement

    with Attached() as attached:
        handlers: Handlers = {
            LoadJob: lambda job: backend.load(replace(job, files=receive_files(connection, job.files))),
            ForwardJob: lambda job: backend.forward(attached.view(job.batch)),
            TensorsJob: backend.tensors,
            QuestionJob: lambda job: job.answer(backend.model),
            TraceJob: lambda job: backend.trace(attached.view(job.batch), job, exchange),
            GradientJob: lambda job: backend.gradients(attached.view(job.batch), job.weights, exchange),
        }
        answer(connection, handlers)
