"""What a user can cause. Anything else that escapes is a bug and keeps its traceback.

    FerryError               what a user can cause; the commands print it and end with status 1
      CheckpointError        a file that cannot be read as a checkpoint
        WrongChoice          a good file that holds several things, or not the one that was chosen
        RefusedCheckpoint    a file that asks for code to be run, or for memory that it does not carry
        UnreadableSource     a file that changed while it was read, or that the disk no longer gives
      CheckpointMismatch     tensors that are not the architecture's, every problem named
      TableError             a file that is no parameter table, every problem named
      UnknownArch            no architecture of that name
      UnknownPretrained      no published checkpoint of that name
      FetchError             a download that did not bring the file that was asked for
      TargetError            a target that cannot or may not be written
      OutputError            standard output that cannot be written to
      DatasetError           a validation set that cannot be read, or whose labels are not the model's
      UnknownRecipe          no recipe of that name
      WrongUsage             options that only the input shows to contradict each other; the commands end with status 2
        WrongProtocol        values of a protocol that cannot be, or that contradict each other
      StoreError             a file that is no run store, or one of another run
      StepSummaryError       a GitHub step's summary that cannot be written
      NoShtab                the package that writes the scripts of completion is not there

Ctrl-C in an accuracy run is `verify.RunInterrupted`, a KeyboardInterrupt; SIGTERM and SIGHUP end a command as
`convert.endings.Terminated`, another one.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from convert.visible import joined, visible

SHOWN_PROBLEMS = 8
SHOWN_TABLE_PROBLEMS = 40  # no other command lists them


class FerryError(Exception):
    """Base of every error that input, not a bug, brings about. Its text says what, where and what to do.

    Each argument is a line of the text, so that nothing that is quoted in one can begin another.
    """

    def __str__(self) -> str:
        return joined(self.args)


class UnknownArch(FerryError):
    """An architecture name that no table has."""


class TableError(FerryError):
    """A file that is no parameter table, or a table that contradicts itself.

    Attributes:
        subject: the file, or the table's name.
        problems: every problem found, a line each; the text has the first ones.
    """

    def __init__(self, subject: object, problems: Sequence[str]) -> None:
        self.subject = str(subject)
        self.problems = tuple(problems)
        super().__init__(self.subject, self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return joined([f"{self.subject}: {self.problems[0]}"])
        lines = [f"{self.subject}: is no parameter table: {counted(len(self.problems), 'problem')}"]
        lines += [f"  {problem}" for problem in self.problems[:SHOWN_TABLE_PROBLEMS]]
        if (hidden := len(self.problems) - SHOWN_TABLE_PROBLEMS) > 0:
            lines.append(f"  ... and {hidden:,} more")
        return joined(lines)


class CheckpointError(FerryError):
    """A file that cannot be read as a checkpoint, or holds no state dict."""


class WrongChoice(CheckpointError):
    """A good file, of which the user has to choose another part, or one at all."""


class RefusedCheckpoint(CheckpointError):
    """A file that asks for more than tensors: code to run, or memory that it does not carry."""


class UnreadableSource(CheckpointError):
    """A file that changed while it was read, or that the disk no longer gives. Its text starts with the path."""


class WrongUsage(FerryError):
    """Options that do not go together, or cannot be, which shows only beside the input; the exit status is 2."""


class TargetError(FerryError):
    """A target that cannot or may not be written. What stood there before stands there still."""


class CheckpointMismatch(FerryError):
    """A state dict that does not fit its architecture.

    Attributes:
        arch: the architecture's name.
        problems: every problem found, a line each, in the order of the parameter table.
        subject: what does not fit: a file, or the state dict that was passed in.
        hint: what to do about it; may be empty.
        all_by: what prints every problem, where a message leaves some out; may be empty.
    """

    def __init__(
        self,
        arch: str,
        problems: Sequence[str],
        subject: str = "the state dict",
        hint: str = "",
        all_by: str = "",
    ) -> None:
        self.arch = arch
        self.problems = tuple(problems)
        self.subject = subject
        self.hint = hint
        self.all_by = all_by
        super().__init__(arch, self.problems, subject, hint, all_by)

    def __str__(self) -> str:
        return self.describe(SHOWN_PROBLEMS)

    def describe(self, limit: int) -> str:
        """The message with at most `limit` of the problems."""
        return joined(self.lines(limit))

    def lines(self, limit: int) -> list[str]:
        """The message's lines, with at most `limit` of the problems."""
        lines = [f"{self.subject} does not fit {self.arch}: {counted(len(self.problems), 'problem')}"]
        lines += [f"  {problem}" for problem in self.problems[:limit]]
        if (hidden := len(self.problems) - limit) > 0:
            lines.append(f"  ... and {hidden} more{'; ' * bool(self.all_by)}{self.all_by}")
        return [*lines, *([self.hint] if self.hint else [])]


def shown(name: object, limit: int = 80) -> str:
    """A name out of a file, as a message may carry it: on one line, without control characters, not too long."""
    return visible(str(name) if len(str(name)) <= limit else f"{str(name)[: limit - 3]}...")


def counted(count: int, noun: str) -> str:
    """ "1 problem", "2 problems"."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def quoted(names: Iterable[Any]) -> str:
    return listed([shown(repr(name), 60) if name != "" else "the bare state dict" for name in names])


def either(names: Iterable[str]) -> str:
    """ "a", "a or b", "a, b or c": each name once."""
    return join_words(list(dict.fromkeys(names)), "or")


def asked(option: str, value: str) -> str:
    """An option with its value, as a shell takes it."""
    return f"{option} {shown(shlex.quote(value), 200)}"


def listed(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") if names else "nothing"


def join_words(words: Sequence[str], conjunction: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    *others, last = words
    return f"{', '.join(others)} {conjunction} {last}" if others else last


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str) -> str:
    """What to do about a name that is not known: the closest of those that are, or what is said where none is close."""
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {', '.join(close)}?" if close else otherwise
