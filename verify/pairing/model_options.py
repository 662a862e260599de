"""The options of a command line that name a model to build, and their values."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convert.errors import did_you_mean

if TYPE_CHECKING:
    from convert.tables.table import ModelName

KINDS = {
    "torch": "timm:NAME, torchvision:NAME, package.module:callable or file.py:callable",
    "paddle": "paddle.vision:NAME, package.module:callable or file.py:callable",
}


class Collect(argparse.Action):
    """Keeps every value of an option that is given several times, whatever stood for none before the first."""

    def __call__(
        self, _: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, __: str | None = None
    ) -> None:
        before = getattr(namespace, self.dest, None)
        setattr(namespace, self.dest, [*(before if isinstance(before, list) else []), values])


def add_model_group(parser: argparse.ArgumentParser) -> None:
    """Adds `--table` and the options of models to a command that verifies."""
    group = parser.add_argument_group(
        "models of somebody else's",
        "A table states the pair and its tensors. Its models are built where timm, torchvision or paddle.vision knows\n"
        "them by name; others are code, and run only where they are named here. Without a table, a model stands in\n"
        "the place of ours, its tensors named as ours or as a library names them.",
    )
    group.add_argument("--table", type=Path, metavar="FILE", help="parameter table of the pair: .toml, .json")
    add_model_options(group)


def add_model_options(parser: argparse._ActionsContainer, *, required: bool = False) -> None:
    """Adds `--torch`, `--paddle`, what goes with them, and `--python`.

    Args:
        parser: of the command, or a group of it.
        required: whether the command can do without none of the models.
    """
    for side, kinds in KINDS.items():
        parser.add_argument(f"--{side}", required=required, metavar="MODEL", type=reference, help=kinds)
    for side in KINDS:
        parser.add_argument(
            f"--{side}-arg",
            action=Collect,
            type=argument,
            metavar="NAME=VALUE",
            help=f"keyword argument for {side}'s model, as often as needed: num_classes=10",
        )
        parser.add_argument(
            f"--{side}-setup",
            type=reference,
            metavar="CALL",
            help=f"package.module:callable that is called once before {side}'s model is built",
        )
    parser.add_argument(
        "--python",
        type=pythons,
        metavar="torch=P,paddle=P",
        help="the Python interpreters that have them, where one environment cannot have both",
    )


def model_named(
    reference: str | None, arguments: Sequence[tuple[str, Any]] | None, setup: str | None
) -> ModelName | None:
    """The model of those options' values; None where none is named."""
    from convert.tables.table import ModelName

    return ModelName(reference, tuple(arguments or ()), setup or "") if reference else None


def reference(text: str) -> str:
    """A model, or a callable."""
    if not re.fullmatch(r"[^:]+:[A-Za-z_][\w.]*", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no model; say what it is in, a colon, and its name: timm:resnet18"
        )
    return text


def argument(text: str) -> tuple[str, Any]:
    """A name and a value of Python's, or text."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME=VALUE")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value


def pythons(text: str) -> tuple[tuple[str, str], ...]:
    """Framework and interpreter, of one framework or both."""
    pairs = [part.partition("=") for part in text.split(",")]
    for name, equals, path in pairs:
        if name not in KINDS or not equals or not path:
            hint = did_you_mean(name, KINDS, otherwise="say torch=PATH, paddle=PATH or both")
            raise argparse.ArgumentTypeError(f"{text!r}: {hint}")
    return tuple((name, path) for name, _, path in pairs)
