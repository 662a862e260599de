"""Every option of `convert` in every mode: taken where it changes something, wrong usage everywhere else."""

from __future__ import annotations

import pytest
from command_lines import Case, CommandLines, ids

from convert.cli import USAGE, make_parser

LINES = CommandLines(make_parser(), USAGE)


def test_every_option_has_a_row() -> None:
    assert set(LINES.options) == set(USAGE.rules)


@pytest.mark.parametrize("case", ids(LINES.in_modes()))
def test_an_option_is_taken_in_its_modes_and_refused_in_the_others(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    line = LINES.line(case.mode, case.option)

    if case.mode in USAGE.rules[case.option].modes:
        assert LINES.parse(line)
    else:
        refusal = LINES.refusal(line, capsys)
        assert all(name in refusal for name in (case.option, case.mode.option))
        assert "so leave " in refusal
