"""What training scripts save beside the weights, as Python objects."""

from __future__ import annotations

import argparse
import collections
import datetime
import decimal
import enum
import functools
import pathlib
import re
import types
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch


class Phase(enum.Enum):
    TRAIN = "train"


class Settings:
    """A class of the author's own, with a state."""

    def __init__(self) -> None:
        self.lr, self.paths = 0.1, [pathlib.PurePosixPath("a"), pathlib.PurePosixPath("b")]


class History(list):  # type: ignore[type-arg]
    """A list of the author's own."""


class Table(dict):  # type: ignore[type-arg]
    """A dict of the author's own."""


class Slotted:
    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 3


def stepped() -> torch.optim.Optimizer:
    return torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))], lr=0.1)


# What to save, and which classes a reader that looks at none of it should name. Python's own values are not told.
OBJECTS: Mapping[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "torch.Size": (lambda: torch.Size([3, 224, 224]), ("torch.Size",)),
    "torch.device": (lambda: torch.device("cpu"), ("torch.device",)),
    "torch.dtype": (lambda: torch.float32, ("torch.float32",)),
    "torch.layout": (lambda: torch.strided, ("torch.serialization._get_layout",)),
    "a random state of torch": (torch.get_rng_state, ()),
    "bytes": (lambda: b"abc", ()),
    "a bytearray": (lambda: bytearray(b"abc"), ()),
    "a complex number": (lambda: 1 + 2j, ()),
    "an integer of 26 bytes": (lambda: 1 << 200, ()),
    "an integer of 400 bytes": (lambda: 1 << 3200, ()),
    "a slice": (lambda: slice(1, 2), ()),
    "a range": (lambda: range(3), ()),
    "a set": (lambda: {1, 2.5, "a", None, (1, 2)}, ()),
    "a frozenset": (lambda: frozenset([1]), ()),
    "an ellipsis": (lambda: ..., ()),
    "the class of None": (lambda: type(None), ()),
    "an error": (lambda: ValueError("x"), ()),
    "a Counter": (lambda: collections.Counter("abca"), ("collections.Counter",)),
    "an OrderedDict": (lambda: collections.OrderedDict(a=1), ()),
    "a defaultdict": (lambda: collections.defaultdict(list, a=[1]), ("collections.defaultdict",)),
    "a deque": (lambda: collections.deque([1, 2], 3), ("collections.deque",)),
    "keys of every kind": (
        lambda: {None: 1, True: 2, 1.5: 3, (1, "a"): 4, b"x": 5, torch.float16: 6},
        ("torch.float16",),
    ),
    "a path": (lambda: pathlib.PurePosixPath("out/x"), ("pathlib.PurePosixPath",)),
    "a date": (lambda: datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone.utc), ("datetime.datetime",)),
    "a duration": (lambda: datetime.timedelta(1), ("datetime.timedelta",)),
    "a decimal": (lambda: decimal.Decimal("1.5"), ("decimal.Decimal",)),
    "a UUID": (lambda: uuid.UUID(int=3), ("uuid.UUID",)),
    "a regular expression": (lambda: re.compile("a"), ("re._compile",)),
    "an argparse.Namespace": (lambda: argparse.Namespace(lr=1), ()),
    "a SimpleNamespace": (lambda: types.SimpleNamespace(lr=1), ("types.SimpleNamespace",)),
    "a partial": (lambda: functools.partial(Settings), ("functools.partial",)),
    "an enum's member": (lambda: Phase.TRAIN, ("objects_beside.Phase",)),
    "a class": (lambda: Phase, ("objects_beside.Phase",)),
    "an object of the author's": (Settings, ("objects_beside.Settings", "pathlib.PurePosixPath")),
    "a list of the author's": (lambda: History([1, 2]), ("objects_beside.History",)),
    "a dict of the author's": (lambda: Table(a=1), ("objects_beside.Table",)),
    "an object with slots": (Slotted, ("objects_beside.Slotted",)),
    "a scalar of numpy": (lambda: np.float32(1), ()),
    "a text of numpy": (lambda: np.str_("abc"), ()),
    "a date of numpy": (lambda: np.datetime64("2020-01-01"), ()),
    "a dtype of numpy": (lambda: np.dtype("f4"), ()),
    "a structured dtype": (lambda: np.dtype([("a", "f4")]), ()),
    "an array": (lambda: np.ones(3), ()),
    "an array of objects": (lambda: np.array([1, "a", None], dtype=object), ()),
    "an array of texts": (lambda: np.array(["a", "bc"]), ()),
    "an array of complex numbers": (lambda: np.array([1j]), ()),
    "a masked array": (lambda: np.ma.array([1, 2]), ("numpy.ma.core._mareconstruct", "numpy.ma.MaskedArray")),
    "a random state of numpy": (lambda: np.random.RandomState(0), ("numpy.random._pickle.__randomstate_ctor",)),
    "a generator of numpy": (lambda: np.random.default_rng(0), ("numpy.random._pickle.__generator_ctor",)),
    "a complex tensor": (lambda: torch.ones(2, dtype=torch.complex64), ()),
    "a tensor with another sign": (lambda: torch._neg_view(torch.ones(2)), ()),
    "an expanded tensor": (lambda: torch.ones(1).expand(5), ()),
    "a sparse tensor": (lambda: torch.eye(2).to_sparse(), ("torch._utils._rebuild_sparse_tensor",)),
    "a quantised tensor": (
        lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
        ("torch._utils._rebuild_qtensor",),
    ),
    "a meta tensor": (
        lambda: torch.ones(2, device="meta"),
        ("torch._utils._rebuild_meta_tensor_no_storage", "torch.float32"),
    ),
    "a parameter": (lambda: torch.nn.Parameter(torch.ones(2)), ()),
    "a module": (lambda: torch.nn.Linear(1, 1), ("torch.nn.modules.linear.Linear",)),
    "an optimizer": (stepped, ("torch.optim.adamw.AdamW", "collections.defaultdict")),
    "a schedule": (
        lambda: torch.optim.lr_scheduler.StepLR(stepped(), 1),
        ("torch.optim.lr_scheduler.StepLR", "torch.optim.adamw.AdamW", "collections.defaultdict"),
    ),
}
