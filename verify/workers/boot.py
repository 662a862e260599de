"""The program of a child that another Python interpreter runs: `python boot.py DESCRIPTOR`.

That interpreter has a framework of its own, and not this package: our packages, and nothing else of this environment,
are found for it. What it runs comes as the first message.
"""

from __future__ import annotations

import importlib.machinery
import io
import pickle
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGES = ("convert", "verify", "models_torch", "models_paddle")
ROOT = Path(__file__).resolve().parents[2]


class OurPackages(MetaPathFinder):
    """Finds our packages in this folder, whatever stands on the interpreter's own path."""

    def find_spec(
        self, name: str, _path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The module's place, where it is one of ours."""
        if name not in PACKAGES:
            return None
        return importlib.machinery.PathFinder.find_spec(name, [str(ROOT)], target)


class Receiver(pickle.Unpickler):
    """Reads the parent's messages. An older numpy's core has another name than the parent's, whose arrays it takes."""

    def find_class(self, module: str, name: str) -> Any:
        """The class of that name, where this interpreter has it."""
        import numpy as np

        if module.startswith("numpy._core") and not hasattr(np, "_core"):
            module = module.replace("numpy._core", "numpy.core", 1)
        return super().find_class(module, name)


class ParentConnection(Connection):
    """The connection to the parent."""

    def recv(self) -> Any:
        """The next message."""
        return Receiver(io.BytesIO(self.recv_bytes())).load()


def main() -> None:
    """Takes what to run from the connection, `(function, arguments)`, and runs it with the connection."""
    sys.path.pop(0)  # the folder of this file, whose modules bear names that others have too
    sys.meta_path.insert(0, OurPackages())
    connection = ParentConnection(int(sys.argv[1]))
    target, arguments = connection.recv()
    target(connection, *arguments)


if __name__ == "__main__":
    main()
