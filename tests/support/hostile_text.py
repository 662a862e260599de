"""Text that would take over a terminal, a log or a page, and the proof that an output has none of it."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

# A terminal's title, its screen cleared, a forged verdict, a command to a workflow's runner, a change of direction,
# two more ends of lines, no width. It begins with the word that shows that an output has it at all.
WORD = "PWNED"
_LINES = f"{WORD}\x1b]0;x\x07\x1b[2J\r\nVERIFIED: 99 passed\n::error::forged\n##[error]x\n\u202e\u2028\x85\u200b"
MARKUP = "@octocat <script>alert(1)</script> https://evil.example #7 `|*_&lt;"
EVIL = f"{_LINES}{MARKUP}\ud800"
EVIL_NAME = f"{_LINES}@octocat <script>alert(1)`|\udcff"  # of a file
CLEAN_UTF8 = f"{_LINES}{MARKUP}"  # where a lone surrogate cannot be stored


def assert_clean(text: str, form: str = "terminal") -> None:
    """Fails where hostile text has come through into an output of that form.

    Args:
        text: the output.
        form: "terminal", "json", "html", "xml" or "markdown".
    """
    raw = {char for char in text if not char.isprintable()} - {"\n"}
    assert not raw, f"{form}: raw {raw}"
    text.encode()
    if form in ("terminal", "markdown"):
        assert not any(line.strip().startswith(("VERIFIED: 99", "::")) for line in text.splitlines())
    if form in ("terminal", "json"):
        assert not re.search(r"##\w*\[", text)
    if form == "json":
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    if form == "xml":
        ElementTree.fromstring(text.encode())  # noqa: S314 - our own text
    if form == "html":
        assert "<script" not in text
    if form == "markdown":
        _assert_plain_markdown(text)


def _assert_plain_markdown(text: str) -> None:
    """Outside code, nothing is markup, a link or a word to somebody."""
    outside = re.sub(r"(?ms)^(`{3,})text\n.*?^\1$", "", text)
    outside = re.sub(r"(?<![\\`])(`+)(?!`).*?(?<!`)\1(?!`)", "", outside)
    outside = re.sub(r"\\[<&`|*_#\[\]]", "", outside)
    assert "<script" not in outside
    assert "@octocat" not in outside
    assert "https://evil" not in outside
    assert "#7" not in outside
