"""How a worker is told to build a model that is not of our model packages: a function of `builders`, and its text."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from convert.digest import sha256_of
from convert.tables.table import ModelName

MODULE = "verify.pairing.builders"
# Functions of it that a worker may be asked for.
NAMES, VERSIONS, SETTINGS = f"{MODULE}:own_names", f"{MODULE}:own_versions", f"{MODULE}:layer_settings"


@dataclass(frozen=True)
class Definition:
    """A model as somebody defines it.

    Attributes:
        model: what is called.
        folders: appended to where modules are looked for, because the command line named a module.
        by_table: whether its tensors have a table's names; else those of a known architecture, ours or a library's.
        fault: what is planted in it, "NAME@LAYER"; "" for nothing.
    """

    model: ModelName
    folders: tuple[str, ...] = ()
    by_table: bool = True
    fault: str = ""

    def builder(self, framework: str) -> str:
        """What a `LoadJob` calls for it."""
        model = self.model
        values = (model.reference, model.arguments, model.setup, self.folders, self.by_table, self.fault)
        return f"{MODULE}:build_{framework}:{values!r}"

    @classmethod
    def read(cls, text: str) -> Definition:
        """The definition of a builder's text."""
        reference, arguments, setup, folders, by_table, fault = ast.literal_eval(text)
        return cls(ModelName(reference, arguments, setup), folders, by_table, fault)

    @property
    def words(self) -> str:
        """What is called, for people: `timm:resnet18(num_classes=10)`; of a file its name, without its folder."""
        module, _, name = self.model.reference.rpartition(":")
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.model.arguments)
        called = f"{Path(module).name if module.endswith('.py') else module}:{name}"
        return f"{called}({arguments})" if arguments else called

    @property
    def facts(self) -> str:
        """What is called, and the SHA-256 of a file that it is in."""
        file = Path(self.model.reference.rpartition(":")[0])
        known = file.suffix == ".py" and file.is_file()
        return f"{self.words}, sha256 {sha256_of(file)}" if known else self.words
