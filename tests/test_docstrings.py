"""Docstrings name what the code names: fields under `Attributes:`, parameters under `Args:`, all and in order."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("convert", "models_torch", "models_paddle", "verify")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def documented(node: Function | ast.ClassDef, title: str) -> list[str] | None:
    """The names under that title of the docstring; None without such a section."""
    lines = (ast.get_docstring(node) or "").splitlines()
    if f"{title}:" not in lines:
        return None
    names = []
    for line in lines[lines.index(f"{title}:") + 1 :]:
        if not line.startswith("    "):
            break
        if not line.startswith("     "):  # else it goes on with the entry above
            names.append(line.strip().partition(":")[0])
    return names


def parameters(function: Function) -> list[str]:
    """The function's parameters as they are written, without the object or class that a method is called on."""
    args = function.args
    written = [*args.posonlyargs, *args.args, args.vararg, *args.kwonlyargs, args.kwarg]
    return [argument.arg for argument in written if argument and argument.arg not in ("self", "cls")]


def constructor(node: ast.ClassDef) -> Function | None:
    return next((item for item in node.body if isinstance(item, Function) and item.name == "__init__"), None)


def attributes(node: ast.ClassDef) -> list[str]:
    """The class's public fields or, where it has a constructor of its own, what that sets."""
    init = constructor(node)
    targets = [item.target for item in node.body if isinstance(item, ast.AnnAssign) and not is_of_the_class(item)]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    for item in ast.walk(init) if init else ():
        if isinstance(item, ast.Attribute) and isinstance(item.ctx, ast.Store) and ast.unparse(item.value) == "self":
            names.append(item.attr)
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]


def is_of_the_class(field: ast.AnnAssign) -> bool:
    return ast.unparse(field.annotation).startswith("ClassVar")


def is_public_dataclass(node: ast.ClassDef) -> bool:
    return not node.name.startswith("_") and any("dataclass" in ast.unparse(item) for item in node.decorator_list)


def faults(source: str) -> Iterator[str]:
    """Docstrings of a module that name other things than its code: the name, what is documented, what is written."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            names, fields = documented(node, "Attributes"), attributes(node)
            if names is not None and names != fields:
                yield f"{node.name}: {names}, {fields}"
            if names is None and is_public_dataclass(node) and is_silent(node, fields):
                yield f"{node.name}: nothing, {fields}"
        function = constructor(node) if isinstance(node, ast.ClassDef) else node
        if isinstance(node, Function | ast.ClassDef) and isinstance(function, Function):
            names = documented(node, "Args")
            if names is not None and names != parameters(function):
                yield f"{node.name}: {names}, {parameters(function)}"


def is_silent(node: ast.ClassDef, fields: list[str]) -> bool:
    """Whether a dataclass of several fields has neither a list of them nor one line that is enough."""
    return len(fields) > 1 and len((ast.get_docstring(node) or "").splitlines()) != 1


@pytest.mark.parametrize("package", PACKAGES)
def test_docstrings_name_the_codes_own_fields_and_parameters_in(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files

    assert [f"{file.relative_to(ROOT)}: {fault}" for file in files for fault in faults(file.read_text("utf-8"))] == []


FUNCTION = '''
def scale(image, /, factor, *rest, mode="linear", **more):
    """Scales an image.

    Args:
        image: of any size; a line
            may: go on.
        factor: above 0.
        rest: other images.
        mode: how.
        more: what else.

    Raises:
        ValueError: no image.
    """
'''
CLASS = '''
@dataclass(frozen=True)
class Size:
    """A size.

    Attributes:
        height: in pixels.
        width: in pixels.
    """

    unit: ClassVar[str] = "pixel"
    height: int
    width: int
    _area: int = 0
'''
PLAIN_CLASS = '''
class Reader:
    """Reads.

    Args:
        path: of the file.
        size: of a piece.

    Attributes:
        position: in the file.
    """

    def __init__(self, path, size=1):
        self._path = path
        self.position = 0
'''
SHORT_CLASS = '''
@dataclass
class Point:
    """A point: x to the right, y down."""

    x: int
    y: int
'''


@pytest.mark.parametrize("source", [FUNCTION, CLASS, PLAIN_CLASS, SHORT_CLASS])
def test_a_docstring_of_the_codes_own_names_is_good(source: str) -> None:
    assert list(faults(source)) == []


# A good docstring, a change to it or to its code, and what is said of it.
PLANTED = {
    "a parameter renamed": (
        FUNCTION,
        ("factor, *rest", "ratio, *rest"),
        "scale: ['image', 'factor', 'rest', 'mode', 'more'], ['image', 'ratio', 'rest', 'mode', 'more']",
    ),
    "a parameter left out": (
        FUNCTION,
        ("        mode: how.\n", ""),
        "scale: ['image', 'factor', 'rest', 'more'], ['image', 'factor', 'rest', 'mode', 'more']",
    ),
    "two parameters exchanged": (
        FUNCTION,
        ("        rest: other images.\n        mode: how.\n", "        mode: how.\n        rest: other images.\n"),
        "scale: ['image', 'factor', 'mode', 'rest', 'more'], ['image', 'factor', 'rest', 'mode', 'more']",
    ),
    "a field under another name": (
        CLASS,
        ("        height: in", "        tall: in"),
        "Size: ['tall', 'width'], ['height', 'width']",
    ),
    "a field too many": (CLASS, ("    width: int\n", ""), "Size: ['height', 'width'], ['height']"),
    "a field of the class itself": (
        CLASS,
        ("        height: in", "        unit: its word.\n        height: in"),
        "Size: ['unit', 'height', 'width'], ['height', 'width']",
    ),
    "a constructor's parameter renamed": (
        PLAIN_CLASS,
        ("self, path,", "self, file,"),
        "Reader: ['path', 'size'], ['file', 'size']",
    ),
    "an attribute that nobody sets": (
        PLAIN_CLASS,
        ("self.position", "self.offset"),
        "Reader: ['position'], ['offset']",
    ),
    "several lines without the fields": (
        SHORT_CLASS,
        ("down.", "down.\n\n    Of an image.\n    "),
        "Point: nothing, ['x', 'y']",
    ),
    "no docstring": (SHORT_CLASS, ('    """A point: x to the right, y down."""\n', ""), "Point: nothing, ['x', 'y']"),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_docstring_of_other_names_is_found(kind: str) -> None:
    source, (good, planted), expected = PLANTED[kind]
    assert source.count(good) == 1

    assert list(faults(source.replace(good, planted))) == [expected]


def test_the_packages_have_many_such_sections() -> None:
    text = "".join(file.read_text("utf-8") for package in PACKAGES for file in (ROOT / package).rglob("*.py"))

    assert len(re.findall(r"^ +Args:$", text, re.MULTILINE)) > 50
    assert len(re.findall(r"^ +Attributes:$", text, re.MULTILINE)) > 50
