"""What contradicts itself in a table, whoever made it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence

from convert.errors import either, shown
from convert.params import Layout, LeftOut, PaddleLeftOut, Param, Row
from convert.tables.table import ModelName

# Of tensors that are carried as they are; floating-point numbers are cast to the target's dtype instead.
KEPT_DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64")
MADE_DTYPES = (*KEPT_DTYPES, "float16", "float32", "float64")
LEFT_OUT_DTYPES = (*MADE_DTYPES, "bfloat16", "complex64", "complex128")
MAX_MADE = 1 << 20  # elements of a tensor that is made anew: memory that no file carries
MAX_RULES = 100
MAX_ROWS = 50_000

PLACE = re.compile(r"\{([^{}]*)\}")
PLACES = ("i", "j", "k", "p", "b")
REFERENCE = re.compile(r"[^:]+(?::[\\/][^:]*)?:[^:]+")  # a file of Windows has a colon of its own


def problems_of_models(*models: tuple[str, ModelName]) -> Iterator[str]:
    """What cannot be in the names of models, each with what a problem calls it."""
    for side, model in models:
        for field, reference in (("model", model.reference), ("setup", model.setup)):
            if not REFERENCE.fullmatch(reference) and (reference or field == "model"):
                yield f"{side} has {field} = {shown(repr(reference))}, which has to be of the form timm:resnet50"
        for name, _ in model.arguments:
            if not name.isidentifier():
                yield f"{side} has an argument {shown(repr(name))}, which is no name of Python's"


def problems_of_rows(rows: Sequence[Row], paddle_left_out: Sequence[PaddleLeftOut]) -> Iterator[str]:
    """What cannot be in a table's tensors."""
    if not any(isinstance(row, Param) for row in rows):
        yield "[tensors] has no tensor that both frameworks have, so there is nothing to convert"
    for row in rows:
        problems = _problems_of_param(row) if isinstance(row, Param) else _problems_of_left_out(row)
        yield from (f"{named(row.torch_name)} {problem}" for problem in problems)
    yield from doubles(rows, paddle_left_out)


def named(name: object) -> str:
    """A tensor of a table, in a message."""
    return f"tensor {shown(repr(name))}"


def find_rule_problem(official: str, theirs: str) -> str:
    """Why two texts are no rule; "" where they are one."""
    places = [PLACE.findall(template) for template in (official, theirs)]
    known = either(f"{{{place}}}" for place in PLACES)
    for template, found in zip((official, theirs), places, strict=True):
        rest = PLACE.sub("", template)
        if "{" in rest or "}" in rest or set(found) - set(PLACES):
            return f"has a place that is none of {known}"
        if len(set(found)) != len(found):
            return "has one place twice in a name"
    if not places[0]:
        return f"has no place, {known}; write its name in Paddle in the tensor's own line"
    if set(places[0]) != set(places[1]):
        return "has other places in PyTorch's name than in Paddle's"
    return ""


def _problems_of_param(row: Param) -> Iterator[str]:
    if not row.layout.fits(row.shape):
        needed = "(out, in)" if row.layout in (Layout.LINEAR, Layout.LINEAR_CONV) else "(out, in, 1, 1)"
        yield f"has layout {row.layout.value!r}, which is for a shape {needed}, and its shape is {row.shape}"
    if row.dtype and row.dtype not in KEPT_DTYPES:
        words = f"{either(KEPT_DTYPES)}; leave it out for floating-point numbers"
        yield f"has dtype {shown(repr(row.dtype))}, which has to be {words}"


def _problems_of_left_out(row: LeftOut) -> Iterator[str]:
    if row.dtype not in LEFT_OUT_DTYPES:
        yield f"has dtype {shown(repr(row.dtype))}, which has to be {either(LEFT_OUT_DTYPES)}"
    elif row.value is not None:
        yield from _problems_of_value(row, row.value)


def _problems_of_value(row: LeftOut, value: int) -> Iterator[str]:
    if row.dtype not in MADE_DTYPES:
        yield f"has a value, and cannot be made of dtype {row.dtype}; leave the value out"
    elif math.prod(row.shape) > MAX_MADE:
        yield f"has a value, and is too large to be made anew: {row.shape}; leave the value out"
    elif not _holds(row.dtype, value):
        yield f"has value {value}, which {row.dtype} cannot hold"


def _holds(dtype: str, value: int) -> bool:
    if dtype == "bool":
        return value in (0, 1)
    if dtype.startswith("float"):
        return abs(value) <= 1 << 11  # whole numbers that each of them has
    bits = int(dtype.lstrip("uint"))
    return 0 <= value < 1 << bits if dtype.startswith("u") else -(1 << bits - 1) <= value < 1 << bits - 1


def doubles(rows: Sequence[Row], paddle_left_out: Sequence[PaddleLeftOut]) -> Iterator[str]:
    """Names that two tensors of one framework have."""
    for name in _repeated(row.torch_name for row in rows):
        yield f"{named(name)} stands twice among PyTorch's"
    first: dict[str, str] = {}
    for row in (row for row in rows if isinstance(row, Param)):
        other = first.setdefault(row.paddle_name, row.torch_name)
        if other != row.torch_name:
            shared = shown(repr(row.paddle_name))
            yield f"{named(row.torch_name)} has Paddle's name {shared}, as {shown(repr(other))} has"
    for name in _repeated(row.name for row in paddle_left_out):
        yield f"{named(name)} stands twice among Paddle's that are left out"
    for left_out in paddle_left_out:
        if left_out.name in first:
            other = shown(repr(first[left_out.name]))
            yield f"{named(left_out.name)} is left out of Paddle's, and {other} has its name"


def _repeated(names: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]  # None
