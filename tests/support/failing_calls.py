"""A function of the system that fails as on a machine that cannot do it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest


def failing(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, number: int, *, after: int = 0) -> None:
    """Has a function of a module fail with that error, from its call number `after` on."""
    real: Callable[..., Any] = getattr(module, name)
    calls = 0

    def call(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            raise OSError(number, os.strerror(number))
        return real(*args, **options)

    monkeypatch.setattr(module, name, call)
