"""Text that came out of files, names and addresses, as it may be printed: by its escapes where it is not printable.

What a terminal, a log or a reader would take for more than text (control characters, changes of direction, zero
width, other ends of lines, halves of surrogate pairs) stands as `\\x` and its number.
"""

from __future__ import annotations

from collections.abc import Iterable


def visible(text: object) -> str:
    """The text on one line, whole."""
    line = str(text)
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in line)


def joined(lines: Iterable[object]) -> str:
    """Lines one below the other. Whatever stands in one, it is one: no name out of a file can begin another."""
    return "\n".join(map(visible, lines))


def printable(text: str) -> str:
    """A text of several lines, its ends of lines kept: the last door, where every line was made visible before."""
    return joined(text.split("\n"))
