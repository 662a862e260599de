"""One model of a pair, in a process of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from convert.arrays import Array
from convert.errors import FerryError
from convert.tables.table import ModelName
from verify.pairing.messages import (
    BuildJob,
    Built,
    ChangeSetting,
    Passed,
    RoundConstants,
    RunJob,
    SetTensor,
    SurveyJob,
    WalkJob,
)
from verify.pairing.serving import serve
from verify.pairing.survey import Survey
from verify.workers.child import Child
from verify.workers.messages import GoOn, QuestionJob


class PairModel(Child):
    """A model of either framework.

    Args:
        framework: "torch" or "paddle".
        threads: of its math.
        python: the interpreter that has the framework; "" for this one.
    """

    def __init__(self, framework: str, threads: int, python: str = "") -> None:
        super().__init__(
            f"{framework} model",
            serve,
            framework,
            threads,
            hint="a smaller --size helps",
            python=python or sys.executable,
        )
        self.framework = framework
        self.ready = False
        self.is_rounded = False  # whether the model's constants are as Paddle keeps them

    def __enter__(self) -> PairModel:
        return self

    def build(self, model: ModelName, folders: tuple[str, ...] | None = None) -> Built:
        """Builds it; a FerryError says what its code raised."""
        if not self.ready:
            self.receive()
            self.ready = True
        here = (os.fspath(Path.cwd()),)
        self.is_rounded = False
        built: Built = self.call(BuildJob(model, here if folders is None else folders))
        return built

    def ask(self, function: str, *arguments: Any) -> Any:
        """What a function, "module:function", says of the model."""
        return self.call(QuestionJob(function, arguments))

    def survey(self, shape: tuple[int, int, int, int]) -> Survey | str:
        """What it is made of and calls; a text where it does not take an input of that shape."""
        survey: Survey | str = self.call(SurveyJob(shape))
        return survey

    def set_tensors(self, tensors: Mapping[str, Array]) -> None:
        """Gives tensors of the state dict their values, in the framework's layout."""
        for name, values in tensors.items():
            self.call(SetTensor(name, values))

    def round_constants(self) -> None:
        """Rounds every constant as Paddle keeps it, for as long as the model is there."""
        self.call(RoundConstants())
        self.is_rounded = True

    def change_setting(self, path: str, name: str, value: object) -> object:
        """Sets a layer's setting; gives the former value."""
        former: object = self.call(ChangeSetting(path, name, value))
        return former

    def run(self, batch: Array, *, training: bool = False) -> tuple[Array, ...] | None:
        """What it answers; None in a training mode that is not the same twice."""
        answers: tuple[Array, ...] | None = self.call(RunJob(batch, training))
        if answers == ():
            raise FerryError(f"the {self.name} answers with no tensor")
        return answers

    def walk(self, batch: Array, layers: tuple[str, ...]) -> Generator[Passed, Array | None, None]:
        """What each layer got and gave in one forward pass; an array that is sent in goes on in an output's place."""
        part = self.call(WalkJob(batch, layers))
        while isinstance(part, Passed):
            try:
                replacement = yield part
            except GeneratorExit:
                while isinstance(self.call(GoOn()), Passed):
                    pass
                raise
            part = self.call(GoOn(replacement))
