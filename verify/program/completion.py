"""The `paddleferry completion` command: what a shell reads to complete these commands."""

from __future__ import annotations

import argparse
from pathlib import Path
from pkgutil import resolve_name

from convert.console import Parser, print_result
from convert.errors import FerryError
from verify.program import commands

SHELLS = ("bash", "zsh", "tcsh")
OWN_COMMANDS = ("convert", "verify")  # those that are also there without `paddleferry` before them

EXAMPLES = """\
examples:
  %(prog)s bash > ~/.local/share/bash-completion/completions/paddleferry
  %(prog)s bash --for verify > ~/.local/share/bash-completion/completions/verify
  %(prog)s zsh > ~/.zfunc/_paddleferry      with ~/.zfunc on zsh's fpath
  %(prog)s tcsh > ~/.paddleferry.tcsh       which ~/.tcshrc then sources
"""


class NoShtab(FerryError):
    """The package that writes the scripts is not there."""


def main(argv: list[str] | None = None, *, prog: str = "paddleferry completion") -> int:
    """Prints the script; returns the exit status 0. Wrong usage leaves through argparse with 2."""
    args = make_parser(prog).parse_args(argv)
    print_result(completion_script(args.shell, args.command))
    return 0


def completion_script(shell: str, command: str = commands.PROG) -> str:
    """The script by which a shell completes one command.

    Args:
        shell: one of `SHELLS`.
        command: `paddleferry`, or one of `OWN_COMMANDS`.

    Raises:
        NoShtab: shtab is not installed.
    """
    try:
        import shtab
    except ModuleNotFoundError as error:
        raise NoShtab("shtab writes these scripts and is not installed: pip install shtab") from error
    for subcommand in commands.COMMANDS:
        if subcommand.name == command:
            parser: argparse.ArgumentParser = resolve_name(subcommand.parser)(command)
            break
    else:
        parser = commands.make_parser(whole=True)
    _mark_files(parser, shtab.FILE)
    script: str = shtab.complete(parser, shell)
    return script


def make_parser(prog: str = "paddleferry completion") -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = Parser(
        prog=prog,
        description="Print the script by which a shell completes the options of paddleferry, and the files they take.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=SHELLS, help="which shell's")
    parser.add_argument(
        "--for",
        dest="command",
        choices=(commands.PROG, *OWN_COMMANDS),
        default=commands.PROG,
        help="which command to complete (default paddleferry)",
    )
    return parser


def _mark_files(parser: argparse.ArgumentParser, files: object) -> None:
    """Marks what takes a path, in the subcommands too. A shell's files have its folders among them."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for subcommand in action.choices.values():
                _mark_files(subcommand, files)
        elif action.type is Path or "FILE" in (action.metavar or ()):
            action.complete = files  # type: ignore[attr-defined]  # shtab's own way
