"""What the options of a command go with: a table, and the check that follows from it."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from convert.errors import join_words

NOT_GIVEN = object()


@dataclass(frozen=True)
class Mode:
    """One of the things that a command does, and the option that chooses it.

    Attributes:
        option: that chooses it; "" for what the command does where no such option is given.
        description: what it does, as a message says it after the option.
        required: options that it cannot do without, each with what could be given instead.
        brings: options whose part it plays itself.
    """

    option: str
    description: str = ""
    required: Mapping[str, str] = field(default_factory=dict)
    brings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """What an option goes with.

    Attributes:
        modes: those in which it may be given.
        needs: options without which it would change nothing; a value behind one (`--device gpu`) is
            for the message.
        excludes: options that contradict it.
    """

    modes: tuple[Mode, ...]
    needs: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Usage:
    """What the options of a command go with.

    Attributes:
        modes: the first whose option is given is the one meant; the last has none.
        rules: of every option but `--help` and `--version`.
    """

    modes: tuple[Mode, ...]
    rules: Mapping[str, Rule]

    def add_needs(self, parser: argparse.ArgumentParser) -> None:
        """Adds to the help of each option what it needs."""
        for action in parser._actions:
            for option in action.option_strings:
                if option in self.rules and (needs := self.rules[option].needs):
                    action.help = f"{action.help}; needs {join_words(needs)}"

    def parse(self, parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
        """The arguments; leaves with status 2 where they are wrong or do not go together."""
        defaults = {option: parser.get_default(_dest(option)) for option in self.rules}
        # argparse fills in no default where a value stands, so what still stands was not typed.
        unset = {_dest(option): NOT_GIVEN for option in self.rules}
        args = parser.parse_args(argv, argparse.Namespace(**unset))
        given = [name for name in self.rules if getattr(args, _dest(name)) is not NOT_GIVEN]
        for option in self.rules.keys() - set(given):
            setattr(args, _dest(option), defaults[option])
        # `--device cpu` is what is done without it, so it is nothing that another option needs.
        effective = [name for name in given if getattr(args, _dest(name)) != defaults[name]]
        if misuse := self.find_misuse(given, effective):
            parser.error(misuse)
        return args

    def find_misuse(self, given: Collection[str], effective: Collection[str]) -> str:
        """What does not go together, and what to do about it; "" if everything does.

        Args:
            given: the options that were typed.
            effective: those of them that are typed with another value than their default.
        """
        mode = next(mode for mode in self.modes if mode.option in ("", *given))
        if lacking := [option for option in mode.required if option not in given]:
            instead = mode.required[lacking[0]]
            needed = [option for option in lacking if mode.required[option] == instead]
            return f"{join_words(needed)} {'are' if needed[1:] else 'is'} needed, or {instead}"
        strangers = [option for option in given if mode not in self.rules[option].modes]
        if strangers:
            return f"{mode.option} {mode.description}, so leave {join_words(strangers)} out"
        unmet = self._unmet(given, {*effective, *mode.brings})
        return ". ".join([*unmet, *self._contradictions(given)])

    def _unmet(self, given: Collection[str], there: Collection[str]) -> Iterator[str]:
        lacking: dict[tuple[str, ...], list[str]] = {}
        for option in given:
            needs = self.rules[option].needs
            if unmet := tuple(need for need in needs if need.split()[0] not in there):
                lacking.setdefault(unmet, []).append(option)
        for unmet, options in lacking.items():
            need, them = ("need", "them") if options[1:] else ("needs", "it")
            give = f"give {'them' if unmet[1:] else 'it'}, or leave {them} out"
            yield f"{join_words(options)} {need} {join_words(unmet)}: {give}"

    def _contradictions(self, given: Collection[str]) -> Iterator[str]:
        for option in given:
            for other in self.rules[option].excludes:
                if other in given:
                    yield f"{option} and {other} contradict each other: leave one of them out"


def _dest(option: str) -> str:
    return option.removeprefix("--").replace("-", "_")
