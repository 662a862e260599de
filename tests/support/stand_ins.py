"""The frameworks' workers, started once a session, and stand-ins for models that a worker of either one can build.

A plugin: `pytest_plugins = ["stand_ins"]`. It imports neither framework, for the workers import it as well.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest

from convert.errors import FerryError
from verify.workers.compute import Compute
from verify.workers.worker import Worker, start_workers


@pytest.fixture(scope="session")
def workers() -> Iterator[dict[str, Worker]]:
    """Both workers with one thread each; whoever uses them loads a model first."""
    with start_workers(Compute(threads=1)) as started:
        yield started


class StandIn:
    """Answers as a model does; `answer` gets the batch as the framework's own tensor."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def to(self, device: str) -> StandIn:  # noqa: ARG002 - as torch.nn.Module has it
        return self

    def __call__(self, batch: Any) -> Any:
        return self.answer(batch)


# "stand_ins:NAME" in a LoadJob. Each takes what `build_with` takes.


def echo(*_: Any, **__: Any) -> StandIn:
    """A model whose logits are the batch's own values, a row an image."""
    return StandIn(lambda batch: batch.reshape([batch.shape[0], -1]).clone())


def threads(*_: Any, **__: Any) -> StandIn:
    """A model whose logits are the number of threads that the math libraries were told."""
    return StandIn(lambda batch: batch * 0 + float(os.environ["OMP_NUM_THREADS"]))


def talk(*_: Any, **__: Any) -> StandIn:
    """A model that writes to standard output, past Python, as a library of C++ does."""
    os.write(1, b"said by a library\n")
    return StandIn(lambda batch: batch)


def refuse(*_: Any, **__: Any) -> NoReturn:
    raise FerryError("refused in the worker,", "on two lines")


def killed(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def ended(*_: Any, **__: Any) -> NoReturn:
    os._exit(7)


def killed_in_the_forward_pass(*_: Any, **__: Any) -> StandIn:
    return StandIn(killed)
