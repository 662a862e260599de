"""Every option of `verify` in every mode: taken where it changes something, wrong usage everywhere else."""

from __future__ import annotations

import pytest
from command_lines import Case, CommandLines, ids

from verify.usage import USAGE, make_parser

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


@pytest.mark.parametrize("case", ids(LINES.with_needs()))
def test_an_option_without_what_it_needs_is_refused(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    refusal = LINES.refusal(LINES.line(case.mode, case.option, without=case.other), capsys)

    assert f"{case.option} needs " in refusal
    assert case.other in refusal
    assert "give " in refusal


@pytest.mark.parametrize("case", ids(LINES.contradictions()))
def test_options_that_contradict_each_other_are_refused(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    refusal = LINES.refusal(LINES.line(case.mode, case.option, case.other), capsys)

    assert refusal.endswith(f"{case.option} and {case.other} contradict each other: leave one of them out")


def test_the_help_says_once_what_an_option_needs() -> None:
    for option, action in LINES.options.items():
        needs = USAGE.rules[option].needs

        assert (action.help or "").count("needs") == bool(needs)
        assert all(need in (action.help or "") for need in needs)
