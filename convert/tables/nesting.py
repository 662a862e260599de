"""The text of a file, looked at before a parser is given it: a parser's time and memory may grow with its depth."""

from __future__ import annotations

import re

MAX_DEPTH = 12  # of brackets in one another; a table needs six

# What a parser takes for one token, and a bracket in it is none. A string without its end reaches to the end of the
# line, so that each character is looked at once, whatever stands there.
TOKEN = re.compile(r'"""|\'\'\'|"[^"\\\n]*(?:\\.[^"\\\n]*)*"?|\'[^\'\n]*\'?|#[^\n]*')
LONG_STRINGS = ('"""', "'''")
# Each word of a dotted key is a table in the one before; a run is looked at from the beginning of a word.
DOTTED = re.compile(r"(?<![\w-])(?:[\w-]+[ \t]*\.[ \t]*){8}")
BRACKET = re.compile(r"[\[\]{}]")


def find_nesting(text: str) -> str:
    """What in a text of TOML or JSON would cost a parser too much; "" where nothing would."""
    long_strings: list[str] = []

    def mark(match: re.Match[str]) -> str:
        if match[0] in LONG_STRINGS:
            long_strings.append(match[0])
        return "" if match[0].startswith("#") else "s"

    skeleton = TOKEN.sub(mark, text)
    if long_strings:
        return f"has text of several lines, {long_strings[0]}; write it on one"
    if DOTTED.search(skeleton):
        return "has a key of more than 8 words parted by dots; put a tensor's name between quotes"
    depth = 0
    for match in BRACKET.finditer(skeleton):
        depth += 1 if match[0] in "[{" else -1
        if depth > MAX_DEPTH:
            return f"has brackets in one another more than {MAX_DEPTH} deep; a table needs fewer"
    return ""
