"""A user's own code: loaded from a file, and what it raises turned into one line."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convert.errors import FerryError, shown


@contextmanager
def user_errors(what: str) -> Iterator[None]:
    """Turns what a user's model raises into a FerryError that says where."""
    try:
        yield
    except FerryError:
        raise
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}, line {frame.lineno}"
        raise FerryError(f"{what}: {type(error).__name__}: {shown(error, 300)} ({place})") from error


def file_module(path: Path) -> Any:
    """The module that a file of Python is."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise FerryError(f"{path}: is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
