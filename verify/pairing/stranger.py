"""A verified pair whose models are not ours: what builds them, and what PyTorch's says of itself beforehand.

The parent imports no framework: PyTorch's model is asked in a process of its own.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from convert.digest import sha256_of
from convert.errors import FerryError
from convert.frameworks import FRAMEWORKS, TORCH
from convert.tables.reading import read_table
from convert.tables.spec import TableSpec
from convert.tables.table import ModelName, Table
from verify.gates.parity import EXTRA_WIDTH
from verify.pairing.builder_text import Definition
from verify.pairing.evaluation import SAID_BY, Evaluation
from verify.pairing.model import PairModel
from verify.pairing.trust import stated_model
from verify.recipes.protocol import Protocol
from verify.workers.compute import Compute


@dataclass(frozen=True)
class Asked:
    """What PyTorch's model says of itself.

    Attributes:
        spec: the network, with the number of its answers and whether it takes wide images.
        protocol: how its images are prepared, where nothing else is asked for.
        said_by: where its library says so; "" where no library does.
        versions: package to version, of the framework and what the model came from.
    """

    spec: TableSpec
    protocol: Protocol
    said_by: str
    versions: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Strangers:
    """The models of a pair that are not ours, and the table that states them; none of either, unless given.

    Attributes:
        definitions: framework to how its model is built.
        table: of the pair; None where the tensors are those of a known architecture.
        path: of the table's file.
        sha256: of the table's file.
        asked: what PyTorch's model says; None until it is asked.
    """

    definitions: Mapping[str, Definition] = field(default_factory=dict)
    table: Table | None = None
    path: Path | None = None
    sha256: str = ""
    asked: Asked | None = None

    @classmethod
    def read(cls, path: Path | None, given: Mapping[str, ModelName | None]) -> Strangers:
        """Reads a table's file, and nothing that it names.

        Args:
            path: the table's; None where the architecture is a known one.
            given: framework to the model that the command line names, which may be code.

        Raises:
            FerryError: the file is no table, or states a model that is built only where the command line names it.
        """
        table = read_table(path) if path else None
        definitions = _definitions(table, given)
        return cls(definitions=definitions, table=table, path=path, sha256=sha256_of(path) if path else "")

    @property
    def spec(self) -> TableSpec | None:
        """The table's network, as its model says where it was asked; None without a table."""
        if self.asked:
            return self.asked.spec
        return TableSpec.of(self.table) if self.table else None

    @property
    def builders(self) -> dict[str, str]:
        """Framework to what a `LoadJob` calls for its model."""
        return {framework: definition.builder(framework) for framework, definition in self.definitions.items()}

    def ask(self, spec: TableSpec, *, file: str, size: int | None, compute: Compute) -> Strangers:
        """Those, and what PyTorch's model says, as `ask_model` asks it."""
        asked = ask_model(spec, self.definitions[TORCH], file=file, size=size, compute=compute)
        return replace(self, asked=asked)


NO_STRANGERS = Strangers()


def _definitions(table: Table | None, given: Mapping[str, ModelName | None]) -> dict[str, Definition]:
    here = (os.fspath(Path.cwd()),)
    definitions = {}
    for framework in FRAMEWORKS:
        if model := given.get(framework):
            definitions[framework] = Definition(model, here, by_table=table is not None)
        elif table is not None:
            definitions[framework] = Definition(stated_model(table, framework))
    return definitions


def ask_model(spec: TableSpec, definition: Definition, *, file: str, size: int | None, compute: Compute) -> Asked:
    """Builds PyTorch's model and runs it once, on noise.

    Args:
        spec: the network.
        definition: of its PyTorch model.
        file: name of its checkpoint's file.
        size: side of its input; None for its own.
        compute: which interpreter has PyTorch, and on how many threads.

    Raises:
        FerryError: it cannot be built, or takes no image of that size.
    """
    proof = spec.table.proof
    with PairModel("torch", compute.threads, compute.python_of("torch")) as model:
        built = model.build(definition.model, definition.folders)
        evaluation: Evaluation | None = model.ask(SAID_BY, definition.model.reference, file)
        protocol = evaluation.protocol if evaluation else _usual(proof.size[0] if proof else None)
        if proof and not spec.takes_wide and protocol.size != proof.size[0]:
            protocol = _resized(protocol, proof.size[0])  # a model of one size, which its library keeps another for
        shape, wide = _answer(model, spec, size or protocol.size)
    numbers = math.prod(shape[1:])
    classes = numbers if len(shape) == 2 else 0
    asked = replace(spec, num_classes=classes, numbers=numbers, takes_wide=wide)
    return Asked(asked, protocol, evaluation.said_by if evaluation else "", built.versions)


def _answer(model: PairModel, spec: TableSpec, size: int) -> tuple[tuple[int, ...], bool]:
    """The shape of what the model answers, and whether it takes an image wider than high."""
    if spec.takes_wide:
        try:
            return _shape(model, spec.in_chans, size, size + EXTRA_WIDTH), True
        except FerryError:
            pass  # of square images alone, or of none of this size, which the next line says
    return _shape(model, spec.in_chans, size, size), False


def _shape(model: PairModel, *shape: int) -> tuple[int, ...]:
    answers = model.run(np.random.default_rng(0).standard_normal((1, *shape)))
    assert answers is not None
    return answers[0].shape


def _usual(size: int | None) -> Protocol:
    return Protocol() if size is None else _resized(Protocol(), size)


def _resized(protocol: Protocol, size: int) -> Protocol:
    """The protocol for another size, its squash or its ratio of short edge to crop kept."""
    if isinstance(protocol.resize, str):
        return replace(protocol, size=size)
    return replace(protocol, size=size, resize=size * protocol.resize // protocol.size)
