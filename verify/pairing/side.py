"""The process that holds one model of a pair: what both frameworks' sides have in common."""

from __future__ import annotations

import abc
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from convert.arrays import Array
from convert.errors import shown
from verify.pairing.code import file_module, user_errors
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
from verify.pairing.survey import LayerFact, Survey, is_in

SEED = 7  # of the noise by which a model's calls are taken down; no value of it is compared


class Handle(Protocol):
    """What a hook is taken away by."""

    def remove(self) -> None: ...


class Side(abc.ABC):
    """Holds one model. Every method that names a layer means its path in the model, "" for the model itself."""

    framework: str
    settings: dict[str, tuple[str, ...]]  # PyTorch's word for a setting to the attributes that hold it here
    after_hook: str  # name of the method by which a layer takes a hook on its output

    def __init__(self) -> None:
        self.model: Any = None
        self.library = ""
        self.refusal = ""
        self._state: tuple[Any, dict[str, Any]] = (None, {})

    @abc.abstractmethod
    def version(self) -> str:
        """Of the framework."""

    @abc.abstractmethod
    def library_model(self, library: str, name: str, arguments: dict[str, Any]) -> Any:
        """A model that a library knows by name. Raises FerryError where the library is not this framework's."""

    @abc.abstractmethod
    def cast(self, dtype: str) -> None:
        """Has the model in evaluation mode and its floating-point tensors in that dtype."""

    @abc.abstractmethod
    def state_arrays(self) -> dict[str, Array]:
        """Every tensor of the state dict."""

    @abc.abstractmethod
    def layers(self) -> list[tuple[str, Any]]:
        """Every layer by its path, in the order of definition, the model itself among them."""

    @abc.abstractmethod
    def fact(self, path: str, layer: Any) -> LayerFact:
        """What is taken down of a layer."""

    @abc.abstractmethod
    def tensor(self, values: Array) -> Any:
        """The framework's own tensor of those values."""

    @abc.abstractmethod
    def is_tensor(self, value: Any) -> bool:
        """Whether it is the framework's tensor."""

    @abc.abstractmethod
    def call(self, batch: Array) -> Any:
        """What the model answers, no gradient kept."""

    @abc.abstractmethod
    def set_tensor(self, job: SetTensor) -> None:
        """Copies values into a tensor of the state dict."""

    @abc.abstractmethod
    def set_training(self, training: bool) -> None:
        """Evaluation mode, or training mode but for norms that keep statistics."""

    def versions(self) -> dict[str, str]:
        """Of the framework and, where that has one, of the package that the model came from."""
        found = {self.framework: self.version()}
        if self.library not in ("", self.framework):
            with suppress(PackageNotFoundError):
                found[self.library] = version(self.library)
        return found

    def settle(self, dtype: str = "float64") -> None:
        """Has the model in evaluation mode and its floating-point tensors in that dtype."""
        self.cast(dtype)
        self._state = (None, {})

    def state(self) -> dict[str, Any]:
        """The model's state dict, made once: a framework makes it anew whenever it is asked."""
        if self._state[0] is not self.model:
            self._state = (self.model, dict(self.model.state_dict()))
        return self._state[1]

    def before(self, layer: Any, note: Callable[[], None]) -> Handle:
        """Has that called before each of the layer's calls."""
        handle: Handle = layer.register_forward_pre_hook(lambda *_: note())
        return handle

    def after(self, layer: Any, exchange: Callable[[Any, Any], Any]) -> Handle:
        """Has that called with the first input and the output of each call; what it returns goes on."""
        handle: Handle = getattr(layer, self.after_hook)(
            lambda _, given, output: exchange(given[0] if given else None, output)
        )
        return handle

    def build(self, job: BuildJob) -> Built:
        """The model, settled."""
        with user_errors(f"{job.model.reference} cannot be built"):
            if job.model.setup:
                self._named(job.model.setup, job.folders)()
            self.model = self._built(job)
            self.settle()
        kind = type(self.model)
        return Built(f"{kind.__module__}.{kind.__qualname__}", self.versions())

    def survey(self, job: SurveyJob) -> Survey | None:
        """What the model is made of, and what it calls for an input of that shape."""
        called: dict[str, None] = {}
        layers = [(path, layer, self.fact(path, layer)) for path, layer in self.layers()]
        owning = [(path, layer) for path, layer, fact in layers if fact.tensors]
        with self._hooked(self.before(layer, partial(called.setdefault, path)) for path, layer in owning):
            noise = np.random.default_rng(SEED).standard_normal(job.shape)
            try:
                self.call(noise)
            except Exception as error:  # noqa: BLE001 - whatever a model raises at a size that it is not made for
                self.refusal = f"{type(error).__name__}: {shown(error, 300)}"
                return None
        facts = tuple(fact for _, _, fact in layers if fact.tensors)
        return Survey(self.framework, facts, tuple(called), job.shape[2:], self.versions())

    def run(self, job: RunJob) -> tuple[Array, ...] | None:
        """The model's answers; None in a training mode that is not the same twice."""
        self.set_training(job.training)
        try:
            with user_errors("the model cannot be run"):
                answers = tuple(self.arrays(self.call(job.batch)))
                if job.training:
                    again = self.arrays(self.call(job.batch))
                    if not all(np.array_equal(*both) for both in zip(answers, again, strict=True)):
                        return None
        finally:
            self.set_training(False)
        return answers

    def arrays(self, answer: Any) -> Iterator[Array]:
        """The values of every tensor of an answer."""
        return (np.array(tensor.detach().numpy()) for tensor in self.tensors(answer))

    def tensors(self, answer: Any) -> Iterator[Any]:
        """Every tensor of an answer, in the order of its parts."""
        if self.is_tensor(answer):
            yield answer
        elif isinstance(answer, (Mapping, list, tuple)):
            for part in answer.values() if isinstance(answer, Mapping) else answer:
                yield from self.tensors(part)

    def round_constants(self, _job: RoundConstants) -> None:
        """Rounds every eps to float32, as Paddle keeps it."""
        for _path, layer in self.layers():
            for attribute in self.settings["eps"]:
                if isinstance(value := getattr(layer, attribute, None), float):
                    setattr(layer, attribute, float(np.float32(value)))

    def change_setting(self, job: ChangeSetting) -> object:
        """Sets a layer's setting; gives the former value."""
        layer = dict(self.layers())[job.path]
        attribute = next(name for name in self.settings[job.name] if hasattr(layer, name))
        former = getattr(layer, attribute)
        setattr(layer, attribute, job.value)
        return former

    def setting_values(self, layer: Any) -> dict[str, object]:
        """A layer's settings, in plain values."""
        found = {}
        for name, attributes in self.settings.items():
            for attribute in attributes:
                if (value := plain(getattr(layer, attribute, None))) is not None:
                    found[name] = value
                    break
        return found

    def walk(self, job: WalkJob, exchange: Callable[[Passed], Array | None]) -> None:
        """One forward pass; what each layer got and gave goes through `exchange`, whose array goes on in its place."""
        layers = dict(self.layers())
        between: list[str] = []

        def pass_on(path: str, given: Any, output: Any) -> Any:
            first = output[0] if isinstance(output, tuple) else output
            if not (self.is_tensor(first) and self.is_tensor(given)):
                return output
            kinds = tuple(between)
            between.clear()
            passed = Passed(path, given.detach().numpy(), first.detach().numpy(), kinds)
            replacement = exchange(passed)
            if replacement is None:
                return output
            tensor = self.tensor(replacement)
            return (tensor, *output[1:]) if isinstance(output, tuple) else tensor

        def note(kind: str) -> None:
            between.append(kind)

        hooks = [self.after(layers[path], partial(pass_on, path)) for path in job.layers]
        owners = {path for path, layer in layers.items() if self.fact(path, layer).tensors}
        hooks += [
            self.before(layer, partial(note, type(layer).__name__))
            for path, layer in layers.items()
            if path not in owners and not any(other != path and is_in(other, path) for other in layers)
        ]
        with self._hooked(hooks), user_errors("the model cannot be run"):
            self.call(job.batch)

    @contextmanager
    def _hooked(self, hooks: Iterable[Handle]) -> Iterator[None]:
        handles = list(hooks)
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _built(self, job: BuildJob) -> Any:
        library, _, name = job.model.reference.partition(":")
        arguments = dict(job.model.arguments)
        if library in LIBRARIES:
            self.library = library.partition(".")[0]
            return self.library_model(library, name, arguments)
        return self._named(job.model.reference, job.folders)(**arguments)

    def _named(self, reference: str, folders: tuple[str, ...]) -> Any:
        module, _, name = reference.rpartition(":")
        sys.path += [folder for folder in folders if folder not in sys.path]
        owner: Any = file_module(Path(module)) if module.endswith(".py") else importlib.import_module(module)
        self.library = self.library or module.partition(".")[0]
        for part in name.split("."):
            owner = getattr(owner, part)
        return owner


LIBRARIES = ("timm", "torchvision", "paddle.vision")  # whose models have names


def plain(value: Any) -> object:
    """A setting's value, where it is one; None for everything else."""
    if isinstance(value, (bool, str, int, float)):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(part, int) for part in value):
        return tuple(value)
    return None
