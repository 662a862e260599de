"""Working on large arrays on several cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
THREADS = min(2, os.cpu_count() or 1)  # more would only wait for memory


def on_cores(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """The results in order; numpy and zlib let go of the interpreter's lock while they work."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, items))
