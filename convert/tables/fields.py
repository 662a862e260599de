"""One section of a table's file, asked for its fields: what is missing, of a wrong kind or unknown is a problem."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from convert.errors import did_you_mean, listed, shown
from convert.params import Shape

Answer = TypeVar("Answer")

MAX_TEXT = 1000  # characters of a name or a reason
MAX_RANK = 8
MAX_SIDE = 1 << 40
MAX_DEPTH = 4  # of lists in an argument
MAX_LIST = 1000
NO_SECTION: Mapping[str, Any] = MappingProxyType({})  # of what is not there
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def is_text(value: object) -> bool:
    """Whether it is text that can be read on one line."""
    return isinstance(value, str) and bool(value) and len(value) <= MAX_TEXT and value.isprintable()


def is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63


def is_measure(value: object) -> bool:
    """Whether it is a finite number of 0 or more."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and bool(0 <= value < math.inf)  # type: ignore[operator]  # a number by now


def is_size(value: object) -> bool:
    """Whether it is a height and a width."""
    return is_shape(value) and len(value) == 2  # type: ignore[arg-type]  # a list by now


def is_shape(value: object) -> bool:
    """Whether it is a list of sizes that a tensor can have."""
    return (
        isinstance(value, list)
        and len(value) <= MAX_RANK
        and all(is_whole(side) and 0 < side < MAX_SIDE for side in value)
        and math.prod(value) < MAX_SIDE
    )


def is_argument(value: object, depth: int = 0) -> bool:
    """Whether a model may be given it: text, a number, true, false, or a list of such."""
    if isinstance(value, list):
        return depth < MAX_DEPTH and len(value) <= MAX_LIST and all(is_argument(item, depth + 1) for item in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, bool) or is_whole(value) or value == "" or is_text(value)


TEXT = "one line of text without control characters"
WHOLE = "a whole number"
SHAPE = "a list of sizes, each 1 or more: [out, in]"
MEASURE = "a number, 0 or more"
TRUTH = "true or false"


class Fields:
    """A section whose fields are taken one by one.

    Args:
        where: how a problem names the section.
        content: what stands there.
        problems: where a line for each problem goes.
    """

    def __init__(self, where: str, content: object, problems: list[str]) -> None:
        self.where = where
        self.problems = problems
        self.is_section = isinstance(content, Mapping)
        self.content: Mapping[str, Any] = content if isinstance(content, Mapping) else {}
        self.asked: list[str] = []
        if not self.is_section:
            self.tell(f"has to be a section of names and values, and is {described(content)}")

    def tell(self, problem: str) -> None:
        self.problems.append(f"{self.where} {problem}")

    def take(
        self, name: str, fits: Callable[[object], bool], words: str, otherwise: Answer, *, needed: bool = False
    ) -> Any | Answer:
        """The field's value, or `otherwise` where it is not there or no good."""
        self.asked.append(name)
        if name not in self.content:
            if needed and self.is_section:
                self.tell(f"has no {name}: {words}")
            return otherwise
        value = self.content[name]
        if fits(value):
            return value
        self.tell(f"has {name} = {described(value)}, which has to be {words}")
        return otherwise

    def text(self, name: str, *, needed: bool = False) -> str:
        return str(self.take(name, is_text, TEXT, "", needed=needed))

    def whole(self, name: str, *, least: int = -(1 << 63)) -> int:
        words = WHOLE if least < 0 else f"{WHOLE}, {least} or more"
        return int(self.take(name, lambda value: is_whole(value) and least <= value, words, 0, needed=True))  # type: ignore[operator]  # is_whole has looked

    def measure(self, name: str, *, needed: bool) -> float | None:
        value = self.take(name, is_measure, MEASURE, None, needed=needed)
        return None if value is None else float(value)

    def truth(self, name: str) -> bool:
        return bool(self.take(name, lambda value: isinstance(value, bool), TRUTH, False, needed=True))

    def shape(self) -> Shape:
        return tuple(self.take("shape", is_shape, SHAPE, (), needed=True))

    def section(self, name: str, *, needed: bool = False) -> Mapping[str, Any]:
        """A section within this one; `NO_SECTION` where there is none."""
        words = "a section of names and values"
        value: Mapping[str, Any] = self.take(
            name, lambda value: isinstance(value, dict), words, NO_SECTION, needed=needed
        )
        return value

    def end(self) -> None:
        """Tells of every field that nobody asked for."""
        strangers = [name for name in self.content if name not in self.asked]
        for name in strangers[:MAX_LIST]:
            hint = did_you_mean(name[:80], self.asked, otherwise=f"known are {listed(self.asked)}")
            self.tell(f"has an unknown field {shown(repr(name))}; {hint}")


def described(value: object) -> str:
    """What stands in a file, short."""
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list):
        return shown(f"[{', '.join(described(item) for item in value[:8])}{', ...' if value[8:] else ''}]", 60)
    words = {True: "true", False: "false", None: "null"}
    if value is None or isinstance(value, bool):
        return words[value]
    if isinstance(value, int) and not is_whole(value):
        return "a number of many digits"
    return shown(repr(value), 60)
