"""The `paddleferry inspect` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from convert.console import Parser, print_result
from convert.paths import status_of
from convert.usage import Mode, Rule, Usage

if TYPE_CHECKING:
    from convert.inspect.measure import Progress

DIFF = Mode("--diff", "compares two files")
INSPECT = Mode("")

USAGE = Usage(
    modes=(DIFF, INSPECT),
    rules={
        "--tensors": Rule((INSPECT,)),
        "--diff": Rule((DIFF,)),
        "--weights": Rule((DIFF, INSPECT), needs=("--diff",)),
        "--json": Rule((DIFF, INSPECT)),
    },
)

EXAMPLES = """\
examples:
  %(prog)s x.pth                          what is in it: container, weights, what lies beside them, signs
  %(prog)s x.safetensors --tensors        a line a tensor: shape, dtype, min, max, mean, NaN, Inf, digest
  %(prog)s x.pdparams --json              the same for programs, with the SHA-256 of the file
  %(prog)s old.pth new.pth --diff         the tensors that differ, or that one of them alone has
  %(prog)s run.pth x.pdparams --diff --weights model_ema

Nothing that a file holds is run, and no framework is needed.
exit status: 0 shown, or both equal; 1 bad input, or with --diff different; 2 wrong usage
"""


def main(argv: list[str] | None = None, *, prog: str = "paddleferry inspect") -> int:
    """Prints what is in a file, or what parts two; returns the exit status. Wrong usage leaves through argparse with 2.

    Raises:
        FerryError: the input is bad.
    """
    parser = make_parser(prog)
    args = USAGE.parse(parser, argv)
    if misuse := _misuse(len(args.files), is_diff=args.diff):
        parser.error(misuse)
    return _diff(args) if args.diff else _inspect(args)


def make_parser(prog: str = "paddleferry inspect") -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = Parser(
        prog=prog,
        description="Print what is in a checkpoint file of any family: its container, its weights and what lies beside "
        "them, and signs that something is off. With --diff, what parts two files, compared as they lie.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a checkpoint, or two with --diff")
    parser.add_argument(
        "--tensors", action="store_true", help="a line a tensor, with its digest; takes three to four times as long"
    )
    parser.add_argument(
        "--diff", action="store_true", help="compare the weights of two files; exit status 0 if equal, 1 if different"
    )
    parser.add_argument(
        "--weights", default="", metavar="PATH", help="which state dict to compare, where a file holds several"
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    return parser


def _misuse(count: int, *, is_diff: bool) -> str:
    if is_diff:
        return "" if count == 2 else f"--diff compares two files; give two, not {count}"
    return "" if count == 1 else "one file is looked at; --diff compares two"


def _inspect(args: argparse.Namespace) -> int:
    from convert.inspect import document, text  # numpy loads with these, which --help need not wait for
    from convert.inspect.inspection import inspect_file

    (path,) = args.files
    with _bar([path]) as progress:
        inspection = inspect_file(path, thorough=args.tensors, digest=args.json, progress=progress)
    show = document.as_json if args.json else text.as_text
    print_result(show(inspection, tensors=args.tensors))
    return 0


def _diff(args: argparse.Namespace) -> int:
    from convert.inspect import diff_document, diff_text
    from convert.inspect.diff import diff_files

    first, second = args.files
    with _bar(args.files) as progress:
        diff = diff_files(first, second, weights=args.weights, progress=progress)
    print_result(diff_document.diff_as_json(diff) if args.json else diff_text.diff_as_text(diff))
    return 0 if diff.is_equal else 1


@contextmanager
def _bar(files: list[Path]) -> Iterator[Progress]:
    """A bar of the bytes that were read, on a terminal alone."""
    if not sys.stderr.isatty():
        from convert.inspect.measure import ignore_progress

        yield ignore_progress
        return
    from tqdm import tqdm

    total = sum(status.st_size for status in map(status_of, files) if status)
    bar = tqdm(total=total, unit="B", unit_scale=True, desc="inspect", leave=False)

    def update(count: int) -> None:
        with suppress(OSError):  # the terminal has gone, which is no reason to fail
            bar.update(count)

    try:
        yield update
    finally:
        with suppress(OSError):
            bar.close()
