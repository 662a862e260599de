"""What a user can cause. Anything else that escapes is a bug and keeps its traceback.

    FerryError               what a user can cause; the commands print it and end with status 1
      CheckpointError        a file that cannot be read as a checkpoint
        RefusedCheckpoint    a file that asks for code to be run, or for memory that it does not carry
      CheckpointMismatch     tensors that are not the architecture's, every problem named
      UnknownArch            no architecture of that name
      UnknownPretrained      no published checkpoint of that name
      FetchError             a download that did not bring the file that was asked for
      TargetError            a target that cannot or may not be written
      OutputError            standard output that cannot be written to
      DatasetError           a validation set that cannot be read, or whose labels are not the model's
      UnknownRecipe          no recipe of that name
      WrongProtocol          values of a protocol that cannot be, or that contradict each other
      StoreError             a file that is no run store, or one of another run
      StepSummaryError       a GitHub step's summary that cannot be written
      NoShtab                the package that writes the scripts of completion is not there

Ctrl-C in an accuracy run is `verify.RunInterrupted`, a KeyboardInterrupt; SIGTERM and SIGHUP end a command as
`convert.endings.Terminated`, another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

SHOWN_PROBLEMS = 8


class FerryError(Exception):
    """Base of every error that input, not a bug, brings about. Its text says what, where and what to do."""


class UnknownArch(FerryError):
    """An architecture name that no table has."""


class CheckpointError(FerryError):
    """A file that cannot be read as a checkpoint, or holds no state dict."""


class RefusedCheckpoint(CheckpointError):
    """A file that asks for more than tensors: code to run, or memory that it does not carry."""


class TargetError(FerryError):
    """A target that cannot or may not be written. What stood there before stands there still."""


class CheckpointMismatch(FerryError):
    """A state dict that does not fit its architecture.

    Attributes:
        arch: the architecture's name.
        problems: every problem found, a line each, in the order of the parameter table.
        subject: what does not fit: a file, or the state dict that was passed in.
        hint: what to do about it; may be empty.
    """

    def __init__(self, arch: str, problems: Sequence[str], subject: str = "the state dict", hint: str = "") -> None:
        self.arch = arch
        self.problems = tuple(problems)
        self.subject = subject
        self.hint = hint
        super().__init__(arch, self.problems, subject, hint)

    def __str__(self) -> str:
        return self.describe(SHOWN_PROBLEMS)

    def describe(self, limit: int) -> str:
        """The message with at most `limit` of the problems."""
        lines = [f"{self.subject} does not fit {self.arch}: {counted(len(self.problems), 'problem')}"]
        lines += [f"  {problem}" for problem in self.problems[:limit]]
        if (hidden := len(self.problems) - limit) > 0:
            lines.append(f"  ... and {hidden} more; --plan prints them all")
        return "\n".join([*lines, *([self.hint] if self.hint else [])])


def shown(name: object, limit: int = 80) -> str:
    """A name out of a file, as a message may carry it: on one line, without control characters, not too long."""
    text = str(name) if len(str(name)) <= limit else f"{str(name)[: limit - 3]}..."
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def counted(count: int, noun: str) -> str:
    """ "1 problem", "2 problems"."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def quoted(names: Iterable[Any]) -> str:
    return listed([shown(repr(name), 60) if name != "" else "the bare state dict" for name in names])


def listed(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") if names else "nothing"
