"""The `pair` command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convert.console import OutputError, Parser, print_message, print_result, settle_streams
from convert.endings import shortages, status_of, terminable, word_of
from convert.errors import FerryError, counted
from convert.visible import joined
from verify.pairing.model_options import add_model_options, model_named

if TYPE_CHECKING:
    from verify.pairing.search import Finding, Request, Tried
    from verify.pairing.survey import Survey

EXAMPLES = """\
examples:
  %(prog)s --torch torchvision:resnet18 --paddle paddle.vision:resnet18 --table resnet18.table.toml
  %(prog)s --torch timm:regnety_016 --paddle ppcls.arch.backbone.model_zoo.regnet:RegNetY_1600MF \\
      --python paddle=clas/bin/python --paddle-setup ppcls.utils.logger:init_logger --table regnety_016.table.toml
  %(prog)s --torch net.py:build --paddle net_paddle.py:build --rule 'head.fc.{p} = fc.{p}' --table net.table.toml

--torch and --paddle name what is run: a library's model, or your own code. A table alone runs nothing.
exit status: 0 proven and written, 1 not proven or bad input (nothing was written), 2 wrong usage
"""


def main(argv: list[str] | None = None, *, prog: str = "paddleferry pair") -> int:
    """Runs the command; returns the exit status 0 or 1. Wrong usage leaves through argparse with 2."""
    settle_streams()
    args = make_parser(prog).parse_args(argv)
    with terminable():
        try:
            with shortages():
                return _run(args)
        except OutputError as error:
            print_message(f"{prog}: {error}")
        except FerryError as error:
            print_message(f"{prog}: {error}")
            print_message(f"{prog}: nothing was written")
        except KeyboardInterrupt as error:
            print_message(f"\n{prog}: {word_of(error)}; nothing was written")
            return status_of(error)
    return 1


def _run(args: argparse.Namespace) -> int:
    from convert.checkpoints.atomic import check_target
    from convert.tables.writing import format_table
    from verify.pairing.making import make_table
    from verify.pairing.model import PairModel
    from verify.pairing.search import search
    from verify.workers.compute import CORES

    if args.table:
        check_target(args.table, force=args.force)
    pythons = dict(args.python or ())
    torch_name = model_named(args.torch, args.torch_arg, args.torch_setup)
    paddle_name = model_named(args.paddle, args.paddle_arg, args.paddle_setup)
    assert torch_name is not None
    assert paddle_name is not None  # both are required
    threads = args.threads or CORES
    with (
        PairModel("torch", threads, pythons.get("torch", "")) as torch,
        PairModel("paddle", threads, pythons.get("paddle", "")) as paddle,
    ):
        torch.build(torch_name)
        paddle.build(paddle_name)
        finding = search(torch, paddle, _request(args), say=print_message)
        lines = [*_model_lines(args, finding), *map(_tried_line, finding.tried), *filter(None, [finding.note])]
        if not finding.proven:
            return _refuse(lines, torch, paddle, finding)
    tried = finding.proven[0]
    table = make_table(args.name or _name(args.torch), torch_name, paddle_name, finding, tried)
    text = format_table(table)
    if args.table is None:
        print_result(text.removesuffix("\n"))
        return 0
    _write(args.table, text, force=args.force)
    print_result(joined([*lines, *_left_out_lines(finding), f"wrote {args.table}: {len(table.rows):,} tensors"]))
    return 0


def _write(path: Path, text: str, *, force: bool) -> None:
    from convert.checkpoints.atomic import write_atomically

    write_atomically(path, [text.encode()], force=force)


def _refuse(lines: Sequence[str], torch: Any, paddle: Any, finding: Finding) -> int:
    from verify.pairing.cause import explain
    from verify.pairing.proposals import describe_surpluses

    reasons = [f"not equally many: {line}" for line in describe_surpluses(finding.surplus)]
    reasons += explain(torch, paddle, finding)
    print_result(joined([*lines, *reasons]))
    raise FerryError(
        "no mapping is proven; what is named above is to be mended in one of the models; --leave-out 'NAME = why' "
        "leaves out a tensor that only one of them has, which proves where no answer depends on it"
    )


def _request(args: argparse.Namespace) -> Request:
    from verify.pairing.search import Request

    rules = tuple(args.rule or ())
    return Request(args.in_chans, args.size, rules, tuple(args.leave_out or ()))


def _name(reference: str) -> str:
    return reference.rpartition(":")[2]


def _model_lines(args: argparse.Namespace, finding: Finding) -> list[str]:
    sides = zip((args.torch, args.paddle), finding.surveys, strict=True)
    count, channels, height, width = finding.batch.shape
    tempered = "" if finding.temper == 1 else f", matrices scaled by {finding.temper:g}"
    lines = [f"{reference}: {_described(survey)}" for reference, survey in sides]
    return [*lines, f"input: {count} images of {channels} x {height} x {width}{tempered}"]


def _described(survey: Survey) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in survey.versions.items())
    return f"{counted(len(survey.tensors), 'tensor')} in {counted(len(survey.layers), 'layer')}, {versions}"


def _tried_line(tried: Tried) -> str:
    outcome = tried.outcome
    training = "" if outcome.training is None else f", {outcome.training:.1e} in training mode"
    eps = ", with eps and Hardsigmoid's slope rounded as Paddle keeps them" if outcome.as_paddle_keeps else ""
    verdict = "proven" if outcome.proven else "wrong"
    return f"by {tried.proposal.how}: max rel {outcome.max_rel:.1e}{training}{eps}: {verdict}"


def _left_out_lines(finding: Finding) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for name, why in finding.left_out.items():
        reasons.setdefault(why, []).append(name)
    return [f"{counted(len(names), 'tensor')} left out, first {names[0]}: {why}" for why, names in reasons.items()]


def make_parser(prog: str = "paddleferry pair") -> argparse.ArgumentParser:
    """The command's arguments."""
    from convert.version import __version__

    parser = Parser(
        prog=prog,
        description="Find which tensor of a PyTorch model is which of a Paddle model, prove it with random weights in "
        "float64, and write the table by which `convert --table` carries weights over.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model_options(parser, required=True)
    _add_search(parser)
    parser.add_argument("--version", action="version", version=f"paddleferry {__version__}")
    return parser


def _add_search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", type=Path, metavar="FILE", help="table to write, .toml; printed without it")
    parser.add_argument("--name", default="", metavar="NAME", help="the table's name; the PyTorch model's without it")
    parser.add_argument("--force", action="store_true", help="replace the table if it exists")
    parser.add_argument(
        "--rule",
        action="append",
        type=_statement,
        metavar="'A = B'",
        help="PyTorch's name and Paddle's, before every proposal: 'head.fc.{p} = fc.{p}'; {i} {j} {k} are numbers",
    )
    parser.add_argument(
        "--leave-out",
        action="append",
        type=_statement,
        metavar="'NAME = WHY'",
        help="tensor of either model that has no counterpart: 'aux.{i}.{p} = unused in evaluation'",
    )
    parser.add_argument("--size", type=int, default=224, metavar="PIXELS", help="height of the input; 224 without it")
    parser.add_argument("--in-chans", type=int, default=3, metavar="N", help="its channels; 3 without it")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="of each framework; all cores without it")


def _statement(text: str) -> tuple[str, str]:
    one, equals, other = (part.strip() for part in text.partition("="))
    if not equals or not one or not other:
        raise argparse.ArgumentTypeError(f"{text!r} has no ' = ' between two sides")
    return one, other
