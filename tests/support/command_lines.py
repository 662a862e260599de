"""Command lines for every option of a parser in every mode of its table."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pytest

from convert.usage import Mode, Usage

VALUES = {
    "--shard": "1/1",
    "--device": "gpu",
    "--torch": "timm:a",
    "--torch-arg": "a=1",
    "--torch-setup": "a:b",
    "--paddle": "a:b",
    "--paddle-arg": "a=1",
    "--paddle-setup": "a:b",
    "--python": "torch=a",
}  # any other option that takes a value takes ANY, or one of its choices
ANY = "64"


class Case(NamedTuple):
    """An option in a mode, and another option on which it depends, or with which it cannot be."""

    mode: Mode
    option: str
    other: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.mode.option or "run", self.option, self.other)))


class CommandLines:
    """Words that a command's parser takes."""

    def __init__(self, parser: argparse.ArgumentParser, usage: Usage) -> None:
        self.parser, self.usage = parser, usage
        exits = argparse._HelpAction | argparse._VersionAction
        self.options: Mapping[str, argparse.Action] = {
            action.option_strings[-1]: action for action in parser._actions if not isinstance(action, exits)
        }

    def in_modes(self) -> Iterator[Case]:
        """Every option in every mode; what chooses a mode would leave the one that no option chooses."""
        choosers = {mode.option for mode in self.usage.modes}
        for mode in self.usage.modes:
            options = self.options if mode.option else self.options.keys() - choosers
            yield from (Case(mode, option) for option in sorted(options))

    def with_needs(self) -> Iterator[Case]:
        """Every option in every mode that takes it and does not bring what it needs."""
        for option, rule in self.usage.rules.items():
            for need in (need.split()[0] for need in rule.needs):
                yield from (Case(mode, option, need) for mode in rule.modes if need not in mode.brings)

    def contradictions(self) -> Iterator[Case]:
        for option, rule in self.usage.rules.items():
            yield from (Case(mode, option, other) for other in rule.excludes for mode in rule.modes)

    def line(self, mode: Mode, *options: str, without: str = "") -> list[str]:
        """The least that a mode takes, those options, and whatever they need but for one option."""
        wanted = dict.fromkeys([*([mode.option] if mode.option else []), *mode.required, *options])
        pending = list(wanted)
        while pending:
            needs = [need.split()[0] for need in self.usage.rules[pending.pop()].needs]
            pending += [need for need in needs if need not in (without, *mode.brings, *wanted)]
            wanted |= dict.fromkeys(pending)
        return [word for option in wanted for word in self.words(option)]

    def words(self, option: str) -> list[str]:
        action = self.options[option]
        if action.nargs == 0:
            return [option]
        value = str(next(iter(action.choices))) if action.choices else VALUES.get(option, ANY)
        return [option, *[value] * (action.nargs if isinstance(action.nargs, int) else 1)]

    def parse(self, words: list[str]) -> argparse.Namespace:
        return self.usage.parse(self.parser, words)

    def refusal(self, words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
        """What is said as argparse leaves with status 2."""
        with pytest.raises(SystemExit) as caught:
            self.parse(words)
        assert caught.value.code == 2
        return capsys.readouterr().err.splitlines()[-1]


def ids(cases: Iterator[Case]) -> list[object]:
    """The cases as parameters of a test, each under its own name."""
    return [pytest.param(case, id=str(case)) for case in cases]
