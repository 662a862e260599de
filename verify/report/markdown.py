"""What a verification found, for a pull request: short, with long lists folded."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from convert.errors import counted
from convert.frameworks import FRAMEWORKS
from convert.visible import joined, visible
from verify.accuracy.scores import Accuracy, PairedResult
from verify.gate import Gate
from verify.gates import STRUCTURE
from verify.gates.layers import UnitDifference, UnitReport
from verify.gates.structure import PARAMETERS
from verify.report.phrases import flip_line, gate_rows, headline, note_lines, paired_lines, score, why_table
from verify.result import Result
from verify.store.words import fact_words

LISTED = 50  # lines of a list; GitHub takes 65,536 characters a comment
WIDTH = 150  # characters of a listed line

# What GitHub's Markdown reads as more than itself: emphasis, links, tables, tags, references and strikes.
SPECIAL = re.compile(r"[\\`*_\[\]|~]|<(?=[A-Za-z/!?])|&(?=[#\w])|^[#>]")

# What GitHub makes a link of, or a word to somebody, without any mark: @name, #12, GH-12, addresses. An entity does not
# hide them, for they are looked for in the finished page; a space of no width after these does.
REFERENCE = re.compile(r"@(?=\w)|#(?=\d)|\bGH-(?=\d)|\bwww(?=\.)|:(?=//)|\b(?:mailto|xmpp):", re.IGNORECASE)


def as_markdown(result: Result) -> str:
    """The result for a pull request. Names out of files stand in code spans, where nothing in them is read."""
    lines = [f"## {headline(result)}", ""]
    if result.paired:
        remarks = [f"- {_escaped(line)}" for line in paired_lines(result.paired)]
        lines += [*_port_table(result, result.paired), "", *remarks, ""]
    lines += _table(
        ["gate", "verdict", "measured", "limit"], [[*map(_escaped, row)] for row in gate_rows(result.gates)]
    )
    lines += [line for note in note_lines(result.gates) for line in ("", _escaped(note))]
    if result.units and result.units.first:
        lines += ["", _departing_unit(result.units, result.units.first)]
    if result.why:
        lines += ["", _escaped(result.why.verdict)]
        head, rows = why_table(result.why)
        lines += ["", *_table(head, [[*map(_escaped, row)] for row in rows])] if rows else []
    for gate in result.gates:
        lines += _folded(f"{gate.name}: problems", gate.problems)
    if result.paired:
        lines += _folded("flips", [flip_line(flip) for flip in result.paired.flips])
    lines += _facts(result)
    return joined([*lines, ""])


def _departing_unit(report: UnitReport, first: UnitDifference) -> str:
    where = "" if first.dtype == "float64" else f", in {first.dtype} alone"
    hint = f": {_escaped(visible(report.hint))}" if report.hint else ""
    return f"First unit that departs{where}: {_code(first.name)}{hint}"


def _port_table(result: Result, paired: PairedResult) -> list[str]:
    """The row that Paddle's maintainers ask for: the port's score, the reference, the parameters."""
    torch, paddle = (_scores(paired.accuracy[framework]) for framework in FRAMEWORKS)
    references = [f"{torch} (torch, the same {counted(paired.read, 'image')})"]
    if recipe := result.recipe:
        scores = [recipe.top1] if recipe.top5 is None else [recipe.top1, recipe.top5]
        numbers = " / ".join(f"{value:.{recipe.decimals}f}" for value in scores)
        references.append(f"{numbers} ({_code(recipe.name, in_table=True)}, published)")
    head = ["model", "Paddle top-1 / top-5", "reference top-1 / top-5", "params"]
    model = _code(result.facts.identity.arch.name, in_table=True)
    return _table(head, [[model, paddle, "<br>".join(references), _parameters(result.gates)]])


def _scores(accuracy: Accuracy) -> str:
    return "no labels" if accuracy.top1 is None else f"{score(accuracy.top1)} / {score(accuracy.top5)}"


def _parameters(gates: Sequence[Gate]) -> str:
    measures = [measure for gate in gates if gate.name == STRUCTURE.name for measure in gate.measures]
    return next((f"{measure.value:,.0f}" for measure in measures if measure.name == PARAMETERS), "")


def _facts(result: Result) -> list[str]:
    facts = {**fact_words(result.facts), **({"command": result.command} if result.command else {})}
    rows = [f"- {_escaped(key)}: {_code(value)}" for key, value in facts.items()]
    return ["", "<details><summary>What was verified</summary>", "", *rows, "", "</details>"]


def _folded(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    listed = [_shortened(visible(line)) for line in lines[:LISTED]]
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", "\n".join(listed)))])
    hidden = len(lines) - LISTED
    more = [f"... and {hidden:,} more in report.json"] if hidden > 0 else []
    head = f"<details><summary>{_unlinked(html.escape(visible(title)))} ({len(lines):,})</summary>"
    return ["", head, "", f"{fence}text", *listed, *more, fence, "", "</details>"]


def _shortened(line: str) -> str:
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}..."


def _code(text: str, *, in_table: bool = False) -> str:
    content = visible(text).replace("|", r"\|") if in_table else visible(text)
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", content)), default=0))
    pad = " " if content[:1] == "`" or content[-1:] == "`" else ""
    return f"{ticks}{pad}{content}{pad}{ticks}" if content else ""


def _escaped(text: object) -> str:
    """Text that stands for itself outside a code span: on one line, nothing in it read, linked or told to anybody."""
    return _unlinked(SPECIAL.sub(r"\\\g<0>", visible(text)))


def _unlinked(text: str) -> str:
    return REFERENCE.sub(r"\g<0>&#8203;", text)


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]
