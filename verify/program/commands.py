"""The `paddleferry` command, whose subcommands are all there is, and the way into `verify`."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import NamedTuple

PROG = "paddleferry"


class Command(NamedTuple):
    """A subcommand. Its module is loaded when it is chosen.

    Attributes:
        name: the word that chooses it.
        help: what it does, in a line.
        main: `module:function` that runs it, called with its arguments and `prog`; returns the exit status.
        parser: `module:function` that makes its parser, called with `prog`.
    """

    name: str
    help: str
    main: str
    parser: str


COMMANDS = (
    Command(
        "convert",
        help="carry a checkpoint between PyTorch and Paddle",
        main="convert.cli:main",
        parser="convert.cli:make_parser",
    ),
    Command(
        "verify",
        help="prove that a Paddle checkpoint is the PyTorch one",
        main="verify.cli:main",
        parser="verify.usage:make_parser",
    ),
    Command(
        "inspect",
        help="show what is in a checkpoint file, or what parts two",
        main="convert.inspect.cli:main",
        parser="convert.inspect.cli:make_parser",
    ),
    Command(
        "pair",
        help="map any PyTorch model to a Paddle one, and prove it",
        main="verify.pairing.cli:main",
        parser="verify.pairing.cli:make_parser",
    ),
    Command(
        "env",
        help="print versions, machine and devices, for a bug report",
        main="verify.program.env:main",
        parser="verify.program.env:make_parser",
    ),
    Command(
        "completion",
        help="print the script by which a shell completes these commands",
        main="verify.program.completion:main",
        parser="verify.program.completion:make_parser",
    ),
)

EXAMPLES = """\
examples:
  paddleferry convert --src x.pth --dst x.pdparams
  paddleferry verify --arch convnext_tiny --src x.pth --dst x.pdparams --data imagenet/val --report out
  paddleferry inspect x.pth --tensors
  paddleferry pair --torch timm:resnet18 --paddle paddle.vision:resnet18 --table resnet18.table.toml
  paddleferry verify --help                                  a command's own options and examples
  paddleferry env                                            for a bug report; names no path and no host
  paddleferry completion bash > ~/.local/share/bash-completion/completions/paddleferry

exit status: 0 done, 1 bad input or a gate failed, 2 wrong usage
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the subcommand that the first argument names; returns its exit status."""
    words = sys.argv[1:] if argv is None else argv
    if clash := _describe_clash():
        if words[:1] == ["env"]:  # which is asked what is wrong with an environment
            _run("env", words[1:])
        print(f"{PROG}: {clash}", file=sys.stderr)
        return 1
    return _run(make_parser().parse_args(words[:1]).command, words[1:])


def verify(argv: list[str] | None = None) -> int:
    """Runs `verify`; returns its exit status, 1 where a package of ours is not ours any more."""
    if clash := _describe_clash():
        print(f"verify: {clash}", file=sys.stderr)
        return 1
    from verify.cli import main as run_verify

    return run_verify(argv)


def make_parser(*, whole: bool = False) -> argparse.ArgumentParser:
    """The first word's parser.

    Args:
        whole: with every subcommand's own arguments, for which their modules are loaded.
    """
    from convert.console import Parser
    from convert.version import __version__

    parser = Parser(
        prog=PROG,
        description="Carry weights from PyTorch to PaddlePaddle, and prove that nothing was lost on the way.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"paddleferry {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        own = [resolve_name(command.parser)(f"{PROG} {command.name}")] if whole else []
        commands.add_parser(command.name, help=command.help, parents=own, add_help=False)
    return parser


def _run(name: str, words: list[str]) -> int:
    from convert.console import print_message, settle_streams
    from convert.endings import shortages, status_of, terminable, word_of
    from convert.errors import FerryError

    (command,) = (command for command in COMMANDS if command.name == name)
    prog = f"{PROG} {name}"
    settle_streams()
    with terminable():
        try:
            with shortages():
                status: int = resolve_name(command.main)(words, prog=prog)
        except FerryError as error:
            print_message(f"{prog}: {error}")
            return 1
        except KeyboardInterrupt as error:
            print_message(f"\n{prog}: {word_of(error)}")
            return status_of(error)
    return status


def _describe_clash() -> str:
    """What stands where a package of ours should; a user's own `convert.py` is looked at, not run."""
    spec = find_spec("convert")
    folders = spec.submodule_search_locations if spec else None
    if spec and not any(Path(folder, "ownership.py").is_file() for folder in folders or ()):
        where = _visible(spec.origin or "a folder `convert`")
        return f"{where} hides the package `convert` that this needs; start from another folder, or rename it"
    from convert.ownership import describe_clash

    return describe_clash("convert", "verify")


def _visible(text: str) -> str:
    """The text by its escapes where it is not printable; `convert.visible` is not to be had here."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
